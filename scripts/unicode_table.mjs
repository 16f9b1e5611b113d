// Write provenance/normaliser_1.txt: node scripts/unicode_table.mjs PACKAGE, the unpacked npm package @unicode/unicode-18.0.0
import { argv } from 'node:process';
import { pathToFileURL } from 'node:url';
const at = async path => (await import(pathToFileURL(`${argv[2]}/${path}/code-points.mjs`))).default;
const words = new Set([...await at('General_Category/Letter'), ...await at('General_Category/Number')]);
const marks = new Set(await at('General_Category/Mark'));
const unspaced = ['Han', 'Hiragana', 'Katakana', 'Bopomofo', 'Yi', 'Nushu', 'Tangut', 'Khitan_Small_Script', 'Jurchen',
  'Thai', 'Lao', 'Khmer', 'Myanmar', 'Tai_Le', 'New_Tai_Lue', 'Tai_Tham', 'Tai_Viet', 'Ahom'];
const alone = new Set((await Promise.all(unspaced.map(script => at(`Script/${script}`)))).flatMap(points => [...points]));
const lower = await at('Simple_Case_Mapping/Lowercase');
const hex = point => point.toString(16).toUpperCase().padStart(4, '0');
const kind = point => {
  if (!words.has(point) && !marks.has(point)) return '';
  return alone.has(point) ? 'alone' : words.has(point) ? 'word' : 'mark';
};
const lines = [];
for (let first = 0, point = 0; point <= 0x110000; point++) {
  if (kind(point) === kind(first) && point < 0x110000) continue;
  if (kind(first)) lines.push(`${hex(first)}-${hex(point - 1)} ${kind(first)}`);
  first = point;
}
const pairs = [...lower].sort((a, b) => a[0] - b[0]).map(([from, to]) => [from, to - from]);
for (let i = 0; i < pairs.length;) {
  const [first, shift] = pairs[i];
  const step = pairs[i + 1] && pairs[i + 1][1] === shift && pairs[i + 1][0] - first <= 2 ? pairs[i + 1][0] - first : 1;
  let j = i;
  while (pairs[j + 1] && pairs[j + 1][0] === pairs[j][0] + step && pairs[j + 1][1] === shift) j++;
  lines.push(`${hex(first)}-${hex(pairs[j][0])}/${step} lower ${shift > 0 ? '+' : ''}${shift}`);
  i = j + 1;
}
console.log(lines.join('\n'));

"""Whether marks are found, and human text is left alone, as often as claimed: many keys, and a model from scratch.

scripts/reproduce watermarks [--texts FILE]... [--quick] [--json | --markdown]

Leaves the table and the detection grid in reproduced/.
"""

import sys
import time
from collections.abc import Iterator, Sequence
from itertools import chain, product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import numpy as np
from claims import Claim
from numpy.typing import NDArray
from scipy.stats import binom, kstest
from tables import markdown
from tokenizers import Tokenizer

from provenance.console import say, show_json, show_table
from provenance.detection import Seekers
from provenance.keyring import Key, Keyring
from provenance.keyring import Secret as KeyringSecret
from provenance.origin import Origin
from provenance.schemes.kgw import Kgw
from provenance.schemes.kgw_transformers import KgwTransformers
from provenance.schemes.synthid import Synthid
from provenance.watermark import Scheme, Secret, Tokens, score
from registry import Declared, MixSpec, Registry, real_frac
from registry.blind import Trial
from registry.sealed import read_key
from trainer.generate import Decoding, Marker, sample
from trainer.testbeds.language import Language
from trainer.texts import paragraphs

FOLDER = Path("reproduced")
CHUNK = 200
LENGTHS = (32, 64, 128, 256)
Floats = NDArray[np.float64]


# -- chance: human text, which nobody marked


def chunks(texts: Sequence[str], tokenizer: Tokenizer, length: int) -> list[list[int]]:
    """Texts as one stream of tokens, cut into chunks."""
    ids = [token for encoding in tokenizer.encode_batch(list(texts)) for token in encoding.ids]
    return [ids[start : start + length] for start in range(0, len(ids) - length + 1, length)]


def chance(human: list[list[int]], rng: np.random.Generator) -> Iterator[Claim]:
    """Human chunks, each with a fresh random key."""
    for name, scheme in (("KGW", Kgw()), ("SynthID, 10 keys", Synthid())):
        told = np.array([_randomised(scheme, scheme.draw_secret(), chunk, rng) for chunk in human])
        which = f"{name}: {len(human):,} human chunks, a key each"
        yield Claim(f"{which}: p uniform, KS p", 0.01, None, float(kstest(told[:, 0], "uniform").pvalue))
        yield Claim(f"{which}: called marked at 0.01", 0.004, 0.018, float((told[:, 1] <= 0.01).mean()))


def _randomised(scheme: Scheme, secret: Secret, chunk: list[int], rng: np.random.Generator) -> tuple[float, float]:
    """p with its ties broken at random, and p: that of a discrete score is not uniform by construction."""
    found = score(scheme, secret, Tokens.of([chunk]))
    p, count = float(found.p[0]), int(found.scored[0])
    if len(chunk) >= 128:  # scanned in windows too; the whole is what is claimed
        p = float(scheme.p_values(secret, found.score * count, found.scored)[0])
    tie = float(binom.pmf(round(found.score[0] * count), count, scheme.gamma)) if isinstance(scheme, Kgw) else 0.0
    return p - rng.random() * tie, p


def mistakes(human: list[list[int]]) -> Iterator[Claim]:
    """Mistakes, each beside what is done instead; `contexts` is about another."""
    looped = [chunk[:40] * 5 for chunk in human]
    kgw = Kgw()
    counted, once = [], []
    for chunk in looped:
        secret, tokens = kgw.draw_secret(), Tokens.of([chunk])
        values = kgw.ngrams(secret, tokens).values[2:]
        counted.append(float(kgw.p_values(secret, np.array([values.sum()]), np.array([len(values)]))[0]))
        once.append(float(score(kgw, secret, tokens).p[0]))
    yield Claim("repeated n-grams counted: text that repeats itself, called marked at 0.01", 0.05, None, _rate(counted))
    yield Claim("counted once instead", None, 0.018, _rate(once))

    scheme = Synthid(table="torch", table_seed=3, weights="equal")
    long = [list(chain.from_iterable(human[start : start + 50])) for start in range(0, len(human) - 49, 5)]
    halves, own = [], []
    for chunk in long:
        secret = scheme.draw_secret()
        ngrams = scheme.ngrams(secret, Tokens.of([chunk]))
        names = np.stack(ngrams.names, 1)[4:]
        new = np.unique(names[:, 0], return_index=True)[1]
        new = new[np.unique(names[new, 1], return_index=True)[1]]
        values = ngrams.values[4:][new]
        deviation = scheme.null(secret).deviation / np.sqrt(len(values))
        halves.append((values.mean() - 0.5) / deviation)
        own.append((values.mean() - scheme.null(secret).mean) / deviation)
    yield Claim(
        "0.5 as the null of SynthID, table of mean 0.50243, 10,000 tokens: mean z", 0.2, None, float(np.mean(halves))
    )
    yield Claim("the table's own mean instead", -0.35, 0.35, float(np.mean(own)))


def contexts(texts: Sequence[str]) -> Iterator[Claim]:
    """What all texts come to by one key, with one token of context and with two; here each word is a token."""
    found = [word for text in texts for word in text.split()]
    numbers = {word: number for number, word in enumerate(dict.fromkeys(found))}
    ids = [numbers[word] for word in found]
    tokens = Tokens.of([ids[start : start + CHUNK] for start in range(0, len(ids) - CHUNK + 1, CHUNK)][:1000])
    for many, scheme, low, high in (
        ("one token", KgwTransformers(vocab_size=len(numbers)), 3.0, None),
        ("two tokens", Kgw(), None, 3.0),
    ):
        scores = [score(scheme, scheme.draw_secret(), tokens) for _ in range(40)]
        spread = float(np.std([one.z.mean() for one in scores], ddof=1) * np.sqrt(len(tokens)))
        most = float(max((one.p <= 0.01).mean() for one in scores))
        what = f"{many} of context, 40 keys: spread of z over {len(tokens):,} chunks together, 1 were right"
        yield Claim(what, low, high, spread)
        yield Claim(f"{many} of context: the most that one of 40 keys calls marked at 0.01", None, None, most)


def _rate(p: list[float]) -> float:
    return float((np.array(p) <= 0.01).mean())


# -- power: text that a model from scratch marked


class Writer:
    """A model trained from scratch on human text, that marks what it writes."""

    def __init__(self, file: str | None, quick: bool) -> None:
        self.bed = Language(
            model_size="mini",
            context=max(LENGTHS) + 16,
            texts=file,
            epochs=1 if quick else 3,
            vocabulary=1024,
        )
        self.rng = np.random.default_rng(0)
        human = [text for place, text in enumerate(paragraphs(file)) if place % 10 > 1]
        self.human = human
        start = time.perf_counter()
        self.model = self.bed.fit([human], None, None, self.rng)
        say(f"trained on {len(human):,} paragraphs in {time.perf_counter() - start:.0f} s")

    def write(self, scheme: Scheme, secret: Secret, texts: int, length: int, temperature: float) -> list[str]:
        """So many texts of so many tokens."""
        marker = Marker(scheme, secret, outside=self.bed.outside)
        seed = int(self.rng.integers(2**31))
        decoding = Decoding(temperature=temperature)
        return sample(self.model.network, self.bed.tokenizer, [length] * texts, seed, decoding, marker).texts

    def surprise(self, texts: Sequence[str]) -> Floats:
        """The mean entropy of the next token under the model, in nats, of each text."""
        import torch

        start = self.bed.tokenizer.token_to_id("<|bos|>")
        found = []
        with torch.no_grad():
            for text in texts:
                ids = [start, *self.bed.tokenizer.encode(text).ids][: self.bed.context]
                logs = torch.log_softmax(self.model.network(torch.tensor([ids])).logits[0].float(), -1)
                found.append(float(-(logs.exp() * logs).sum(-1).mean()))
        return np.array(found)

    def tokens(self, texts: Sequence[str], most: int | None = None) -> Tokens:
        return Tokens.of([encoding.ids[:most] for encoding in self.bed.tokenizer.encode_batch(list(texts))])


def power(writer: Writer, texts: int) -> Iterator[Claim]:
    """How many marked texts are found."""
    kgw = Kgw()
    secret = kgw.draw_secret()
    marked = writer.write(kgw, secret, texts, CHUNK, 1.0)
    perplexity = float(np.exp(writer.surprise(marked[:100]).mean()))
    yield Claim("the model's perplexity a token, from its own entropy", 30, None, perplexity)
    whole, short = score(kgw, secret, writer.tokens(marked, CHUNK)), score(kgw, secret, writer.tokens(marked, 50))
    yield Claim("KGW γ=0.25 δ=2, 200 tokens: found at 0.001", 0.95, None, float((whole.p <= 1e-3).mean()))
    yield Claim("KGW, 50 tokens: found at 0.001", 0.70, None, float((short.p <= 1e-3).mean()))
    above = whole.z > 1.065 * np.sqrt(whole.scored) + 3
    yield Claim("KGW: z above 1.065√T + 3", None, 0.005, float(above.mean()))
    other = score(kgw, kgw.draw_secret(), writer.tokens(marked, CHUNK))
    yield Claim("KGW, another key: called marked at 0.01", None, 0.03, float((other.p <= 0.01).mean()))
    for depth, weights, low in ((10, "linear", 0.9), (10, "equal", None), (30, "equal", None), (30, "linear", None)):
        scheme = Synthid(depth=depth, weights=weights)
        secret = scheme.draw_secret()
        found = score(scheme, secret, writer.tokens(writer.write(scheme, secret, texts, CHUNK, 1.0), CHUNK))
        kind = "weighted mean" if weights == "linear" else "mean"
        yield Claim(
            f"SynthID, {depth} keys, {kind}, 200 tokens: found at 0.01", low, None, float((found.p <= 0.01).mean())
        )


# -- the grid


def grid(writer: Writer, texts: int) -> list[dict[str, Any]]:
    """How many are found at 0.01, by length, temperature and edits, and by quarter of entropy."""
    rows = []
    for scheme, length, temperature in product((Kgw(), Synthid()), LENGTHS, (1.0, 0.7)):
        secret = scheme.draw_secret()
        marked = writer.write(scheme, secret, texts, length, temperature)
        quarter = np.argsort(np.argsort(writer.surprise(marked))) * 4 // texts
        for edit, share in (("none", 0.0), *product(("deletion", "truncation", "insertion"), (0.1, 0.3))):
            edited = [change(text, edit, share, writer) for text in marked]
            found = score(scheme, secret, writer.tokens(edited)).p <= 0.01
            rows.append(
                {
                    "scheme": type(scheme).__name__.lower(),
                    "tokens": length,
                    "temperature": temperature,
                    "edit": edit,
                    "share": share,
                    "found": float(found.mean()),
                    **{f"entropy {q + 1}/4": float(found[quarter == q].mean()) for q in range(4)},
                }
            )
    return rows


def change(text: str, edit: str, share: float, writer: Writer) -> str:
    """A text of which a share of the words is deleted, or cut off, or which makes up the rest of a human text."""
    words = text.split(" ")
    if edit == "deletion":
        return " ".join(word for word in words if writer.rng.random() >= share)
    if edit == "truncation":
        return " ".join(words[: round(len(words) * (1 - share))])
    if edit == "insertion":
        human = writer.human[int(writer.rng.integers(len(writer.human)))].split(" ")
        wanted = round(len(words) * share / (1 - share))
        around = (human * (wanted // len(human) + 1))[:wanted]
        at = wanted // 2
        return " ".join([*around[:at], *words, *around[at:]])
    return text


# -- the trial: all of it, blind


def trial(writer: Writer, texts: int) -> Iterator[Claim]:
    """Marked text is put among human text in a registry, made blind, sought, attributed, and scored by the truth.

    The detector learnt from other texts of the same kinds, unmarked ones.
    """
    with TemporaryDirectory() as name:
        folder = Path(name)
        keyring = Keyring.open(folder / "keyring.json", environment={})
        digest = keyring.keep_tokenizer(writer.bed.tokenizer.to_str())
        scheme = Synthid()
        secret = scheme.draw_secret()
        key = Key.fresh("synthid", scheme.model_dump(), digest, KeyringSecret(secret), "2026-01-01T00:00:00Z", "own")
        keyring.add(key)
        marker = Marker(scheme, secret, outside=writer.bed.outside)
        written = writer.bed.write(writer.model, texts, writer.rng, marker).texts
        with Registry.create(folder / "corpus.prov") as corpus:
            corpus.add(_rows("h", writer.human[:texts]), Declared(origin=Origin.HUMAN))
            corpus.record_model("scratch")
            run = corpus.record_run("scratch", {"watermark": {"key": key.id}}, 0)
            corpus.add(_rows("m", written), run=run.digest.hex())
            sealed = Trial(folder / "blind.prov", folder / "blind.truth", folder / "seal")
            corpus.blind(sealed)
        with Registry.create(folder / "labelled.prov") as labelled:
            labelled.add(_rows("h", writer.human[texts:][:texts]), Declared(origin=Origin.HUMAN))
            others = writer.bed.write(writer.model, texts, writer.rng).texts
            labelled.add(_rows("m", others), Declared(origin=Origin.MODEL, generator="scratch"))
            labelled.train_detector()
        with Registry.open(sealed.output) as blind:
            blind.detect(Seekers.of(keyring))
            blind.take_detector(folder / "labelled.prov")
            blind.attribute()
            kept = [_drawn(blind, sealed, texts // 2, seed) for seed in range(20)]
            told = blind.score(sealed.truth, read_key(sealed.key))
    detected, attributed = told["detection"]["overall"], told["attribution"]["overall"]
    yield Claim("blind trial: marked text found at 0.01, of any length", None, None, detected["tpr"]["share"])
    yield Claim("blind trial: human text called marked at 0.01", None, 0.025, detected["fpr"]["share"])
    yield Claim("blind trial: AUC of what is attributed", None, None, attributed["auc"])
    yield Claim("blind trial: error of calibration", None, None, attributed["calibration_error"])
    yield Claim("blind trial: least real share of 20 mixes, 0.5 by lower-bound", 0.5, None, min(kept))


def _rows(name: str, texts: Sequence[str]) -> list[dict[str, Any]]:
    return [{"id": f"{name}{number}", "text": text} for number, text in enumerate(texts)]


def _drawn(blind: Registry, sealed: Trial, size: int, seed: int) -> float:
    """The real share of a mix, by the truth."""
    drawn = blind.mix(MixSpec(strata=real_frac(0.5), size=size, seed=seed, unknown="lower-bound"))
    mix: dict[str, float] = blind.score(sealed.truth, read_key(sealed.key), mix=drawn.mix)["mix"]
    return mix["realised"]


# -- the run


@click.command()
@click.option("--texts", "files", multiple=True, type=click.Path(exists=True), help="Human text; may be given twice.")
@click.option("--quick", is_flag=True, help="Less of everything: to see that it runs.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print tables in Markdown.")
def main(files: tuple[str, ...], quick: bool, as_json: bool, as_markdown: bool) -> None:
    """Measure, judge and tell; exit 1 where a claim does not hold."""
    start = time.perf_counter()
    rng = np.random.default_rng(0)
    writer = Writer(files[0] if files else None, quick)
    texts = [text for file in files or (None,) for text in paragraphs(file)]
    human = chunks(texts, writer.bed.tokenizer, CHUNK)[: 300 if quick else None]
    if len(human) < 2_000 and not quick:
        say(f"{len(human):,} chunks of human text, the claim is about 2,000: name more with --texts")
    claims = []
    for claim in chain(
        chance(human, rng),
        mistakes(human),
        contexts(texts),
        power(writer, 64 if quick else 400),
        trial(writer, 100 if quick else 400),
    ):
        say(f"{claim.verdict}: {claim.what}: {claim.found:.4g}")
        claims.append(claim)
    found = grid(writer, 16 if quick else 200)
    seconds = time.perf_counter() - start
    told: dict[str, Any] = {"claims": [claim.row() for claim in claims], "grid": found, "seconds": seconds}
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "watermarks.md").write_text(_markdown(told))
    if as_json:
        show_json(told)
    elif as_markdown:
        click.echo(_markdown(told))
    else:
        show_table(told["claims"])
        show_table(found)
    say(f"{time.perf_counter() - start:.0f} s, tables in {FOLDER / 'watermarks.md'}")
    failed = [claim.what for claim in claims if claim.verdict == "FAIL"]
    if failed:
        say(f"{len(failed)} of {len(claims)} claims do not hold: {'; '.join(failed)}")
        sys.exit(1)


def _markdown(told: dict[str, Any]) -> str:
    return "\n\n".join(markdown(told[name]) for name in ("claims", "grid")) + "\n"


if __name__ == "__main__":
    main()

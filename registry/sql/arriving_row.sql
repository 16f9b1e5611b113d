-- arriving_row: a staged row as the user would know it.
SELECT item AS id, text, origin, declared AS generation, generator, source
FROM arriving
WHERE input = $input AND number = $number

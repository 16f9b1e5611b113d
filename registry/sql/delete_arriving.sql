-- delete_arriving: leave out one staged row.
DELETE FROM arriving WHERE input = $input AND number = $number

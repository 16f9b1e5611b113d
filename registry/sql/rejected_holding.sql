-- rejected_holding: the lines that hold a text that is being withdrawn.
SELECT DISTINCT line
FROM rejected
WHERE digest IN (SELECT digest FROM text WHERE text_id IN (SELECT text_id FROM withdrawing))
ORDER BY line

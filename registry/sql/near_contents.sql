-- near_contents: the contents of some texts, of the registry or strange.
SELECT text_id, content FROM text JOIN asked USING (text_id) WHERE content IS NOT NULL
UNION ALL
SELECT text_id, content FROM strange JOIN asked USING (text_id)
ORDER BY text_id

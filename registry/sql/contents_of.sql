-- contents_of: the contents of some texts, of those that have one.
SELECT text_id, content FROM text JOIN asked USING (text_id) WHERE content IS NOT NULL ORDER BY text_id

-- merge_contents: contents of texts that had been erased, and that come again without a rule against them.
UPDATE text SET content = incoming.content FROM incoming WHERE incoming.text_id = text.text_id AND incoming.content IS NOT NULL

-- any_text_missing: whether the content of any text is not held, be it erased or left out of this copy.
SELECT EXISTS (FROM text WHERE content IS NULL)

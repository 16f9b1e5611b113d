-- digest_of_text: the digest of a text, in hex.
SELECT lower(hex(digest)) FROM text WHERE text_id = $text_id

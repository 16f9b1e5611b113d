-- digest_of_document: the digest of a document, in hex.
SELECT lower(hex(digest)) FROM document WHERE document_id = $document_id

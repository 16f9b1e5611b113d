-- drop_cut_manifests: give up the manifests of which a document was left out.
DELETE FROM their_mix_document
WHERE mix_id IN (
    SELECT mix_id FROM their_mix_document WHERE document_id NOT IN (SELECT theirs FROM met_document)
)

-- merge_declarations: what was declared there and is not known here, by whom and when; it keeps its precedence.
INSERT INTO declaration (document_id, batch_id, origin, generation, model_id, license_id, declared_by, evidence,
                         precedence, declared_at)
WITH told AS (
    SELECT met_document.document_id, theirs.origin, theirs.generation, met_model.model_id, met_license.license_id,
           declared_by, evidence, precedence, declared_at
    FROM their_declaration AS theirs
    JOIN met_document ON met_document.theirs = theirs.document_id
    LEFT JOIN met_model ON met_model.theirs = theirs.model_id
    LEFT JOIN met_license ON met_license.theirs = theirs.license_id
)
SELECT told.document_id, $batch_id, told.origin, told.generation, told.model_id, told.license_id, told.declared_by,
       told.evidence, told.precedence, told.declared_at
FROM told
ANTI JOIN declaration AS held
    ON held.document_id = told.document_id AND held.declared_at = told.declared_at AND held.precedence = told.precedence
   AND held.origin = told.origin AND held.generation IS NOT DISTINCT FROM told.generation
   AND held.model_id IS NOT DISTINCT FROM told.model_id AND held.license_id IS NOT DISTINCT FROM told.license_id
   AND held.declared_by IS NOT DISTINCT FROM told.declared_by AND held.evidence IS NOT DISTINCT FROM told.evidence

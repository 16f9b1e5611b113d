-- mix_is_foreign: whether a mix is known by its digest alone.
SELECT is_foreign FROM mix WHERE mix_id = $mix_id

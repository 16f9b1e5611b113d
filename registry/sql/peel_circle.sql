-- peel_circle: take away what leads nowhere: derivations whose parent has no parent left.
DELETE FROM circle WHERE parent NOT IN (SELECT child FROM circle)

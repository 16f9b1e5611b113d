-- peel_circle: take away what cannot close a circle: whose parent has no parent left, or whose child no child.
DELETE FROM circle WHERE parent NOT IN (SELECT child FROM circle) OR child NOT IN (SELECT parent FROM circle)

-- stage_news: the arriving documents that the registry does not hold, or learns something of.
CREATE OR REPLACE TEMP TABLE news AS
SELECT digest FROM arriving WHERE digest NOT IN (SELECT digest FROM known)
UNION
SELECT digest FROM redeclared
UNION
SELECT child FROM edge

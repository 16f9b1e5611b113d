-- count_circle: how many derivations may still close a circle.
SELECT count(*) FROM circle

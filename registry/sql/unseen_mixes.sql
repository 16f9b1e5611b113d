-- unseen_mixes: how many mixes are known by their digest alone.
SELECT count(*) FROM mix WHERE is_foreign

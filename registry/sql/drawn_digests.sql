-- drawn_digests: the documents drawn, in the order of the mix.
SELECT digest FROM drawn ORDER BY position

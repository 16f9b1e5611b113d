-- has_link: whether a digest is that of a link of the chain.
SELECT EXISTS (FROM batch WHERE digest = $digest)

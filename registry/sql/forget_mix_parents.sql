-- forget_mix_parents: drop which models' texts went into mixes by derivations, for them to be found again.
DELETE FROM mix_parent

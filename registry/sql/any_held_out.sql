-- any_held_out: whether any text is held out.
SELECT EXISTS (FROM holdout)

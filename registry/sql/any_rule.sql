-- any_rule: whether anything is held out or withdrawn.
SELECT EXISTS (FROM holdout) OR EXISTS (FROM withdrawal)

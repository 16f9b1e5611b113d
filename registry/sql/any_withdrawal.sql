-- any_withdrawal: whether anything is withdrawn.
SELECT EXISTS (FROM withdrawal)

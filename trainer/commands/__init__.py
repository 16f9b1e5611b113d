"""Commands of the experiment: parse, call one function, show."""

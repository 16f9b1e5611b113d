"""The commands that open a registry: parse, call one method, show."""

"""Commands that keep a registry safe: what may not be drawn, what must go, and whether all of it still holds."""

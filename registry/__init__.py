"""The memory: every text of a corpus with its origin, kept in DuckDB. It may import provenance, never trainer."""

"""Measures Tidemark against the clock, against its own growth and against plain DuckDB."""

"""What every room uses: errors, instants, files, SQL text, DuckDB within a memory limit, progress."""

"""Feast's offline store over Parquet files, and its jobs."""

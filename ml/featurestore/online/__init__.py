"""Feast's online store in SQLite: layout and schema, loads, requests and responses."""

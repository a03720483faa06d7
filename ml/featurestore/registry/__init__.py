"""Feast's registry in a file that is replaced in one step."""

"""Seeded samples: the same in Python and DuckDB, evenly spaced rows from the first to the last."""

import duckdb

from ml.common.sampling import evenly_spaced, key_hash, key_hash_sql


def test_python_and_duckdb_hash_a_key_alike() -> None:
    for key in (("17", "C1"), ("evidence", "17", "Łódź")):
        sql = key_hash_sql(*(f"'{part}'" for part in key), function="md5")
        assert duckdb.sql(f"select {sql}").fetchall() == [(key_hash(*key).hex(),)]


def test_evenly_spaced_rows_span_all_rows() -> None:
    taken = evenly_spaced(5_000, 1_000)
    assert (len(taken), taken[0], taken[-1]) == (1_000, 0, 4_999)
    assert evenly_spaced(7, 1_000).tolist() == list(range(7))

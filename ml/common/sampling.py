"""Seeded samples by a hash of seed and key, so that the order of rows does not matter.

Python and DuckDB hash the same text: the parts of the key, joined by ``|``.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray


def key_hash(*key: object) -> bytes:
    """The 16 bytes of MD5 of a key."""
    return hashlib.md5("|".join(map(str, key)).encode(), usedforsecurity=False).digest()


def key_hash_sql(*key: str, function: str = "md5_number_lower") -> str:
    """The SQL of a key's hash from SQL expressions: 64 bits as an unsigned integer, or ``md5`` as hex."""
    return f"{function}(concat_ws('|', {', '.join(key)}))"


def sampled_customers_sql(rows: str, most: int, seed: str = "$1") -> str:
    """A query of at most ``most`` customers of ``rows``, drawn by the parameter ``seed``.

    Parameters
    ----------
    rows : str
        The relation to select ``customer_id`` from, optionally with a condition.
    """
    return f"""
        select customer_id from (select distinct customer_id from {rows})
        order by {key_hash_sql(seed, "customer_id")}, customer_id
        limit {most}
    """


def in_first_half(customer: str, seed: int) -> bool:
    """A coin that always falls the same way for one customer and seed."""
    return key_hash(seed, customer)[0] < 128


def evenly_spaced(rows: int, most: int) -> NDArray[np.int64]:
    """The positions of at most ``most`` of so many rows, at even distances from the first to the last."""
    return np.linspace(0, rows - 1, min(rows, most)).astype(np.int64)

"""Samples of rows where all would take too long: all rows of customers who are drawn by a seeded hash."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ml.common.sampling import key_hash
from ml.features.training_parts import Part


def sample_customers(part: Part, most: int, seed: int) -> Part:
    """The part, or if it has more than ``most`` rows those of some customers, at most so many."""
    if len(part.table) <= most:
        return part
    return Part(part.name, part.table.filter(pa.array(in_sample(part.customers, most, seed))))


def share_of_customers(part: Part, share: float, seed: int) -> Part:
    """The rows of a share of the customers; a larger share contains a smaller one."""
    names, codes = np.unique(part.customers, return_inverse=True)
    first = np.argsort(hashes(names, seed), kind="stable")[: max(1, round(share * len(names)))]
    drawn = np.zeros(len(names), dtype=bool)
    drawn[first] = True
    return Part(part.name, part.table.filter(pa.array(drawn[codes])))


def in_sample(customers: NDArray[np.object_], most: int, seed: int) -> NDArray[np.bool_]:
    """Whether each row's customer is among those with the smallest hashes, ``most`` rows in all."""
    names, codes, rows = np.unique(customers, return_inverse=True, return_counts=True)
    order = np.argsort(hashes(names, seed), kind="stable")
    drawn = np.zeros(len(names), dtype=bool)
    drawn[order[np.cumsum(rows[order]) <= most]] = True
    return drawn[codes]


def hashes(names: NDArray[np.object_], seed: int) -> NDArray[np.uint64]:
    """A pseudo-random number of each customer."""
    digests = [key_hash("evidence", seed, name)[:8] for name in names]
    return np.frombuffer(b"".join(digests), dtype=">u8").astype(np.uint64)

"""Erased customers, ``<home>/erased.json``: a salt and keyed hashes, so that no load takes them in again.

The keys themselves are nowhere. Of a customer's rows that other tables refer to (orders, for their lines) the
keys are hashed as well, so that such lines alone are known again.
"""

import hmac
import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

from ml.common.durable_files import replace_file
from ml.common.errors import DamagedError

FILE = "erased.json"
SALT_BYTES = 32


@dataclass(frozen=True)
class Erasure:
    """One customer who was erased.

    Parameters
    ----------
    customers : tuple of str
        Hashes of the customer's keys, several where they merged.
    rows : dict
        Table to hashes of the keys of the customer's rows in it.
    """

    customers: tuple[str, ...]
    rows: dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class ErasedKeys:
    """All erased customers of a home; ``salt`` is the key of the hashes (HMAC-SHA256), in hex."""

    salt: str = ""
    erasures: tuple[Erasure, ...] = ()

    def hash_of(self, key: str) -> str:
        """The keyed hash of a text."""
        return hmac.digest(bytes.fromhex(self.salt), key.encode("utf-8", "surrogatepass"), "sha256").hex()

    @cached_property
    def customer_hashes(self) -> frozenset[str]:
        return frozenset(hash_ for erasure in self.erasures for hash_ in erasure.customers)

    def row_hashes(self, table: str) -> frozenset[str]:
        """The hashes of the keys of erased rows of ``table``."""
        return frozenset(hash_ for erasure in self.erasures for hash_ in erasure.rows.get(table, ()))

    def erased_among(self, keys: Iterable[str], hashes: frozenset[str]) -> list[str]:
        """Those of ``keys`` whose hash is among ``hashes``."""
        return [key for key in keys if self.hash_of(key) in hashes] if hashes else []

    def has(self, customer: str) -> bool:
        """Whether a customer was erased."""
        return bool(self.salt) and self.hash_of(customer) in self.customer_hashes

    def with_erased(self, customers: Iterable[str], rows: Mapping[str, Iterable[str]]) -> "ErasedKeys":
        """The same and one customer more; nothing changes where it is there already."""
        salted = self if self.salt else replace(self, salt=secrets.token_hex(SALT_BYTES))
        hashed = {table: salted.hashed(keys) for table, keys in sorted(rows.items())}
        erasure = Erasure(salted.hashed(customers), {table: keys for table, keys in hashed.items() if keys})
        known = any(
            set(erasure.customers) <= set(one.customers)
            and all(set(keys) <= set(one.rows.get(table, ())) for table, keys in erasure.rows.items())
            for one in salted.erasures
        )
        return salted if known else replace(salted, erasures=(*salted.erasures, erasure))

    def hashed(self, keys: Iterable[str]) -> tuple[str, ...]:
        return tuple(sorted({self.hash_of(key) for key in keys}))

    def without(self, customer: str) -> "ErasedKeys":
        """The same without the erasures of one customer."""
        hash_ = self.hash_of(customer)
        return replace(self, erasures=tuple(one for one in self.erasures if hash_ not in one.customers))


def read_erased_keys(root: Path) -> ErasedKeys:
    """The erased customers of the home ``root``; none where there is no file.

    Raises
    ------
    DamagedError
        The file cannot be read: nothing may be loaded, lest an erased customer come back.
    """
    file = root / FILE
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        erasures = [
            Erasure(tuple(one["customers"]), {table: tuple(keys) for table, keys in one["rows"].items()})
            for one in content["erased"]
        ]
        bytes.fromhex(content["salt"])
    except (FileNotFoundError, NotADirectoryError):
        return ErasedKeys()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedError(
            f"{file} cannot be read, and without it erased customers would come back: restore it"
        ) from error
    return ErasedKeys(content["salt"], tuple(erasures))


def write_erased_keys(root: Path, keys: ErasedKeys) -> None:
    """Write the file in one step, durably."""
    content = {"salt": keys.salt, "hash": "hmac-sha256", "erased": [asdict(one) for one in keys.erasures]}
    replace_file(root / FILE, (json.dumps(content, indent=2) + "\n").encode(), is_locked=True)
    (root / FILE).chmod(0o600)


def when_changed(root: Path) -> int:
    """When the file was last written, in nanoseconds; 0 without one. A server loads its state anew then."""
    try:
        return (root / FILE).stat().st_mtime_ns
    except OSError:
        return 0


__all__ = ["ErasedKeys", "Erasure", "read_erased_keys", "when_changed", "write_erased_keys"]

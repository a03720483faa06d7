"""The forms in which a key can be written, and whether its bytes alone can be searched for.

A short or common key ("7") stands by chance in many files, and so does one that is part of another
customer's. Of such a key the columns and names that hold customers are compared, value by value, and only its
hashes are searched for by bytes.
"""

import base64
import hashlib
import html
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote

import duckdb

from ml.common.paths import ROOT
from ml.erasure.person import Person, files_of, loads_of, relation
from ml.home.layout import Home
from ml.ingest.declaration import customers_table, merges_table, raw_tables

LENGTH_MIN = 6  # bytes; a shorter text stands by chance in compressed data
# Of small letters a to f and digits alone: shorter ones stand by chance in hashes, instants and numbers.
HEX_LENGTH_MIN = 12
BASE64_MIN = 7  # signs that depend on the key alone, whatever stands before and after it
HASHES = ("sha256", "sha1", "md5")
HEX = re.compile(r"[0-9a-f.:+ TZ-]*")
PROJECT_TEXTS = ("dbt_project", "feature_repo")


@dataclass(frozen=True)
class Terms:
    """What is searched for.

    Parameters
    ----------
    customers : frozenset of str
        The keys.
    by_bytes : tuple of str
        Keys and personal values whose every form is searched for in every byte.
    by_value : tuple of str
        Keys that are looked for among the values of columns and names that hold customers.
    names : frozenset of str
        Such columns and names.
    needles : dict
        Bytes to the name of their form.
    """

    customers: frozenset[str]
    by_bytes: tuple[str, ...]
    by_value: tuple[str, ...]
    names: frozenset[str]
    needles: dict[bytes, str]

    @property
    def kind(self) -> str:
        """In words, which kind of search it is."""
        if not self.by_value:
            return "bytes"
        return "bytes and values" if set(self.by_bytes) & self.customers else "values"


def search_terms(home: Home, person: Person) -> Terms:
    """What to search for to find a person; asked before erasing, while others' keys can be compared."""
    others = others_keys(home, person)
    by_bytes = sorted(key for key in person.customers if is_distinctive(key) and not is_part_of(key, others))
    personal = sorted(value for value in person.personal if is_distinctive(value))
    needles: dict[bytes, str] = {}
    for text in [*person.customers, *personal]:
        needles |= dict(hashed_forms(text))
    for text in [*by_bytes, *personal]:
        needles |= dict(written_forms(text))
    by_value = tuple(sorted(person.customers - set(by_bytes)))
    return Terms(person.customers, (*by_bytes, *personal), by_value, names_of_customers(), needles)


def names_of_customers() -> frozenset[str]:
    """The columns and names under which files of a home have customers, in lower case."""
    declared = {table.customer for table in raw_tables() if table.customer}
    merges = merges_table()
    return frozenset({"customer_id", "customers", *declared, *(merges.referring if merges else ())})


def others_keys(home: Home, person: Person) -> list[str]:
    """The keys of other customers in which one of the person's stands."""
    table = customers_table()
    rows = relation(files_of(loads_of(home), table.name), table)
    key = table.key[0]
    with duckdb.connect() as connection:
        query = (
            f"select distinct {key} from {rows}, (select unnest(?) as part) "
            f"where contains({key}, part) and {key} not in (select unnest(?))"
        )
        keys = sorted(person.customers)
        return [other for (other,) in connection.execute(query, [keys, keys]).fetchall()]


def is_part_of(key: str, others: Iterable[str]) -> bool:
    return any(key in other for other in others)


def is_distinctive(text: str) -> bool:
    """Whether a text would hardly stand anywhere by chance."""
    size = len(text.encode("utf-8", "surrogatepass"))
    if size < LENGTH_MIN or (size < HEX_LENGTH_MIN and HEX.fullmatch(text)):
        return False
    return text.casefold() not in project_text()


@lru_cache(maxsize=1)
def project_text() -> str:
    """The texts of the project, whose words stand in files of every home."""
    files = [
        file for name in PROJECT_TEXTS for file in sorted((ROOT / name).rglob("*")) if is_text(file.suffix)
    ]
    return "\n".join(file.read_text(encoding="utf-8", errors="replace") for file in files).casefold()


def is_text(suffix: str) -> bool:
    return suffix in (".sql", ".yml", ".yaml", ".py", ".md", ".json")


def hashed_forms(text: str) -> Iterator[tuple[bytes, str]]:
    """The hashes of a text, in hex and raw."""
    for name in HASHES:
        digest = hashlib.new(name, text.encode("utf-8", "surrogatepass"), usedforsecurity=False)
        yield digest.hexdigest().encode(), f"{name} in hex"
        yield digest.hexdigest().upper().encode(), f"{name} in hex"
        yield digest.digest(), f"{name}, raw"
        yield base64.b64encode(digest.digest()).rstrip(b"="), f"{name} in base64"


def written_forms(text: str) -> Iterator[tuple[bytes, str]]:
    """The forms in which a text itself can be written, the most usual name of a form last."""
    encoded = text.encode("utf-8", "surrogatepass")
    everything = "".join(f"%{byte:02X}" for byte in encoded)
    for percent in (quote(encoded, safe=""), quote(encoded, safe="/:@!$&'()*+,;="), everything):
        yield percent.encode(), "percent-encoded"
        yield re.sub("%..", lambda code: code[0].lower(), percent).encode(), "percent-encoded"
    for alignment in range(3):
        yield from base64_forms(encoded, alignment)
    for form in ("NFC", "NFD"):
        yield unicodedata.normalize(form, text).encode("utf-8", "surrogatepass"), f"UTF-8, {form}"
    if is_latin(text):
        yield text.encode("latin-1"), "Latin-1"
    in_csv, in_sql = text.replace('"', '""'), text.replace("'", "''")
    yield in_csv.encode("utf-8", "surrogatepass"), "quoted in CSV"
    yield in_sql.encode("utf-8", "surrogatepass"), "quoted in SQL"
    for quote_sign in ("'", '"'):
        in_code = text.replace("\\", "\\\\").replace(quote_sign, f"\\{quote_sign}")
        yield in_code.encode("utf-8", "surrogatepass"), "escaped in code"
    for encoding in ("utf-16-le", "utf-16-be"):
        yield text.encode(encoding, "surrogatepass"), "UTF-16"
    for escaped in (
        html.escape(text),
        html.escape(text, quote=False),
        html.escape(text).replace("&#x27;", "&#39;"),
    ):
        yield escaped.encode("utf-8", "surrogatepass"), "HTML-escaped"
    for ascii_only in (False, True):
        in_json = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
        yield in_json.encode("utf-8", "surrogatepass"), "JSON-escaped"
        yield (
            re.sub(r"\\u....", lambda code: code[0].upper().replace("U", "u", 1), in_json).encode(
                "utf-8", "surrogatepass"
            ),
            "JSON-escaped",
        )
        # JSON within JSON, as a column of text has it in a file of JSON.
        yield (
            json.dumps(in_json, ensure_ascii=ascii_only)[1:-1].encode("utf-8", "surrogatepass"),
            "JSON-escaped",
        )
    yield encoded, "UTF-8"


def base64_forms(encoded: bytes, alignment: int) -> Iterator[tuple[bytes, str]]:
    """The signs of base64 that depend on ``encoded`` alone, where it begins after ``alignment`` bytes."""
    first = -(-alignment * 8 // 6)
    last = (alignment + len(encoded)) * 8 // 6
    if last - first < BASE64_MIN:
        return
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(b"\0" * alignment + encoded + b"\0" * 3)[first:last], "base64"


def is_latin(text: str) -> bool:
    return all(ord(sign) < 256 for sign in text)

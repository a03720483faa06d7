"""What a file's name says: its table, its format, or that a writer left it for itself."""

import difflib
import re

from ml.ingest.declaration import raw_tables

PACKINGS = (".gz", ".zst")
CSV = tuple(ending + packing for ending in (".csv", ".tsv") for packing in ("", *PACKINGS))
JSON = tuple(ending + packing for ending in (".jsonl", ".ndjson", ".json") for packing in ("", *PACKINGS))
API = (".api.yml", ".api.yaml")
READABLE = ".parquet, .xlsx, .csv, .tsv or .jsonl (plain, .gz or .zst)"

# Endings of file names; the rest of a name is its stem.
KNOWN_ENDINGS = {
    ".parquet", ".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson", ".avro", ".orc", ".xml",
    ".xls", ".xlsx", ".sql", ".api", ".gz", ".zst", ".bz2", ".xz", ".zip", ".lz4", ".snappy",
}  # fmt: skip

CHECKSUMS = (".crc", ".md5", ".sha1", ".sha256", ".sha512")
OWN_NAMES = {"thumbs.db", "desktop.ini"}

REMEDIES = {
    (".xls", ".xlsb", ".ods"): "save it as .xlsx",
    (".bz2", ".xz", ".zip", ".7z", ".lz4", ".tar", ".tgz"): "unpack it",
    (".db", ".sqlite", ".sqlite3", ".duckdb"): "give it as a database URL",
    (".bak", ".old", ".orig", ".tmp", ".swp", ".part", "~"): "move it out of the folder",
}
CONVERT = "convert it to CSV or Parquet, or move it out of the folder"

# Names with this similarity (of difflib) to a table's may be misspelt: order, custmers.
SIMILARITY_MIN = 0.8
# Shorter parts of a table's name are in too many words to be a hint.
HINT_LETTERS_MIN = 5


def format_of(name: str) -> str | None:
    """The format of a file, by its ending in any case; None if it is not read."""
    name = name.lower()
    for ending in ("parquet", "xlsx", "sql"):
        if name.endswith(f".{ending}"):
            return ending
    if name.endswith(JSON):
        return "json"
    if name.endswith(API):
        return "api"
    return "csv" if name.endswith(CSV) else None


def packing_of(name: str) -> str:
    """How a file is packed, in DuckDB's words."""
    return {".gz": "gzip", ".zst": "zstd"}.get("." + name.lower().rpartition(".")[2], "none")


def stem_of(name: str) -> str:
    """``name`` in small letters without its endings: ``orders`` of ``Orders.csv.bak``."""
    stem, _, ending = name.lower().rstrip("~").rpartition(".")
    stem = stem or ending
    while "." + stem.rpartition(".")[2] in KNOWN_ENDINGS and "." in stem:
        stem = stem.rpartition(".")[0]
    return stem


def table_of(name: str, is_folder: bool) -> str | None:
    """The raw table whose name a file or folder has, in any case."""
    names = {table.name for table in raw_tables()}
    bare = name.lower()
    if is_folder and not any(bare.endswith(ending) for ending in KNOWN_ENDINGS):
        return bare if bare in names else None
    stem = stem_of(name)
    return stem if stem in names else None


def looks_like(name: str, inside: bool = True) -> str | None:
    """The raw table whose name is similar: ``order.csv``, ``Orders 2024.csv``; inside: ``my_orders``."""
    letters = re.sub("[^a-z]", "", stem_of(name))
    bare = {table.name.replace("_", ""): table.name for table in raw_tables()}
    containing = [
        word for word in bare if word in letters or (letters in word and len(letters) >= HINT_LETTERS_MIN)
    ]
    matches = (
        difflib.get_close_matches(letters, bare, 1, SIMILARITY_MIN)
        or sorted(containing, key=len)[-1:] * inside
    )
    return bare[matches[0]] if matches else None


def is_own(inner: str) -> bool:
    """Whether a writer left this for itself: ``_SUCCESS``, ``.part.crc``, checksums; not ``_day=1/``."""
    *_, name = parts = inner.split("/")
    hidden = any(part.startswith((".", "_")) and "=" not in part for part in parts)
    return hidden or name.lower() in OWN_NAMES or name.lower().endswith(CHECKSUMS)


def remedy_of(name: str) -> str:
    """The remedy for a file of an unknown format."""
    name = name.lower()
    return next((remedy for endings, remedy in REMEDIES.items() if name.endswith(endings)), CONVERT)

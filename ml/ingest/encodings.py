"""Text files of another encoding, copied to UTF-8 before anything reads them."""

import codecs
from pathlib import Path

from ml.ingest.compressed_files import open_unpacked
from ml.ingest.value_formats import UTF8

BLOCK = 1 << 20  # bytes of one read: few calls, and little memory
# What no character has: written as a byte that is no UTF-8, so that its line is rejected and no other.
NO_CHARACTER = "\udcff"


def not_decodable(error: UnicodeError) -> tuple[str, int]:
    """Bytes that are no text of the encoding, as ``codecs`` calls it."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return NO_CHARACTER, error.end


codecs.register_error("tidemark-no-character", not_decodable)


def as_utf8(path: Path, copy: Path, encoding: str, label: str) -> Path:
    """``path``, or a plain copy of it in UTF-8 if it is in another encoding.

    Bytes that are no text of the encoding become a byte that is no UTF-8.
    """
    if encoding == UTF8:
        return path
    # the header's reader tells tab-separated files by their names
    copy = copy.with_name(f"{copy.name}.tsv" if ".tsv" in path.name.lower() else f"{copy.name}.utf8")
    decoder = codecs.getincrementaldecoder(encoding)("tidemark-no-character")
    with open_unpacked(path, label) as file, copy.open("wb") as output:
        while block := file.read(BLOCK):
            output.write(decoder.decode(block).encode(UTF8, "surrogateescape"))
        output.write(decoder.decode(b"", final=True).encode(UTF8, "surrogateescape"))
    return copy

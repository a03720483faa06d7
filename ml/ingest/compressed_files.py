"""The bytes of files that may be packed (gzip, Zstandard)."""

import gzip
import io
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ml.common.errors import SourceError
from ml.ingest.file_names import packing_of


@contextmanager
def open_unpacked(path: Path, label: str) -> Iterator[IO[bytes]]:
    """``path`` as bytes, unpacked.

    Raises
    ------
    SourceError
        It cannot be read, or is not packed as its name says.
    """
    packing = packing_of(path.name)
    try:
        with unpacking_stream(path, packing) as file:
            yield file
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise SourceError(f"{label} cannot be read: it is no gzip file ({error})") from error
    except OSError as error:
        cause = error.strerror or (
            f"it is no {packing} file, or a damaged one" if packing != "none" else error
        )
        raise SourceError(f"{label} cannot be read: {cause}") from error


def unpacking_stream(path: Path, packing: str) -> IO[bytes]:
    """The unpacked bytes of ``path``."""
    if packing == "gzip":
        return gzip.open(path, "rb")  # type: ignore[return-value]
    if packing == "zstd":
        import pyarrow as pa

        return io.BufferedReader(pa.input_stream(str(path), compression="zstd"))
    return path.open("rb")


def unpack(path: Path, copy: Path, label: str) -> Path:
    """Unpack ``path`` to ``copy``; return ``copy``."""
    with open_unpacked(path, label) as file, copy.open("wb") as output:
        shutil.copyfileobj(file, output)
    return copy

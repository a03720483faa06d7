"""DuckDB within a memory limit; it spills to a temporary folder, which is removed at the end."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
import pyarrow as pa

from ml.common.errors import FeatureError

OUT_OF_MEMORY = "Out of Memory Error"
SETTING = "offline_store.memory_limit in feature_store.yaml"


class Engine:
    """A database in memory; its time zone is UTC.

    Parameters
    ----------
    memory_limit : str
        A size for DuckDB, such as ``3GB``.

    Raises
    ------
    FeatureError
        It is no size, or too small a one.
    """

    def __init__(self, memory_limit: str) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="tidemark-")
        spill = os.path.join(self.folder.name, "spill")
        try:
            self.connection = duckdb.connect(config={"memory_limit": memory_limit, "temp_directory": spill})
            self.connection.execute("set TimeZone = 'UTC'")
        except duckdb.Error as error:
            self.folder.cleanup()
            raise FeatureError(
                f"DuckDB cannot work within {memory_limit!r} of memory: make {SETTING} a size such as 3GB"
            ) from error

    def __enter__(self) -> duckdb.DuckDBPyConnection:
        return self.connection

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free memory and disk."""
        self.connection.close()
        self.folder.cleanup()


@contextmanager
def within_memory(memory_limit: str) -> Iterator[None]:
    """Turn an out-of-memory error of the offline store into one that names its setting."""
    try:
        yield
    except (duckdb.Error, pa.ArrowException, OSError, FeatureError) as error:
        if OUT_OF_MEMORY not in str(error):
            raise
        raise FeatureError(f"{memory_limit} of memory is too little: raise {SETTING}") from error

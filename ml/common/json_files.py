"""The small JSON files of a home: read whole, or named with the command that makes them anew."""

import json
from pathlib import Path
from typing import Any

from ml.common.errors import DamagedError, NotReadyError


def read_json(file: Path, remedy: str, needed: tuple[str, ...] = ()) -> dict[str, Any]:
    """What a file of the home says.

    Parameters
    ----------
    file : Path
    remedy : str
        The command that makes it anew.
    needed : tuple of str
        What it must tell.

    Raises
    ------
    NotReadyError
        It is not there.
    DamagedError
        It is not what was written.
    """
    try:
        content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotReadyError(f"{file} is missing: run '{remedy}' again") from error
    except ValueError as error:
        raise DamagedError(f"{file} is damaged: run '{remedy}' again") from error
    if not isinstance(content, dict) or not content.keys() >= set(needed):
        raise DamagedError(f"{file} is damaged: run '{remedy}' again")
    return content

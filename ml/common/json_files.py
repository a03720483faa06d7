"""The small JSON files of a home; errors name the command that writes them again."""

import json
from pathlib import Path
from typing import Any

from ml.common.errors import DamagedError, NotReadyError


def read_json(file: Path, remedy: str, required: tuple[str, ...] = ()) -> dict[str, Any]:
    """Read a file of the home.

    Parameters
    ----------
    file : Path
    remedy : str
        The command that writes it again.
    required : tuple of str
        Its required keys.

    Raises
    ------
    NotReadyError
        There is no such file.
    DamagedError
        Its content is damaged.
    """
    try:
        content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotReadyError(f"{file} is missing: run '{remedy}' again") from error
    except ValueError as error:
        raise DamagedError(f"{file} is damaged: run '{remedy}' again") from error
    if not isinstance(content, dict) or not content.keys() >= set(required):
        raise DamagedError(f"{file} is damaged: run '{remedy}' again")
    return content

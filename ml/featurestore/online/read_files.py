"""Which files were added to a view outside a build since the online store read it.

If only files were added since, only the keys in them can have late rows. If anything else changed, any value
may have changed.
"""

from typing import Any


def added_since(before: dict[str, Any] | None, fingerprint: dict[str, Any]) -> list[str] | None:
    """The files added since a view was read; None if more than that may have changed.

    Parameters
    ----------
    before, fingerprint : dict
        ``Source.fingerprint`` as it was read, None if it was not, and as it is now.
    """
    if before is None or before | {"files": []} != fingerprint | {"files": []}:
        return None
    present = {file: state for file, *state in fingerprint["files"]}
    if any(present.get(file) != state for file, *state in before["files"]):
        return None
    return sorted(present.keys() - {file for file, *_ in before["files"]})

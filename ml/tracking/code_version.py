"""The version of the code that trains: package version, commit where there is one, hash of the source."""

import hashlib
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ml.common.paths import CODE

SOURCES = {"ml": "*.py", "feature_repo": "*.py"}


def code_version(root: Path = CODE) -> dict[str, str | None]:
    """The version of this code.

    Returns
    -------
    dict
        ``version`` of the package, ``commit`` (with ``-dirty`` when tracked files were changed since; None
        outside a repository) and ``source``, the SHA-256 of the Python files.
    """
    return {"version": package_version(), "commit": commit(root), "source": source_hash(root)}


def package_version() -> str | None:
    try:
        return version("tidemark")
    except PackageNotFoundError:
        return None


def commit(root: Path) -> str | None:
    """The commit that ``root`` itself is a checkout of."""
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--exclude=*", "--abbrev=40"]
    try:
        process = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return process.stdout.strip() or None


def source_hash(root: Path) -> str:
    """One hash over the names and contents of all source files."""
    digest = hashlib.sha256()
    for folder, pattern in SOURCES.items():
        for path in sorted((root / folder).rglob(pattern)):
            digest.update(f"{path.relative_to(root).as_posix()}\n".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()

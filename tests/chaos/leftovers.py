"""What a command has left lying about: names of files that no unharmed run leaves, and too many of others."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

DEPTH_COUNTED = 2


def shape(path: Path, home: Path) -> str:
    """A path below the home, whatever numbers and random names stand in it."""
    name = re.sub(r"[0-9a-f]{8}-?[0-9a-f-]{12,}", "HEX", str(path.relative_to(home)))
    return re.sub(r"\d+", "N", name)


def inventory(home: Path) -> Counter[str]:
    """How many paths of each shape the home has."""
    return Counter(shape(path, home) for path in entries(home))


def entries(home: Path) -> Iterator[Path]:
    """Every path below the home; links are not followed."""
    for path in home.iterdir():
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from (below for below in path.rglob("*"))


def leftovers(home: Path, unharmed: Counter[str]) -> list[str]:
    """Shapes that the home has and an unharmed run leaves not, or fewer of (counted near the root)."""
    found = inventory(home)
    strange = sorted(name for name in found if name not in unharmed)
    surplus = sorted(
        f"{count} x {name} instead of {unharmed[name]}"
        for name, count in found.items()
        if name in unharmed and name.count("/") < DEPTH_COUNTED and count > unharmed[name]
    )
    outermost = [name for name in strange if not any(name.startswith(f"{other}/") for other in strange)]
    return outermost + surplus

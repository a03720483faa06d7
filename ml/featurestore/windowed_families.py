"""Windowed families: ``orders_{w}d`` stands for orders_7d, orders_30d, ... whichever windows there are."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ml.common.errors import CatalogError

WINDOW_MARK = "{w}"
FAMILY = re.compile(r"\w*(?:\{w\}\w*)+")


def with_window(text: str, window: int | None) -> str:
    """``text`` with the window written out."""
    return text if window is None else text.replace(WINDOW_MARK, str(window))


def window_of(family: str, name: str) -> int | None:
    """The window of ``name`` in ``family``; None where it is no member or the family has no windows."""
    first, *rest = family.split(WINDOW_MARK)
    if not rest:
        return None
    pattern = re.escape(first) + r"(?P<w>[1-9]\d*)" + "(?P=w)".join(map(re.escape, rest))
    match = re.fullmatch(pattern, name)
    return int(match["w"]) if match else None


def members(family: str, names: Iterable[str]) -> list[str]:
    """The ``names`` that belong to ``family``, which may be a plain name."""
    return [name for name in names if name == family or window_of(family, name) is not None]


def windows_shared(
    entry: Mapping[str, Any],
    stored: frozenset[str],
    entries: list[Mapping[str, Any]],
    outer: tuple[str, ...] = (),
) -> list[int | None]:
    """The windows that every family in the formula of an on-demand entry has, ascending; [None] without any.

    Parameters
    ----------
    stored : frozenset of str
        The stored features.
    entries : list
        All on-demand entries, for their families can be used too.
    outer : tuple of str
        The families whose windows are being resolved, to detect a circle.
    """
    name, families = entry["name"], FAMILY.findall(entry["formula"])
    if (WINDOW_MARK in name) != bool(families):
        raise CatalogError(
            f"{name} and its formula {entry['formula']!r} must both have {WINDOW_MARK}, or neither"
        )
    if name in outer:
        raise CatalogError(f"on-demand features need each other in a circle: {' -> '.join((*outer, name))}")
    if not families:
        return [None]
    window_sets = [windows_of(family, stored, entries, (*outer, name)) for family in families]
    shared = set[int].intersection(*window_sets)
    if not shared:
        raise CatalogError(
            f"the formula of {name}, {entry['formula']!r}, names families that share no window"
        )
    return [*sorted(shared)]


def windows_of(
    family: str, stored: frozenset[str], entries: list[Mapping[str, Any]], outer: tuple[str, ...]
) -> set[int]:
    """The windows of one family, stored or on demand."""
    windows = {window_of(family, name) for name in stored}
    for entry in entries:
        if entry["name"] == family:
            windows |= set(windows_shared(entry, stored, entries, outer))
    return {window for window in windows if window is not None}

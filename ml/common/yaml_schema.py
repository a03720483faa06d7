"""A small checker for YAML settings: every error names the file, the line and what to write instead."""

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Union

import yaml
from yaml.constructor import SafeConstructor

from ml.common.errors import ProblemError


@dataclass(frozen=True)
class Whole:
    """A whole number from ``low`` to ``high``."""

    low: int
    high: int

    def wanted(self) -> str:
        return f"a whole number from {self.low} to {self.high}"

    def accepts(self, value: Any) -> bool:
        return type(value) is int and self.low <= value <= self.high


@dataclass(frozen=True)
class Number:
    """A number from ``low`` to ``high``; a whole one will do."""

    low: float
    high: float

    def wanted(self) -> str:
        return f"a number from {self.low:,.15g} to {self.high:,.15g}"

    def accepts(self, value: Any) -> bool:
        return type(value) is float and self.low <= value <= self.high


@dataclass(frozen=True)
class Share:
    """A number above 0 and below 1."""

    def wanted(self) -> str:
        return "a number above 0 and below 1"

    def accepts(self, value: Any) -> bool:
        return type(value) is float and 0 < value < 1


@dataclass(frozen=True)
class Choice:
    """One of a few words."""

    words: tuple[str, ...]

    def wanted(self) -> str:
        return "one of " + ", ".join(self.words)

    def accepts(self, value: Any) -> bool:
        return isinstance(value, str) and value in self.words


@dataclass(frozen=True)
class Names:
    """A list of one or more words."""

    def wanted(self) -> str:
        return "a list of one or more feature names"

    def accepts(self, value: Any) -> bool:
        return isinstance(value, list) and bool(value) and all(isinstance(word, str) for word in value)


@dataclass(frozen=True)
class Some:
    """A list of one or more words, none twice: of a few, or matching ``pattern``, shown as ``form``."""

    words: tuple[str, ...]
    pattern: str | None = None
    form: str = ""

    def wanted(self) -> str:
        other = f", or {self.form}" if self.pattern else ""
        return "a list of one or more, none twice, of " + ", ".join(self.words) + other

    def knows(self, word: Any) -> bool:
        """Whether a word is one of the list or has the form."""
        matches = isinstance(word, str) and self.pattern and re.fullmatch(self.pattern, word)
        return word in self.words or bool(matches)

    def accepts(self, value: Any) -> bool:
        return (
            isinstance(value, list)
            and bool(value)
            and all(self.knows(word) for word in value)
            and len(set(value)) == len(value)
        )


@dataclass(frozen=True)
class Text:
    """Words on one line; ``what`` says of what."""

    what: str

    def wanted(self) -> str:
        return self.what

    def accepts(self, value: Any) -> bool:
        return isinstance(value, str) and bool(value.strip()) and value.isprintable()


Rule = Whole | Number | Share | Choice | Names | Some | Text
Shape = dict[str, Union[Rule, "Shape"]]


def read_shape(
    node: yaml.Node | None, shape: Shape, file: str, above: str = ""
) -> tuple[dict[str, Any], dict[str, int]]:
    """The checked values under ``node``, and the line of each key (``a.b`` for a nested one).

    Raises
    ------
    ProblemError
        The first key or value that does not fit.
    """
    if node is None:
        return {}, {}
    if not isinstance(node, yaml.MappingNode):
        what = above.rstrip(".") or "the file"
        raise wrong(file, node, f"{what} must be a mapping of keys to values", f"write {', '.join(shape)}")
    values: dict[str, Any] = {}
    lines: dict[str, int] = {}
    for key_node, value_node in node.value:
        key = known_key(key_node, shape, values, file, above)
        lines[above + key] = key_node.start_mark.line + 1
        rule = shape[key]
        if isinstance(rule, dict):
            values[key], inner = read_shape(value_node, rule, file, f"{above}{key}.")
            lines |= inner
        else:
            values[key] = checked(value_node, rule, file, above + key)
    return values, lines


def known_key(node: yaml.Node, shape: Shape, seen: dict[str, Any], file: str, above: str) -> str:
    """The key at ``node``, if it belongs there and comes for the first time."""
    key = str(node.value)
    if key in seen:
        raise wrong(file, node, f"{above}{key} is given twice", "remove one of the two")
    if key not in shape:
        near = get_close_matches(key, shape, 1)
        remedy = f"did you mean {near[0]}?" if near else f"known here: {', '.join(shape)}"
        raise wrong(file, node, f"unknown key {above}{key}", remedy)
    return key


def checked(node: yaml.Node, rule: Rule, file: str, name: str) -> Any:
    """The value at ``node``, if ``rule`` accepts it."""
    try:
        value = SafeConstructor().construct_document(node)
    except yaml.YAMLError as error:
        raise wrong(file, node, f"{name} cannot be read", f"it must be {rule.wanted()}") from error
    if isinstance(rule, Share | Number) and type(value) is int:
        value = float(value)
    if not rule.accepts(value):
        raise wrong(file, node, f"{name} is {value!r}", remedy(rule, value))
    return value


def remedy(rule: Rule, value: Any) -> str:
    """What to write instead; first the word that was nearly written."""
    hints: list[str] = []
    if isinstance(rule, Choice | Some):
        given = value if isinstance(value, list) else [value]
        unknown = [word for word in given if isinstance(word, str) and word not in rule.words]
        near = [match for word in unknown for match in get_close_matches(word, rule.words, 1)]
        hints = [f"did you mean {match}? " for match in near]
    return f"{''.join(hints[:1])}it must be {rule.wanted()}"


def wrong(file: str, node: yaml.Node, what: str, remedy: str) -> ProblemError:
    """The error for what is wrong at ``node``."""
    return ProblemError(f"{file}, line {node.start_mark.line + 1}: {what}; {remedy}")

"""Settings in YAML: a dataclass declares the keys; each error names file, line and remedy.

The fields of the dataclass carry their constraints (``Annotated[int, Interval(ge=1)]``, ``Literal[...]``);
pydantic checks the values. If a constraint has no wording of its own, ``Says`` adds it.
"""

from dataclasses import dataclass, fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import yaml
from annotated_types import Ge, Gt, Interval, Le, Lt, Predicate
from yaml.constructor import SafeConstructor

from ml.common.errors import ProblemError

Lines = dict[str, int]
is_printable = Predicate(lambda text: bool(text.strip()) and text.isprintable())


@dataclass(frozen=True)
class Says:
    """The expected value in words; ``words`` are the allowed ones, for suggestions."""

    wanted: str
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class MayBeNull:
    """Among the constraints of an optional key: ``null`` may be written for "none"."""


def read_yaml(file: Path) -> yaml.Node | None:
    """The YAML tree of ``file``, with line numbers; None if the file is empty.

    Raises
    ------
    ProblemError
        There is no such file, or it is no YAML.
    """
    try:
        return yaml.compose(file.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise ProblemError(f"{file}: there is no such file; name one with --problem FILE") from error
    except UnicodeDecodeError as error:
        raise ProblemError(f"{file}: is no UTF-8 text; save it as such") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        what = getattr(error, "problem", None) or "the text cannot be read"
        raise ProblemError(f"{file}, line {line}: is no YAML ({what}); correct that line") from error


def read_settings(
    node: yaml.Node | None, shape: type, file: str, above: str = ""
) -> tuple[dict[str, Any], Lines]:
    """The checked values under ``node``, and the line of each key (``a.b`` for a nested one).

    Parameters
    ----------
    node : yaml.Node, optional
    shape : type
        A dataclass: a field is a key, a field that is a dataclass a mapping of its own. A field whose
        metadata says ``stated: False`` is no key.
    file : str
        The file's name, for messages.
    above : str
        The key that the node is the value of, and a dot.

    Returns
    -------
    values : dict
        Only the keys in the file.
    lines : dict

    Raises
    ------
    ProblemError
        The first key or value that does not fit.
    """
    if node is None:
        return {}, {}
    known = [field.name for field in fields(shape) if field.metadata.get("stated", True)]
    types = get_type_hints(shape, include_extras=True)
    if not isinstance(node, yaml.MappingNode):
        what = above.rstrip(".") or "the file"
        raise problem_error(
            file, node, f"{what} must be a mapping of keys to values", f"write {', '.join(known)}"
        )
    values: dict[str, Any] = {}
    lines: Lines = {}
    for key_node, value_node in node.value:
        key = str(key_node.value)
        if key in values:
            raise problem_error(file, key_node, f"{above}{key} is given twice", "remove one of the two")
        if key not in known:
            similar = get_close_matches(key, known, 1)
            remedy = f"did you mean {similar[0]}?" if similar else f"known here: {', '.join(known)}"
            raise problem_error(file, key_node, f"unknown key {above}{key}", remedy)
        lines[above + key] = key_node.start_mark.line + 1
        if is_dataclass(types[key]):
            values[key], inner = read_settings(value_node, types[key], file, f"{above}{key}.")
            lines |= inner
        else:
            values[key] = checked_value(value_node, types[key], file, above + key)
    return values, lines


def checked_value(node: yaml.Node, type_: Any, file: str, name: str) -> Any:
    """The value at ``node``, if it is of the type and fulfils its constraints."""
    from pydantic import ConfigDict, TypeAdapter, ValidationError

    try:
        value = SafeConstructor().construct_document(node)
    except yaml.YAMLError as error:
        raise problem_error(
            file, node, f"{name} cannot be read", f"it must be {says(type_).wanted}"
        ) from error
    if isinstance(value, int) and not isinstance(value, bool) and base(type_) is float:
        value = float(value)
    if value is None and any(isinstance(constraint, MayBeNull) for constraint in constraints(type_)):
        return None
    as_python = tuple(value) if isinstance(value, list) else value
    if value is not None:
        try:
            config = ConfigDict(strict=True, allow_inf_nan=False)
            return TypeAdapter(type_, config=config).validate_python(as_python)
        except ValidationError:
            pass
    raise problem_error(file, node, f"{name} is {value!r}", remedy(type_, value))


def remedy(type_: Any, value: Any) -> str:
    """What to write instead; a similar word comes first."""
    expected = says(type_)
    values = value if isinstance(value, list) else [value]
    unknown = [word for word in values if isinstance(word, str) and word not in expected.words]
    similar = [match for word in unknown for match in get_close_matches(word, expected.words, 1)]
    return f"{f'did you mean {similar[0]}? ' if similar else ''}it must be {expected.wanted}"


def base(type_: Any) -> Any:
    """The type without its constraints, and without None if it is optional."""
    if get_origin(type_) is Annotated:
        return base(get_args(type_)[0])
    if type(None) in get_args(type_):
        return base(get_args(type_)[0])
    return type_


def constraints(type_: Any) -> tuple[Any, ...]:
    """The constraints in ``Annotated``."""
    if get_origin(type_) is Annotated:
        return get_args(type_)[1:]
    if type(None) in get_args(type_):
        return constraints(get_args(type_)[0])
    return ()


def says(type_: Any) -> Says:
    """The wording of the type's constraints."""
    limits: dict[type, Any] = {}
    for constraint in constraints(type_):
        if isinstance(constraint, Says):
            return constraint
        if isinstance(constraint, Interval):
            limits = {type(limit): limit for limit in constraint}
    if get_origin(base(type_)) is Literal:
        words = get_args(base(type_))
        return Says("one of " + ", ".join(words), words)
    if Gt in limits and Lt in limits:
        return Says(f"a number above {limits[Gt].gt:g} and below {limits[Lt].lt:g}")
    kind = "a whole number" if base(type_) is int else "a number"
    form = "d" if base(type_) is int else ",.15g"
    return Says(f"{kind} from {limits[Ge].ge:{form}} to {limits[Le].le:{form}}")


def problem_error(file: str, node: yaml.Node, what: str, remedy: str) -> ProblemError:
    """A ProblemError with the file and the line of ``node``."""
    return ProblemError(f"{file}, line {node.start_mark.line + 1}: {what}; {remedy}")

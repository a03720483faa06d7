"""The tree of errors: one root, and the exit status of each."""

import importlib

import pytest

from ml.common import errors


def test_every_error_has_one_root_and_its_exit_status() -> None:
    classes = [each for each in vars(errors).values() if isinstance(each, type)]
    assert all(issubclass(each, errors.TidemarkError) for each in classes)
    assert {each.__name__ for each in classes if each.exit_status == 2} == {
        "UsageError",
        "ProblemError",
        "RowsError",
    }
    assert {each.exit_status for each in classes} == {1, 2}


def test_the_tree_that_is_drawn_is_the_tree_that_is_there() -> None:
    assert errors.__doc__ is not None
    lines = [line for line in errors.__doc__.splitlines() if "Error" in line]
    drawn = {line.strip(" |-`").split()[0]: (line.index(line.strip(" |-`")[0]), line) for line in lines}
    parents: dict[str, str] = {}
    above: list[tuple[int, str]] = []
    for name, (depth, _) in drawn.items():
        above = [each for each in above if each[0] < depth]
        parents[name] = above[-1][1] if above else "Exception"
        above.append((depth, name))
    assert parents == {
        name: each.__bases__[0].__name__ for name, each in vars(errors).items() if isinstance(each, type)
    }
    assert {name: int(line.split(name)[1].split()[0]) for name, (_, line) in drawn.items()} == {
        name: each.exit_status for name, each in vars(errors).items() if isinstance(each, type)
    }


def test_the_module_of_the_release_before_is_found() -> None:
    with pytest.warns(DeprecationWarning, match=r"is now ml\.common\.errors"):
        assert importlib.import_module("ml.common.feature_errors") is errors

"""What the documents name exists, and what exists is named in them."""

import re
from collections.abc import Iterator

import click
import pytest

from ml.cli import COMMANDS, main
from ml.features.data_dictionary import FILE, dictionary
from ml.featurestore.catalog import read_catalog
from ml.featurestore.service_lock import LOCK, lock_text
from ml.home.layout import ROOT
from tests.worlds import Built

README = (ROOT / "README.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
FENCED = re.compile(r"^```[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
BRANCH = re.compile(r"(?P<indent>[\s│├└─|`+-]*)(?P<name>[\w.-][\w./-]*)")


def code() -> list[str]:
    """Every code span, and every line of a fenced block, without its comment."""
    blocks = [line for block in FENCED.findall(README) for line in block.splitlines()]
    spans = re.findall(r"`([^`\n]+)`", FENCED.sub("", README))
    return [line.split(" #")[0].strip().removeprefix("$ ") for line in (*blocks, *spans)]


def called(program: str) -> list[str]:
    """The pieces of code that call ``program``, with what follows its name."""
    pieces = [piece.removeprefix(".venv/bin/") for piece in code()]
    return [piece.removeprefix(f"{program} ").strip() for piece in pieces if piece.startswith(f"{program} ")]


def commands() -> list[tuple[str, str]]:
    """The churn commands called in the README, each with its whole line."""
    return [(line.split()[0], line) for line in called("churn") if not line.startswith("-")]


def targets() -> set[str]:
    """The make targets called in the README."""
    return {word for line in called("make") for word in line.split() if "=" not in word and word.islower()}


def tree() -> Iterator[str]:
    """The paths in the block that shows the folders, those further in below the one they stand under."""
    above: list[tuple[int, str]] = []
    for block in (block for block in FENCED.findall(README) if "dbt_project/ " in block):
        for branch in filter(None, map(BRANCH.match, block.splitlines())):
            depth = len(branch["indent"])
            above = [(indent, name) for indent, name in above if indent < depth]
            above.append((depth, branch["name"].rstrip("/")))
            yield "/".join(name for _, name in above)


def options_of(name: str) -> set[str]:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    return {option for parameter in command.params for option in parameter.opts} | {"--help"}


def test_every_command_is_in_the_readme_and_the_reverse() -> None:
    assert {name for name, _ in commands()} == set(COMMANDS)


def test_every_option_in_the_readme_exists() -> None:
    used = {
        (name, option)
        for name, line in commands()
        for option in re.findall(r"(?<!\S)--[a-z-]+", line.split("|")[0])
    }
    assert {(name, option) for name, option in used if option not in options_of(name)} == set()


def test_every_target_is_in_the_readme_and_the_reverse() -> None:
    documented = set(re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.MULTILINE))
    existing = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    assert documented >= {"setup", "demo", "test", "check"}
    assert documented - targets() == set()
    assert targets() - existing == set()


def test_every_folder_in_the_readme_exists() -> None:
    paths = list(tree())
    assert {"dbt_project", "feature_repo", "ml", "tests"} <= set(paths)
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_link_in_the_documents_leads_somewhere() -> None:
    documents = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    links = {
        (document, link.split("#")[0])
        for document in documents
        for link in re.findall(r"\]\(([^)\s]+)\)", document.read_text())
        if not re.match(r"[a-z]+:|#", link)
    }
    assert [(str(document), link) for document, link in links if not (document.parent / link).exists()] == []


def test_every_windowed_feature_in_the_readme_exists(shop: Built) -> None:
    named = set(re.findall(r"\b[a-z_]+_\d+d\b", README))
    assert named - set(read_catalog(shop.build).feature_names) == set()


def test_the_data_dictionary_is_as_generated(shop: Built) -> None:
    assert FILE.read_text() == dictionary(read_catalog(shop.build)), "write it anew: make docs"


def test_the_lock_file_is_as_generated(shop: Built) -> None:
    assert LOCK.read_text() == lock_text(read_catalog(shop.build)), "write it anew: make docs"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_helps_with_an_example_of_itself(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    examples = (command.help or "").split("Example:")[1:]
    assert examples
    assert all(f"churn {name}" in example for example in examples)

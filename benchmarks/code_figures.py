"""Figures of the product's own code: lines by package, sizes of functions and files, comments, duplicates.

    python -m benchmarks.code_figures [--tree FOLDER]

``--tree`` measures another checkout, such as the one before a change. Only ``ml`` and ``feature_repo`` count
as product Python, ``dbt_project`` as product SQL.
"""

import argparse
import ast
import io
import re
import statistics
import tokenize
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ml.common.paths import ROOT

PRODUCT = ("ml", "feature_repo")
# Six lines in a row is where a repeat costs more to keep in step than a shared function costs to read.
DUPLICATE_LINES = 6


@dataclass
class Function:
    """One ``def``: its name, its lines with and without the docstring, whether it has one."""

    name: str
    lines: int
    code_lines: int
    has_docstring: bool


@dataclass
class Figures:
    """What the files of one tree add up to."""

    lines_by_package: Counter[str] = field(default_factory=Counter)
    file_lines: list[int] = field(default_factory=list)
    functions: list[Function] = field(default_factory=list)
    comment_lines: int = 0
    docstring_lines: int = 0
    mentions: Counter[str] = field(default_factory=Counter)
    windows: Counter[tuple[str, ...]] = field(default_factory=Counter)

    @property
    def lines(self) -> int:
        return sum(self.lines_by_package.values())

    def referenced_once(self) -> list[Function]:
        """Functions whose name stands once outside its own definition."""
        return [f for f in self.functions if self.mentions[f.name] == 1]

    def duplicates(self) -> int:
        """Lines that start a run of DUPLICATE_LINES equal lines found elsewhere too."""
        return sum(count - 1 for count in self.windows.values())


def measure(tree: Path) -> Figures:
    """Read every product file of ``tree``."""
    figures = Figures()
    for top in PRODUCT:
        for path in sorted((tree / top).rglob("*.py")):
            add_file(figures, path.relative_to(tree), path.read_text())
    return figures


def add_file(figures: Figures, path: Path, text: str) -> None:
    """Count one file."""
    lines = text.splitlines()
    figures.lines_by_package["/".join(path.parts[:2]) if len(path.parts) > 2 else path.parts[0]] += len(lines)
    figures.file_lines.append(len(lines))
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            figures.functions.append(function_of(node))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            figures.docstring_lines += docstring_lines(node)
    figures.mentions.update(names_used(tree))
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    figures.comment_lines += sum(token.type == tokenize.COMMENT for token in tokens)
    code = [" ".join(line.split()) for line in lines]
    code = [
        line for line in code if re.search(r"\w", line) and not line.startswith(("#", "import ", "from "))
    ]
    starts = range(len(code) - DUPLICATE_LINES + 1)
    figures.windows.update(tuple(code[start : start + DUPLICATE_LINES]) for start in starts)


def function_of(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Function:
    lines = (node.end_lineno or node.lineno) - node.lineno + 1
    documented = docstring_lines(node)
    return Function(node.name, lines, lines - documented, documented > 0)


def docstring_lines(node: ast.AST) -> int:
    """How many lines the docstring of ``node`` takes."""
    body = getattr(node, "body", None)
    if not body or not isinstance(body[0], ast.Expr) or not isinstance(body[0].value, ast.Constant):
        return 0
    if not isinstance(body[0].value.value, str):
        return 0
    return (body[0].end_lineno or body[0].lineno) - body[0].lineno + 1


def names_used(tree: ast.AST) -> Iterator[str]:
    """Every name read in ``tree``: plain, as an attribute; imports are not uses."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr


def percentile(values: list[int], share: float) -> int:
    """The value at ``share`` of the sorted ``values``."""
    return sorted(values)[min(len(values) - 1, round(share * (len(values) - 1)))]


def sql_lines(tree: Path) -> int:
    """Lines of SQL in the dbt project."""
    return sum(
        len(path.read_text().splitlines())
        for part in ("models", "macros", "tests")
        for path in (tree / "dbt_project" / part).rglob("*.sql")
    )


def report(tree: Path) -> str:
    """The figures of ``tree`` as a Markdown table."""
    figures = measure(tree)
    functions = figures.functions
    once = figures.referenced_once()
    short = [f for f in once if f.lines <= 8]
    sizes = [f.lines for f in functions]
    code_sizes = [f.code_lines for f in functions]
    documented = sum(f.has_docstring for f in functions)
    rows = [
        ("product Python, lines", f"{figures.lines:,}"),
        ("product SQL, lines", f"{sql_lines(tree):,}"),
        ("files; median / p90 lines", f"{len(figures.file_lines)}; {spread(figures.file_lines)}"),
        ("functions; median / p90 lines", f"{len(functions):,}; {spread(sizes)}"),
        ("the same without docstrings", spread(code_sizes)),
        ("functions referenced once", f"{len(once)} ({len(once) / len(functions):.0%})"),
        ("... of them 8 lines or fewer", f"{len(short)}"),
        ("functions with a docstring", f"{documented / len(functions):.0%}"),
        ("docstring lines", f"{figures.docstring_lines / figures.lines:.1%}"),
        ("comment lines", f"{figures.comment_lines / figures.lines:.2%}"),
        (f"repeated runs of {DUPLICATE_LINES} lines", f"{figures.duplicates()}"),
    ]
    rows += [(f"`{package}`", f"{count:,}") for package, count in sorted(figures.lines_by_package.items())]
    return "\n".join(
        ["| figure | value |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows)]
    )


def spread(values: list[int]) -> str:
    return f"{statistics.median(values):.0f} / {percentile(values, 0.9)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--tree", type=Path, default=ROOT, help="a checkout (default: this one)")
    print(report(parser.parse_args().tree))


if __name__ == "__main__":
    main()

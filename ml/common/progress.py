"""Messages and progress bars on standard error; silent with --quiet, and bars only on a terminal."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Progress:
    """The messages of a long step.

    Parameters
    ----------
    quiet : bool
        Whether to print nothing.
    """

    quiet: bool = False

    def say(self, text: str) -> None:
        """Print one line on standard error."""
        if not self.quiet:
            print(text, file=sys.stderr, flush=True)

    @contextmanager
    def bar(self, title: str, total: int) -> Iterator["Bar"]:
        """A bar of ``total`` steps on a terminal; nothing elsewhere."""
        if self.quiet or not sys.stderr.isatty():
            yield Bar()
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as RichProgress

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with RichProgress(*columns, console=Console(stderr=True), transient=True) as rich_bar:
            yield Bar(rich_bar, rich_bar.add_task(title, total=total))


@dataclass(frozen=True)
class Bar:
    """One bar; without a terminal every call does nothing."""

    rich_bar: Any = None
    task: Any = None

    def step(self, title: str | None = None, steps: int = 1) -> None:
        """Advance by ``steps``; ``title`` names the present step."""
        if self.rich_bar is not None:
            self.rich_bar.update(self.task, advance=steps, **({"description": title} if title else {}))

    def set_to(self, done: int, total: int, title: str | None = None) -> None:
        """Set the bar to ``done`` of ``total`` steps."""
        if self.rich_bar is not None:
            self.rich_bar.update(
                self.task, completed=done, total=total, **({"description": title} if title else {})
            )


SILENT = Progress(quiet=True)

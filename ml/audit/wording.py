"""What a comparison found, in sentences."""

from collections.abc import Mapping

from ml.audit.compare import Comparison, Moved
from ml.audit.findings import Audit, Breach
from ml.audit.lookups import ON_DEMAND
from ml.common.counting import counted

NO_CLOCKS: Mapping[str, str] = {}


def breaches_of(found: Comparison, what: str, clocks: Mapping[str, str] = NO_CLOCKS) -> tuple[Breach, ...]:
    """One breach for each column that moved, the one with the most cells first, on-demand ones last.

    Parameters
    ----------
    found : Comparison
    what : str
        What is wrong with a value that moved: the rest of a sentence that begins with model and column.
    clocks : mapping
        Models that read the wall clock, and the word they do it with.
    """
    return tuple(
        Breach(
            f"{subject(moved)} {what}{blame(moved, clocks)}: {extent(moved)}", example_of(moved), moved.cells
        )
        for moved in sorted(found.moved, key=lambda moved: (moved.model == ON_DEMAND, -moved.cells))
    )


def notes_on(found: Comparison) -> tuple[str, ...]:
    """A sentence for each model that has other rows but no other value."""
    return tuple(
        f"{moved.model} has {counted(moved.cells, 'row')} on one side only, which change no value"
        for moved in found.idle
    )


def subject(moved: Moved) -> str:
    """Model and column; the model's rows where they appeared or vanished."""
    if moved.model == ON_DEMAND:
        return f"the on-demand feature {moved.column}"
    return f"{moved.model}.{moved.column}" if moved.column else f"the set of rows of {moved.model}"


def blame(moved: Moved, clocks: Mapping[str, str]) -> str:
    """The wall clock, if the model itself reads it."""
    return f" (the model reads the wall clock: {clocks[moved.model]})" if moved.model in clocks else ""


def extent(moved: Moved) -> str:
    """In how many cells, of how many customers."""
    return f"{counted(moved.cells, 'cell')} of {counted(moved.customers, 'customer')}"


def example_of(moved: Moved) -> dict[str, object]:
    """The earliest cell that moved, with the feature's name; for rows, the first that one side lacks."""
    keys = {name: moved.example[name] for name in ("customer_id", "instant")}
    values = {name: moved.example[name] for name in ("before", "after")}
    return {**keys, "feature": moved.column, **values} if moved.column else keys


def clock_breaches(clocks: Mapping[str, str]) -> tuple[Breach, ...]:
    """One breach for each model that reads the wall clock."""
    return tuple(
        Breach(f"{model} reads the wall clock ({word}), so that it says something else every day")
        for model, word in clocks.items()
    )


def customers_sampled(audit: Audit, customers: int, instants: str) -> str:
    """How many customers were looked at, of how many, and when."""
    everyone = audit.manifest["rows"]["int_customers"]
    who = f"all {everyone:,d}" if customers >= everyone else f"{customers:,d} of {everyone:,d}"
    return f"{who} customers, {instants}, seed {audit.seed}"

"""The differences of a comparison in sentences."""

from collections.abc import Mapping

from ml.audit.compare_builds import ON_DEMAND
from ml.audit.compare_feature_tables import Comparison, Moved
from ml.audit.findings import Audit, Breach
from ml.common.number_words import counted

NO_CLOCKS: Mapping[str, str] = {}


def breaches_of(
    comparison: Comparison, what: str, clocks: Mapping[str, str] = NO_CLOCKS
) -> tuple[Breach, ...]:
    """One breach for each column that moved, the one with the most cells first, on-demand ones last.

    Parameters
    ----------
    comparison : Comparison
    what : str
        What is wrong with a value that moved: the rest of a sentence that begins with model and column.
    clocks : mapping
        Models that read the wall clock, and the word they do it with.
    """
    ordered = sorted(comparison.moved, key=lambda moved: (moved.model == ON_DEMAND, -moved.cells))
    return tuple(breach_of(moved, what, clocks) for moved in ordered)


def breach_of(moved: Moved, what: str, clocks: Mapping[str, str]) -> Breach:
    subject = f"{moved.model}.{moved.column}" if moved.column else f"the set of rows of {moved.model}"
    if moved.model == ON_DEMAND:
        subject = f"the on-demand feature {moved.column}"
    word = clocks.get(moved.model)
    blame = f" (the model reads the wall clock: {word})" if word else ""
    extent = f"{counted(moved.cells, 'cell')} of {counted(moved.customers, 'customer')}"
    example = {name: moved.example[name] for name in ("customer_id", "instant")}
    if moved.column:
        example["feature"] = moved.column
        example |= {side: moved.example[side] for side in ("before", "after")}
    return Breach(f"{subject} {what}{blame}: {extent}", example, moved.cells)


def notes_on(comparison: Comparison) -> tuple[str, ...]:
    """A sentence for each model that has other rows but no other value."""
    return tuple(
        f"{moved.model} has {counted(moved.cells, 'row')} on one side only, which change no value"
        for moved in comparison.idle
    )


def clock_breaches(clocks: Mapping[str, str]) -> tuple[Breach, ...]:
    """One breach for each model that reads the wall clock."""
    return tuple(
        Breach(f"{model} reads the wall clock ({word}), so that its values change from day to day")
        for model, word in clocks.items()
    )


def customers_sampled(audit: Audit, customers: int, instants: str) -> str:
    """The number of sampled customers, of all, and their instants."""
    everyone = audit.manifest["rows"]["int_customers"]
    number = f"all {everyone:,d}" if customers >= everyone else f"{customers:,d} of {everyone:,d}"
    return f"{number} customers, {instants}, seed {audit.seed}"

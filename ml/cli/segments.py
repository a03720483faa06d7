"""``churn segments``."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from ml.cli.command import Instant, Run, churn_command, problem_option

if TYPE_CHECKING:
    from ml.segments.customer_segments import CustomerSegments

MOVES_SHOWN = 5


@click.command()
@click.option("--as-of", type=Instant(), help="Instant of the segments (default: that of scoring).")
@click.option("--page", type=click.Path(dir_okay=False), help="Page to write as well: FILE.html.")
@click.option("--out", help="File of customers to write: .parquet, .csv or .jsonl; - is standard output.")
@click.option(
    "--refit", is_flag=True, help="Learn the segments again; those that continue keep their number."
)
@click.option("--number", type=click.IntRange(1, 50), help="So many segments, learned again.")
@problem_option
@churn_command
def command(
    run: Run,
    as_of: datetime | None,
    out: str | None,
    page: str | None,
    refit: bool,
    number: int | None,
    problem: str | None,
) -> None:
    """Customers by behaviour: a few segments with names, sizes, churn rates, and who moved.

    The population is told apart by recency, frequency and spend, or by what 'segments' in the problem file
    names. The first run learns the segments, as many as two halves of the customers agree on; later runs keep
    them, so that a segment means the same from day to day.

    \b
    Example:
      churn segments --out segments.csv
      churn segments --refit --as-of 2024-06-30T00:00:00Z
    """
    from ml.segments.customer_segments import segments

    result = segments(
        as_of=as_of,
        out=out,
        refit=refit,
        number=number,
        json_lines=run.as_json,
        home=run.home,
        problem=problem,
        progress=run.progress,
    )
    if page:
        from pathlib import Path

        from ml.page.document import document, write_whole
        from ml.segments.segments_page import segments_body

        write_whole(Path(page), document("Segments", segments_body(result.segmentation)))
    count = f"{len(result.rows):,} customers"
    run.finish_with_files(result.as_dict(), summary(result), count, out=out, page=page)


def summary(result: "CustomerSegments") -> str:
    """How the number was chosen, the segments in a table, and who moved."""
    from ml.page.number_text import NOTHING, number, percent

    figures, learned = result.segmentation.figures, result.segmentation.learned
    names = result.segmentation.input_names
    lines = [
        f"{figures['customers']:,} customers at {figures['as_of']} on {figures['build_id']}, by "
        f"{', '.join(names)}",
        *choice(result),
        "",
    ]
    head = ["", "segment", "customers", "share", f"at {figures['since'][:10]}", figures["outcome"], ""]
    rows = [[*head, *names]]
    for one in figures["segments"]:
        outcome = one["outcome"]
        as_text = percent if figures["outcome"] == "churn rate" else number
        rows.append(
            [
                str(one["number"]),
                one["name"],
                f"{one['customers']:,}",
                percent(one["share"]),
                percent(one["share_before"]),
                as_text(outcome["value"]) if outcome else NOTHING,
                f"[{as_text(outcome['low'])}, {as_text(outcome['high'])}]" if outcome else "",
                *(number(one["inputs"][name]["mean"]) for name in names),
            ]
        )
    lines += aligned(rows)
    lines.append("(inputs: averages; " + outcome_text(figures) + ")")
    lines += ["", f"{figures['moved']:,} of {figures['in_both']:,} customers moved since {figures['since']}"]
    lines += [
        f"  {move['customers']:,} from {move['from']} to {move['to']}"
        for move in figures["moves"][:MOVES_SHOWN]
    ]
    return "\n".join(
        [*lines, f"learned on {learned['build_id']} as of {learned['as_of']}; kept in {result.file}"]
    )


def outcome_text(figures: dict[str, Any]) -> str:
    """Of which customers the outcomes are."""
    cutoff = figures["outcome_cutoff"]
    return (
        f"{figures['outcome']} of those in the segment at {cutoff}" if cutoff else "no label is settled yet"
    )


def choice(result: "CustomerSegments") -> list[str]:
    """Why there are so many segments, where they were learned in this run; how far they continue others."""
    if not result.is_new:
        return []
    tried = ", ".join(
        f"{one.segments}: {one.strength:.2f} ± {one.standard_error:.2f}"
        for one in result.segmentation.strengths[1:]
    )
    why = {
        "given": "as asked for",
        "kept": "as before, for halves of the customers still agree on them (at least 0.80)",
        "chosen": "the most that halves of the customers agree on (at least 0.80)",
    }[result.segmentation.learned["number"]]
    strength = f"; prediction strength {tried}" if tried else ""
    lines = [f"{len(result.segmentation.segments)} segments, {why}{strength}"]
    if result.agreement is not None:
        lines.append(f"agreement with the earlier segments: adjusted Rand index {result.agreement:.2f}")
    return lines


def aligned(rows: list[list[str]]) -> list[str]:
    """Rows of text in columns; the second is of words, all others of figures."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            text.ljust(width) if column == 1 else text.rjust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]

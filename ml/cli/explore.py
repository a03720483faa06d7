"""``churn explore``."""

from typing import Any

import click

from ml.cli.command import Run, churn_command, problem_option


@click.command()
@click.option("--out", type=click.Path(dir_okay=False), help="Page to write (default explore/<build>.html).")
@problem_option
@churn_command
def command(run: Run, out: str | None, problem: str | None) -> None:
    """Look at the labelled rows before you train, as a page.

    Population and churn rate by cut-off, each feature's values by label, what it tells alone, nulls,
    outliers, near-duplicates; and what looks like a leak. Labels are looked at in the training part only.

    \b
    Example:
      churn explore --out explore.html
    """
    from ml.explore import explore

    result = explore(out=out, home=run.home, problem=problem, progress=run.progress)
    run.finish(result, summary(result))


def summary(result: dict[str, Any]) -> str:
    """The findings, and the path of the page."""
    rows = result["looked_at"]
    lines = [
        f"{result['build_id']}, data clock {result['data_clock']}: {rows['rows']:,} training rows of "
        f"{rows['customers']:,} customers, churn rate {rows['churn_rate']:.3f}, "
        f"{len(result['features'])} features",
        "",
        *(f"{MARKS[finding['tone']]}{finding['what']}: {finding['said']}" for finding in result["findings"]),
        "",
        f"wrote {result['page']}",
    ]
    return "\n".join(lines)


MARKS = {"bad": "WRONG  ", "dull": "look   ", "good": "note   "}

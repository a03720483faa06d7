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
    """What to look at, and where the page is."""
    looked = result["looked_at"]
    lines = [
        f"{result['build_id']}, data clock {result['data_clock']}: {looked['rows']:,} training rows of "
        f"{looked['customers']:,} customers, churn rate {looked['churn_rate']:.3f}, "
        f"{len(result['features'])} features",
        "",
        *(f"{MARKS[each['tone']]}{each['what']}: {each['said']}" for each in result["findings"]),
        "",
        f"wrote {result['page']}",
    ]
    return "\n".join(lines)


MARKS = {"bad": "WRONG  ", "dull": "look   ", "good": "note   "}

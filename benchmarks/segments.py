"""How stable segments are when they are learned again later: a table of docs/segments.md.

    python -m benchmarks.segments --home HOME

Segments are learned at instants 30 days apart, each time continuing those before, in a home of its own that
sees the builds of HOME. The agreement is that of both over the customers of the later instant.
"""

import argparse
import tempfile
from datetime import timedelta
from pathlib import Path

from ml.common.instants import format_instant
from ml.home.build_manifest import score_instant
from ml.home.layout import Home
from ml.home.problem_file import problem_for
from ml.segments.customer_segments import segments

INSTANTS, DAYS = 5, 30


def stability_table(home: Home) -> list[str]:
    """The agreement of segments with those learned a month before."""
    end, _ = score_instant(home.current_build())
    problem = problem_for(home)
    lines = [
        "| learned as of | customers | segments | agreement | numbers that continue |",
        "| --- |" + " --- |" * 4,
    ]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "builds").symlink_to(home.builds)
        before: set[int] = set()
        for number in reversed(range(INSTANTS)):
            as_of = end - timedelta(days=DAYS * number)
            result = segments(as_of=as_of, refit=True, home=folder, problem=problem)
            numbers = {one.number for one in result.segmentation.segments}
            agreement = "" if result.agreement is None else f"{result.agreement:.2f}"
            lines.append(
                f"| {format_instant(as_of)[:10]} | {len(result.rows):,} | {len(numbers)} | {agreement} | "
                f"{f'{len(numbers & before)} of {len(before)}' if before else ''} |"
            )
            before = numbers
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", required=True, help="a home with a published build")
    print("\n".join(stability_table(Home.at(parser.parse_args().home))))


if __name__ == "__main__":
    main()

"""The section on starting, from the figures alone."""

from typing import Any

EMPTY, PLAIN, OWN = "python -c pass", "import feast", "import feature_repo, feast"
HELP_AIM_SECONDS = 0.3


def startup_section(results: dict[str, Any]) -> str:
    """Starts as Markdown: what help costs beyond an empty Python, and what importing Feast costs."""
    starts = results["starts"]
    empty = starts[EMPTY]["seconds"]
    helps = {name: found["seconds"] - empty for name, found in starts.items() if name.endswith("--help")}
    slowest = max(helps, key=lambda name: helps[name])
    kept = "kept" if helps[slowest] <= HELP_AIM_SECONDS else "missed"
    share = starts[OWN]["cpu_seconds"] / starts[PLAIN]["cpu_seconds"]
    shown = [EMPTY, "churn --help", slowest, PLAIN, OWN]
    lines = [
        f"| `{name}` | {starts[name]['seconds']:.2f} | {starts[name]['cpu_seconds']:.2f} |"
        for name in dict.fromkeys(shown)
    ]
    return f"""## Starting

    python -m benchmarks.startup

Whole processes, {results["repeats"]} each by turns, medians.

| start | seconds | CPU seconds |
| --- | ---: | ---: |
{chr(10).join(lines)}

The slowest `--help`, `{slowest}`, takes {helps[slowest]:.2f} s more than an empty Python
({kept}: at most {HELP_AIM_SECONDS} s). Feast is imported here without its run-time check of arguments
(`ml/featurestore/feast_import.py`), in {share:.0%} of the CPU time it takes by itself; commands that need no
Feast, dbt or model do not import them (`tests/ml/test_imports.py`)."""

"""The figures of the monitor, as they stand in docs/monitoring.md between two marks."""

from typing import Any

from scipy.stats import chi2

from ml.common.paths import ROOT

PAGE = ROOT / "docs" / "monitoring.md"
BEGIN, END = "<!-- figures of benchmarks/monitoring.json -->", "<!-- end of the figures -->"
RULES = {
    "sigma": "mean score beyond mean ± 3 standard deviations of the 8 weeks before",
    "psi": "PSI of any feature above 0.1",
    "ks": "Kolmogorov-Smirnov p of any feature below 0.05",
    "psi_checks": "PSI above 0.1, each check of one feature",
    "ks_checks": "Kolmogorov-Smirnov p below 0.05, each check of one feature",
}


def write_figures(results: dict[str, Any]) -> None:
    """Print the figures, and put them between the marks of the page where it has them."""
    text = figures(results)
    print(text)
    if PAGE.exists() and BEGIN in (page := PAGE.read_text()):
        before, _, rest = page.partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}")


def years(results: list[dict[str, Any]]) -> list[str]:
    """The table of years drawn from a formula."""
    rows = []
    for each in results:
        quarters = 4 * each["years"]
        low, high = poisson_interval(each["pages"], quarters)
        alarms, looks = each["sigma_weeks"]
        rows.append(
            f"| {each['lasting']:g} | {each['years']:,} | {each['pages']:,} | "
            f"**{each['pages'] / quarters:.2f}** ({low:.2f} to {high:.2f}) | {alarms / looks:.0%} |"
        )
    return [
        "Weeks drawn from a formula: five groups of four figures, a season, shocks common to all figures.",
        "",
        "| autocorrelation of the shocks | years | pages | a quarter (95 % interval), budget 1 | "
        "weeks in which some figure is beyond mean ± 3 sd of 8 weeks |",
        "| ---: | ---: | ---: | ---: | ---: |",
        *rows,
        "",
    ]


def poisson_interval(count: int, exposure: float) -> tuple[float, float]:
    """The exact 95 % interval of a rate (Garwood, 1936)."""
    low = chi2.ppf(0.025, 2 * count) / 2 if count else 0.0
    return float(low / exposure), float(chi2.ppf(0.975, 2 * count + 2) / 2 / exposure)


def figures(results: dict[str, Any]) -> str:
    """Two tables in Markdown."""
    low, high = results["interval"]
    rate = results["pages"] / results["quarters"] if results["quarters"] else 0.0
    groups: dict[str, list[int]] = {}
    for shop in results["placebo"]:
        for name, looks in shop["looks"].items():
            pages, all_looks = groups.get(name, [0, 0])
            groups[name] = [pages + shop["pages"][name], all_looks + looks]
    by_group = ", ".join(f"{name} {pages} in {looks} looks" for name, (pages, looks) in groups.items())
    lines = [
        *years(results["years"]),
        f"{len(results['placebo'])} shops of {results['customers']:,} customers in which nothing happens, "
        f"{results['quarters']:g} quarters: **{results['pages']} pages, {rate:.2f} a quarter** "
        f"(95 % interval {low:.2f} to {high:.2f}), budget 1. By group: {by_group}.",
        "",
        "| rule, on the same weeks | alarms | looks | share |",
        "| --- | ---: | ---: | ---: |",
        *(
            f"| {RULES[name]} | {alarms:,} | {looks:,} | {alarms / looks:.1%} |"
            for name, (alarms, looks) in results["folklore"].items()
        ),
        "",
        "| planted fault | weeks to the alarm | groups | cause named first, or listed | right |",
        "| --- | ---: | --- | --- | --- |",
        *(
            f"| {each['fault']} | {each['weeks'] or 'no alarm in 9'} | {', '.join(each['groups'])} | "
            f"{each['cause']} | {'yes' if each['is_named'] else 'no'} |"
            for each in results["faults"]
        ),
    ]
    return "\n".join(lines)

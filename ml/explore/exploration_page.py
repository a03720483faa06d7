"""The exploration as one HTML page that needs nothing else; pictures first, readable on a phone.

What ``run.explore`` found comes in, as plain values.
"""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from ml.common.counting import counted
from ml.explore.definition_pictures import definitions
from ml.explore.feature_pictures import alone, families_of, features, gaps, together
from ml.explore.findings import NEAR_DUPLICATES
from ml.explore.time_pictures import over_time
from ml.page.document import contents, document, header, joined, notes, paragraph, section, tiles
from ml.page.figures import percent

Result = Mapping[str, Any]


def page(result: Result) -> str:
    """The page as text."""
    parts = {
        "time": ("Who is asked, and who churns", over_time),
        "definition": ("Whether the definition fits", definitions),
        "findings": ("What to look at", findings),
        "alone": ("What each feature tells alone", alone),
        "gaps": ("Nulls and outliers", gaps),
        "together": ("Features that go together", together),
        "features": ("Every feature", features),
        "made": ("How this page was made", made),
    }
    body = joined(
        header(f"Exploration of {result['build_id']}", about(result), tone(result)),
        tiles(at_a_glance(result)),
        contents([(name, heading) for name, (heading, _) in parts.items()]),
        *(section(name, heading, *make(result)) for name, (heading, make) in parts.items()),
    )
    return document(f"Exploration of {result['build_id']}", body)


def tone(result: Result) -> str:
    """As bad as the worst finding."""
    tones = [each["tone"] for each in result["findings"]]
    return "bad" if "bad" in tones else "dull" if "dull" in tones else "good"


def about(result: Result) -> str:
    """Of what, and which question."""
    problem = result["problem"]
    return (
        f"Will a customer with an order in the last {problem['active_within_days']} days place none in the "
        f"next {problem['horizon_days']}? Asked every {counted(problem['cutoff_every_days'], 'day')}; data "
        f"clock {result['data_clock']}, from {result['load_id']}. Whatever looks at the label looks at "
        "training rows only."
    )


def at_a_glance(result: Result) -> list[tuple[str, str]]:
    """The tiles."""
    looked, kinds = result["looked_at"], [each["kind"] for each in result["features"]]
    cutoffs = sum(1 for each in result["population"] if each["part"] != "no label yet")
    sampled = f"; {looked['rows']:,} looked at" if looked["rows"] < looked["of"] else ""
    worth = sum(each["tone"] != "good" for each in result["findings"])
    different = ", ".join(counted(kinds.count(kind), kind) for kind in dict.fromkeys(kinds))
    return [
        (f"{sum(result['rows'].values()):,}", f"labelled rows at {counted(cutoffs, 'cut-off')}"),
        (f"{looked['of']:,}", f"of them for training{sampled}"),
        (f"{looked['customers']:,}", "customers in the training rows"),
        (percent(looked["churn_rate"]), "of the training rows churned"),
        (f"{len(kinds)}", f"features: {different}"),
        (f"{worth}", "to look at before you train"),
    ]


def findings(result: Result) -> list[Markup]:
    """The list of findings; families of near-duplicates are told one by one below."""
    families = families_of(result)
    told: list[tuple[str, str, str | Markup]] = [
        (each["tone"], f"{each['what']}.", each["said"])
        for each in result["findings"]
        if each["what"] != NEAR_DUPLICATES
    ]
    if families:
        number_of = counted(len(families), "family", "families")
        said = Markup('{} of features that nearly repeat each other, <a href="#together">below</a>.')
        told.append(("good", f"{NEAR_DUPLICATES}.", said.format(number_of)))
    return [notes(told)] if told else [paragraph("Nothing stands out.")]


def made(result: Result) -> list[Markup]:
    """What was read, and how to have it again."""
    looked, seed = result["looked_at"], result["problem"]["seed"]
    sampled = (
        f"{looked['rows']:,} of {looked['of']:,} training rows, drawn by a hash with seed {seed}"
        if looked["rows"] < looked["of"]
        else f"all {looked['rows']:,} training rows"
    )
    return [
        paragraph(
            f"Read from {result['build_id']}: {sampled}. How features move by cut-off, and the stability "
            "index, also read the features of later parts, never their labels. The index compares tenths of "
            "the training values with the test part: below 0.1 the same, above 0.25 another distribution. "
            "The same build and seed give the same page."
        ),
        Markup("<pre><code>churn explore</code></pre>"),
    ]

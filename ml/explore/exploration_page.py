"""The exploration as one self-contained HTML page; pictures first, readable on a phone."""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from ml.common.number_words import counted
from ml.config.problem import CHURN
from ml.explore.feature_pictures import alone, families_of, features, gaps, together
from ml.explore.findings import NEAR_DUPLICATES
from ml.explore.population_pictures import definitions, over_time
from ml.page.document import (
    Sections,
    Text,
    code,
    document,
    header,
    join_parts,
    notes,
    paragraph,
    sections,
    tiles,
)
from ml.page.number_text import percent

Result = Mapping[str, Any]


def page(result: Result) -> str:
    """The page as text, from the results of ``explore``."""
    contents: Sections[Result] = {
        "time": ("Who is asked, and who churns", over_time),
        "definition": ("Whether the definition fits", definitions),
        "findings": ("What to look at", findings),
        "alone": ("What each feature tells alone", alone),
        "gaps": ("Nulls and outliers", gaps),
        "together": ("Features that go together", together),
        "features": ("Every feature", features),
        "made": ("How this page was made", method),
    }
    problem, title = result["problem"], f"Exploration of {result['build_id']}"
    question = (
        f"Will a customer with an order in the last {problem['active_within_days']} days place none in the "
        f"next {problem['horizon_days']}? Asked every {counted(problem['cutoff_every_days'], 'day')}"
        if problem["label"] == CHURN
        else f"The label of {problem['label']}, settled {problem['horizon_days']} days after each row"
    )
    about = (
        f"{question}; data clock {result['data_clock']}, from {result['load_id']}. Whatever looks at the "
        "label looks at training rows only."
    )
    tones = [finding["tone"] for finding in result["findings"]]
    worst = next((tone for tone in ("bad", "dull") if tone in tones), "good")
    body = join_parts(header(title, about, worst), tiles(at_a_glance(result)), sections(result, contents))
    return document(title, body)


def at_a_glance(result: Result) -> list[tuple[str, str]]:
    sample, kinds = result["looked_at"], [shape["kind"] for shape in result["features"]]
    cutoffs = sum(1 for cutoff in result["population"] if cutoff["part"] != "no label yet")
    sampled = f"; {sample['rows']:,} looked at" if sample["rows"] < sample["of"] else ""
    worth = sum(finding["tone"] != "good" for finding in result["findings"])
    by_kind = ", ".join(counted(kinds.count(kind), kind) for kind in dict.fromkeys(kinds))
    return [
        (f"{sum(result['rows'].values()):,}", f"labelled rows at {counted(cutoffs, 'cut-off')}"),
        (f"{sample['of']:,}", f"of them for training{sampled}"),
        (f"{sample['customers']:,}", "customers in the training rows"),
        (percent(sample["churn_rate"]), "of the training rows churned"),
        (f"{len(kinds)}", f"features: {by_kind}"),
        (f"{worth}", "to look at before you train"),
    ]


def findings(result: Result) -> list[Markup]:
    """The list of findings; families of near-duplicates have their own section."""
    entries: list[tuple[str, str, Text]] = [
        (finding["tone"], f"{finding['what']}.", finding["said"])
        for finding in result["findings"]
        if finding["what"] != NEAR_DUPLICATES
    ]
    if families := families_of(result):
        text = Markup('{} of features that nearly repeat each other, <a href="#together">below</a>.')
        counted_families = counted(len(families), "family", "families")
        entries.append(("good", f"{NEAR_DUPLICATES}.", text.format(counted_families)))
    return [notes(entries)] if entries else [paragraph("Nothing stands out.")]


def method(result: Result) -> list[Markup]:
    """The rows that were read, and the command that repeats it."""
    sample, seed = result["looked_at"], result["problem"]["seed"]
    sampled = (
        f"{sample['rows']:,} of {sample['of']:,} training rows, drawn by a hash with seed {seed}"
        if sample["rows"] < sample["of"]
        else f"all {sample['rows']:,} training rows"
    )
    return [
        paragraph(
            f"Read from {result['build_id']}: {sampled}. How features move by cut-off, and the stability "
            "index, also read the features of later parts, never their labels. The index compares tenths of "
            "the training values with the test part: below 0.1 the same, above 0.25 another distribution. "
            "The same build and seed give the same page."
        ),
        code("churn explore"),
    ]

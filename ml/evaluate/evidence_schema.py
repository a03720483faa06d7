"""The deep evidence of one model: what it did after all training, where, at what price, and for what reasons.

It is computed once a model, stored as ``<home>/evidence/<model>.json``, printed by ``churn evaluate`` and
drawn by ``churn report``. Plain JSON: no NaN and no infinity; what cannot be measured is ``None``, and what
cannot be done at all is an empty list with a sentence in ``notes``. Instants are ISO 8601 text in UTC.

An INTERVAL is ``{"value", "low", "high"}``: the figure and the middle 95 % of its replicates, in which
customers are drawn, not rows. MEASURES is ``{metric: INTERVAL}`` over the keys of ``metrics``. POINTS are
lists of equally long numbers by name: ``{"recall": [...], "precision": [...]}``.

===================  ====================================================================================
``shape``            version of this description, 3
``model_version``    ``model-000001``
``model_card``       hash of the model's manifest: evidence of another manifest is not used
``champion``         the candidate that was chosen
``baseline``         the naive rule it is compared with, ``recency_rule``
``build_id``         what it was trained on; beside it ``data_clock`` and ``seed``
``problem``          the problem as plain values: metric, threshold, bands, costs, success, ...
``metrics``          ``{metric: {"label", "better": "higher" | "lower", "unit"}}`` in reading order; unit is
                     ``""``, ``"share"`` or ``"money"`` (of one customer and cut-off)
``test``             ``{"rows", "customers", "base_rate", "cutoffs", "first", "last"}`` of the test part
``sample``           ``{"rows", "of", "customers"}``: what the figures below are measured on; ``rows`` is
                     less than ``of`` when customers were drawn by a seeded hash
``notes``            sentences on what is left out and why
``looks``            ``{"earlier": int, "sentence": str, "all": [LOOK, ...]}``: evaluations on these test
                     cut-offs before this one, see ``ml.home.test_set_log``

``candidates``       ``{candidate: MEASURES}``, from the simplest to the least simple, baselines included
``differences``      ``{candidate: MEASURES}``: champion minus each other candidate in the same replicates
``verdict``          sentences: champion against the baseline, success target met or not
``decision``         what the threshold does, see DECISION below
``curves``           what can be drawn of the test part, see CURVES below

``segments``         ``[{"by": "tenure" | "value" | "city" | "gender" | "age", "label", "feature",
                     "groups": [GROUP]}]``; numbers in thirds of the training rows, texts from the most
                     frequent on, then ``(others)``
``months``           ``[GROUP]``, ``name`` being ``2017-10``: the month of the cut-off
``learning``         ``[{"share", "customers", "rows", "measures": MEASURES}]``: the champion's recipe on a
                     part of the training customers
``importance``       ``[{"feature", "subject", "label", "loss": INTERVAL, "auc": INTERVAL}]``: what the model
                     loses (log-loss up, ROC-AUC down, both positive when the feature matters) when the
                     feature is shuffled among rows, the most important first
``ablation``         ``[{"subject", "features": int, "measures": MEASURES, "change": MEASURES}]``: the recipe
                     without one group of features, and that minus the whole one; a group is a subject such
                     as ``orders``, or one aspect of a large one, ``orders: money``. The first entry has
                     subject ``""`` (nothing left out, no change); with ``"measures": None`` (and change)
                     it cannot do without
``staleness``        ``[{"days", "rows", "unknown", "measures": MEASURES, "change": MEASURES,
                     "profit": INTERVAL | None}]`` for features as of 0, 1, 7 and 30 days before the
                     cut-off of the label; ``change`` is against 0 days; ``unknown`` counts rows of
                     customers not known yet; ``profit`` is of all rows together, at the threshold
``reasons``          what drives the scores, see REASONS below
===================  ====================================================================================

``learning``, ``importance`` and ``ablation`` may lead to a change of the model, so they are measured on the
validation part and not on the test part. ``learning`` and ``ablation`` fit the recipe on training rows only,
calibrate it on the calibration rows and measure it on the selection rows, which the model itself has learned
from; ``importance`` measures the model itself, on the calibration rows. Everything else is measured on the
test part.

GROUP is ``{"name", "low", "high", "rows", "customers", "base_rate", "mean_probability", "listed_share",
"recall", "precision", "measures": MEASURES | None}``; ``low`` and ``high`` are the limits of a numeric group
(``low < x <= high``, None where open), ``measures`` is None with fewer than 20 rows of a class, precision
None when no row is flagged.

DECISION is ``{"threshold", "rule", "rule_met", "listed": INTERVAL, "recall": INTERVAL, "precision": INTERVAL,
"confusion": {"churned_listed", "stayed_listed", "churned_not_listed", "stayed_not_listed"}, "profit":
INTERVAL | None, "profit_per_listed": float | None, "everyone": INTERVAL, "break_even": {"probability": float
| None, "listed": INTERVAL, "profit": INTERVAL}, "shortfalls": [str], "bands": [{"band", "low", "high",
"rows", "base_rate", "mean_probability", "action"}]}``; listed is a share of the rows, confusion counts rows,
profit is of all rows together, None when the problem states no costs. ``everyone`` is the profit of
contacting everyone (no one earns 0), ``break_even`` the probability from which a contact pays, None where not
even a sure churner pays, and the list from there on; ``shortfalls`` are sentences: which of the two simple
policies earns more.

CURVES is ``{"roc": {candidate: POINTS(false_alarms, recall)}, "precision_recall": {candidate: POINTS(recall,
precision)}, "reliability": {candidate: POINTS(said, seen, low, high, rows)}, "gain": {candidate:
POINTS(listed, found)}, "lift": {candidate: POINTS(listed, lift)}, "profit": POINTS(threshold, listed, profit,
low, high)}``: at most 200 points each, for every candidate; ``low`` and ``high`` are 95 % intervals by
customer; ``profit`` is the champion's, of all rows together, from the highest threshold on, with empty lists
without costs.

REASONS is ``{"scale": "log-odds" | "probability", "base": float, "rows": int, "largest_gap": float,
"subjects": [{"subject", "mean": float, "features": int}], "features": [{"feature", "subject", "label",
"mean": float}], "customers": [CUSTOMER]}``: Shapley values of the raw score; ``base`` is the score of knowing
nothing, ``mean`` the mean absolute value over ``rows`` test rows, ``largest_gap`` the greatest distance
between base + values and the raw score that was found.

CUSTOMER is ``{"why": "riskiest" | "just listed" | "typical" | "safest" | "missed" | "false alarm",
"customer_id", "event_timestamp", "churned": 0 | 1, "probability", "band", "listed": bool, "action": str |
None, "score": float, "subjects": [{"subject", "added"}], "features": [{"feature", "subject", "label",
"value": str, "added"}], "reasons": [str]}``: ``score`` is base + all added; features are the ten that add or
take most.
"""

SHAPE = 3  # raised with each change of this description, so that older evidence is computed again

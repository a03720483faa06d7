"""What may stand in ``problem.yml``: every key, and for each the values that make sense alone."""

from ml.common.yaml_schema import Choice, Names, Number, Shape, Share, Some, Text, Whole

METRICS = ("log_loss", "brier", "roc_auc", "average_precision", "empc", "profit_per_customer")
SUCCESS_METRICS = (*METRICS, "lift_at_10", "precision_at_80_recall", "ece")
SHARES = frozenset({"roc_auc", "average_precision", "precision_at_80_recall"})
USUAL_VALUE = {"recall_at_least": 0.8, "precision_at_least": 0.8, "fixed": 0.8, "f_beta": 1.0}
THRESHOLD_RULES = (*USUAL_VALUE, "capacity", "profit")
CALIBRATIONS = ("auto", "platt", "isotonic")
SEARCHES = ("tpe", "random", "grid")
SELECTIONS = ("none", "l1", "elimination")
CANDIDATES = (
    "prior",
    "recency_rule",
    "repeat_purchase",
    "logistic_regression",
    "decision_tree",
    "random_forest",
    "hist_gradient_boosting",
    "xgboost",
    "lightgbm",
)
# A function of one's own that returns an estimator: see docs/own-models.md.
OWN_CANDIDATE = r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*"

SHAPE: Shape = {
    "horizon_days": Whole(1, 3650),
    "active_within_days": Whole(1, 3650),
    "cutoff_every_days": Whole(1, 3650),
    "label_delay_days": Whole(0, 3650),
    "refresh_days": Whole(1, 365),
    "metric": Choice(METRICS),
    "success": {"metric": Choice(SUCCESS_METRICS), "target": Number(-1e9, 1e9)},
    "costs": {
        "contact": Number(0, 1e9),
        "offer": Number(0, 1e9),
        "value_kept": Number(0.0001, 1e9),
        "take_up": Share(),
    },
    "capacity": Whole(1, 1_000_000_000),
    "threshold": {"rule": Choice(THRESHOLD_RULES), "value": Number(0, 100)},
    "calibration": Choice(CALIBRATIONS),
    "bands": {"medium": Share(), "high": Share()},
    "actions": Text("the name of a file of recommended actions"),
    "exclude": Names(),
    "use_sensitive": Names(),
    "baseline": Names(),
    "candidates": Some(CANDIDATES, OWN_CANDIDATE, "package.module:factory"),
    "selection": Choice(SELECTIONS),
    "tuning": {"trials": Whole(0, 10_000), "seconds": Whole(1, 604_800), "search": Choice(SEARCHES)},
    "constraints": {"latency_ms": Whole(1, 60_000), "reasons": Whole(1, 20)},
    "split": {"validation": Share(), "test": Share()},
    "training_rows_max": Whole(100, 50_000_000),
    "seed": Whole(0, 2**31 - 1),
}

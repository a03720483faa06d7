"""The files of each format, and how their scores are computed from them."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import onnxruntime
from scipy.special import expit

from ml.common.array_types import Floats
from ml.common.errors import ModelError
from ml.config.problem import REGRESSION
from ml.explain.trees import LEAF, Tree, is_trees, trees_of
from ml.export.estimator_graph import (
    LOG_LINK,
    VOTES,
    churn_outputs,
    raw_prediction,
    value_outputs,
)
from ml.export.feature_graph import feature_values
from ml.export.graph import Graph
from ml.export.preparation_graph import prepared
from ml.featurestore.catalog import Catalog
from ml.model.churn_model import ChurnModel
from ml.model.fitted_model import FittedModel
from ml.model.value_model import ValueModel, at_least

MODEL, PREPARATION, TREES = "model.onnx", "prepare.onnx", "trees.treelite"
COLUMNS = "columns"


@dataclass(frozen=True)
class Form:
    """The files of a model in one format.

    Parameters
    ----------
    files : list of str
        Names in their folder.
    inputs : list of str
        Stored features, and ``asked_at`` where a formula needs it.
    computed : list of str
        On-demand features computed inside.
    outputs : list of str
    scores : callable
        By the files, from arrays of the inputs, shape (rows, 1) each, to probabilities or amounts, (rows,).
    facts : dict
        More for the manifest.
    """

    files: list[str]
    inputs: list[str]
    computed: list[str]
    outputs: list[str]
    scores: Callable[[dict[str, Any]], Floats]
    facts: dict[str, Any] = field(default_factory=dict)


def write(format: str, model: FittedModel, catalog: Catalog, folder: Path) -> Form:
    """Write the files of a format into ``folder``."""
    return (write_onnx if format == "onnx" else write_treelite)(model, catalog, folder)


def write_onnx(model: FittedModel, catalog: Catalog, folder: Path) -> Form:
    graph, values, columns = prepared_columns(model, catalog)
    raw = raw_prediction(graph, model.pipeline.named_steps["model"], columns)
    if model.problem.task == REGRESSION:
        value_outputs(graph, cast(ValueModel, model), raw)
    else:
        churn_outputs(graph, cast(ChurnModel, model), raw)
    onnx.save(graph.model(), folder / MODEL)
    outputs = [each.name for each in graph.outputs]

    def scores(given: dict[str, Any]) -> Floats:
        return run(folder / MODEL, outputs[0], given)[:, 0]

    return Form(
        [MODEL], [each.name for each in graph.inputs], computed_names(catalog, values), outputs, scores
    )


def write_treelite(model: FittedModel, catalog: Catalog, folder: Path) -> Form:
    """Trees in treelite's form, after a graph that makes the columns they read."""
    import treelite

    estimator = model.pipeline.named_steps["model"]
    if not is_trees(estimator):
        raise ModelError(f"treelite takes trees, and {model.kind} has none: take --format onnx")
    graph, values, columns = prepared_columns(model, catalog)
    graph.output(COLUMNS, columns, len(model.prepared_means))
    onnx.save(graph.model(), folder / PREPARATION)
    trees = trees_of(estimator)
    builder = treelite_builder(len(model.prepared_means), len(trees.trees), trees.start)
    for tree in trees.trees:
        add_tree(builder, tree)
    builder.commit().serialize(str(folder / TREES))
    kind = type(estimator).__name__
    link = (
        "exp"
        if kind in LOG_LINK
        else "identity"
        if kind in VOTES or kind.endswith("Regressor")
        else "logistic"
    )

    def scores(given: dict[str, Any]) -> Floats:
        made = run(folder / PREPARATION, COLUMNS, given)
        made = made.astype(np.float32).astype(np.float64) if trees.is_single else made
        loaded = treelite.Model.deserialize(str(folder / TREES))
        total = treelite.gtil.predict(loaded, np.ascontiguousarray(made)).reshape(len(made))
        raw = {"identity": np.asarray, "logistic": expit, "exp": np.exp}[link](total)
        if isinstance(model, ChurnModel):
            return model.calibration.apply(raw)
        return at_least(cast(ValueModel, model).lowest, raw)

    after = {"link": link, "columns_in_single_precision": trees.is_single}
    after |= {"calibration": asdict(model.calibration)} if isinstance(model, ChurnModel) else {}
    inputs, computed = [each.name for each in graph.inputs], computed_names(catalog, values)
    return Form(
        [PREPARATION, TREES], inputs, computed, ["sum of the trees"], scores, {"after_the_trees": after}
    )


def prepared_columns(model: FittedModel, catalog: Catalog) -> tuple[Graph, dict[str, str], str]:
    """A graph from stored features to prepared columns; its values by feature, and the columns."""
    graph = Graph()
    values = feature_values(graph, catalog, [each.name for each in model.inputs])
    return graph, values, prepared(graph, model.pipeline.named_steps["prepare"], values)


def computed_names(catalog: Catalog, values: dict[str, str]) -> list[str]:
    return [name for name in catalog.formulas if name in values]


def run(path: Path, output: str, given: dict[str, Any]) -> Floats:
    """One output of an ONNX file."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run([output], given)[0], dtype=np.float64)


def treelite_builder(columns: int, trees: int, start: float) -> Any:
    from treelite.model_builder import Metadata, ModelBuilder, PostProcessorFunc, TreeAnnotation

    return ModelBuilder(
        threshold_type="float64",
        leaf_output_type="float64",
        metadata=Metadata(
            num_feature=columns,
            task_type="kRegressor",
            average_tree_output=False,
            num_target=1,
            num_class=[1],
            leaf_vector_shape=(1, 1),
        ),
        tree_annotation=TreeAnnotation(num_tree=trees, target_id=[0] * trees, class_id=[0] * trees),
        postprocessor=PostProcessorFunc(name="identity"),
        base_scores=[start],
    )


def add_tree(builder: Any, tree: Tree) -> None:
    builder.start_tree()
    for node in range(len(tree.left)):
        builder.start_node(node)
        if tree.left[node] == LEAF:
            builder.leaf(float(tree.value[node]))
        else:
            builder.numerical_test(
                feature_id=int(tree.feature[node]),
                threshold=float(tree.threshold[node]),
                default_left=bool(tree.null_goes_left[node]),
                opname="<=",
                left_child_key=int(tree.left[node]),
                right_child_key=int(tree.right[node]),
            )
        builder.end_node()
    builder.end_tree()

"""The user's own candidates: ``package.module:factory`` in the problem, a function that returns an estimator.

A pipeline reads the columns of ``ml.training_set``; any other classifier reads numbers as the shipped
candidates do, imputed and scaled unless it takes nulls.
"""

import inspect
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from sklearn.base import clone, is_classifier
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags

from ml.common.errors import ProblemError
from ml.config.problem import Problem
from ml.model.inputs import Input
from ml.model.own import find_modules_in, training_frame
from ml.model.preparation import for_linear, for_trees


def own_pipeline(name: str, inputs: Sequence[Input], problem: Problem) -> Pipeline:
    """The steps ``prepare`` and ``model`` of the estimator that the function ``name`` returns.

    Raises
    ------
    ProblemError
        The module or the function is missing or fails, or the function returns no unfitted classifier with
        ``predict_proba``.
    """
    estimator = make_estimator(name, import_factory(name, problem), problem)
    if isinstance(estimator, Pipeline) and len(estimator.steps) > 1:
        steps = [("frame", training_frame(inputs)), *estimator.steps[:-1]]
        return Pipeline([("prepare", Pipeline(steps)), ("model", estimator.steps[-1][1])])
    if isinstance(estimator, Pipeline):
        estimator = estimator.steps[-1][1]
    takes_nulls = get_tags(estimator).input_tags.allow_nan
    prepare = (for_trees if takes_nulls else for_linear)(inputs, problem.horizon_days)
    return Pipeline([("prepare", prepare), ("model", estimator)])


def import_factory(name: str, problem: Problem) -> Callable[..., Any]:
    find_modules_in(problem.folder)
    module, _, attribute = name.partition(":")
    try:
        function = getattr(import_module(module), attribute, None)
    except ModuleNotFoundError as error:
        where = f" or in {problem.folder}" if problem.folder else ""
        raise candidate_error(
            name,
            f"there is no module {error.name}: install its package, or put it beside the problem file{where}",
        ) from error
    except Exception as error:
        raise candidate_error(name, f"the module {module} cannot be imported ({one_line(error)})") from error
    if not callable(function):
        raise candidate_error(name, f"the module {module} has no function {attribute}")
    return function


def make_estimator(name: str, factory: Callable[..., Any], problem: Problem) -> Any:
    """The result of the factory, which gets the problem's seed if it has a parameter ``seed``."""
    try:
        takes_seed = "seed" in inspect.signature(factory).parameters
        estimator = factory(seed=problem.seed) if takes_seed else factory()
    except Exception as error:
        raise candidate_error(
            name, f"the function fails ({one_line(error)}): it is called without arguments, or with seed"
        ) from error
    # scikit-learn's is_classifier asks for tags, which only an estimator with parameters has.
    is_estimator = hasattr(estimator, "get_params") and is_classifier(estimator)
    if not (is_estimator and hasattr(estimator, "predict_proba")):
        raise candidate_error(
            name,
            f"the function returns {type(estimator).__name__}: return an unfitted scikit-learn classifier "
            "with predict_proba, or a Pipeline that ends with one",
        )
    return clone(estimator)


def candidate_error(name: str, reason: str) -> ProblemError:
    return ProblemError(f"candidates: {name}: {reason}")


def one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}".rstrip(": ")

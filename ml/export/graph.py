"""A graph of ONNX operators in double precision, written like arithmetic on columns."""

from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike
from onnx import TensorProto, helper, numpy_helper

OPSET, ML_OPSET, IR_VERSION = 22, 5, 10  # the newest that onnxruntime 1.20 and later read
ROWS = "rows"


class Graph:
    """Nodes, constants, inputs and outputs; every value is named and has shape (rows, columns)."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []

    def add(self, operator: str, *values: str, domain: str = "", **attributes: Any) -> str:
        """The result of an operator on values."""
        name = f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(values), [name], domain=domain, **attributes))
        return name

    def constant(self, value: ArrayLike, dtype: Any = np.float64) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.array(value, dtype=dtype), name))
        return name

    def input(self, name: str, type_: int) -> str:
        """One column that the caller gives."""
        self.inputs.append(helper.make_tensor_value_info(name, type_, [ROWS, 1]))
        return name

    def output(self, name: str, value: str, columns: int = 1, type_: int = TensorProto.DOUBLE) -> None:
        self.nodes.append(helper.make_node("Identity", [value], [name]))
        self.outputs.append(helper.make_tensor_value_info(name, type_, [ROWS, columns]))

    def choose(self, condition: str, yes: str, no: str) -> str:
        return self.add("Where", condition, yes, no)

    def is_null(self, value: str) -> str:
        return self.add("IsNaN", value)

    def instead_of_null(self, value: str, other: str) -> str:
        return self.choose(self.is_null(value), other, value)

    def plus(self, value: str, number: ArrayLike) -> str:
        return self.add("Add", value, self.constant(number))

    def times(self, value: str, number: ArrayLike) -> str:
        return self.add("Mul", value, self.constant(number))

    def at_least(self, value: str, number: float) -> str:
        return self.add("Max", value, self.constant(number))

    def at_most(self, value: str, number: float) -> str:
        return self.add("Min", value, self.constant(number))

    def negative(self, value: str) -> str:
        return self.add("Neg", value)

    def take(self, value: str, columns: ArrayLike) -> str:
        """Some columns of a value."""
        return self.add("Gather", value, self.constant(columns, np.int64), axis=1)

    def side_by_side(self, values: list[str]) -> str:
        return values[0] if len(values) == 1 else self.add("Concat", *values, axis=1)

    def as_double(self, value: str) -> str:
        return self.add("Cast", value, to=TensorProto.DOUBLE)

    def in_single_precision(self, value: str) -> str:
        """Doubles with the value of the nearest single."""
        return self.as_double(self.add("Cast", value, to=TensorProto.FLOAT))

    def without_infinity(self, value: str) -> str:
        """Null where infinite."""
        return self.add("Add", value, self.add("Sub", value, value))

    def piecewise(self, value: str, x: ArrayLike, y: ArrayLike, slope: float = 0.0) -> str:
        """The line through the knots (x, y), with ``slope`` outside of them; x rises."""
        x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
        beyond = self.add("Sub", value, self.add("Clip", value, self.constant(x[0]), self.constant(x[-1])))
        total = self.plus(self.times(beyond, slope), y[0])
        if len(x) == 1:
            return total
        into = self.add(
            "Min", self.add("Max", self.plus(value, -x[:-1]), self.constant(0.0)), self.constant(np.diff(x))
        )
        slopes = self.constant((np.diff(y) / np.diff(x))[:, None])
        return self.add("Add", total, self.add("MatMul", into, slopes))

    def model(self) -> Any:
        """The checked ONNX model."""
        graph = helper.make_graph(self.nodes, "tidemark", self.inputs, self.outputs, self.constants)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
        model = helper.make_model(
            graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="tidemark"
        )
        onnx.checker.check_model(model, full_check=True)
        return model

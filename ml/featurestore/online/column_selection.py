"""A column of a view's files as the online store keeps it: as declared, wherever that changes no value.

What it would change is refused in a sentence, when DuckDB reads the first such value. A column that has none,
as pandas writes one of nulls alone, may be declared as anything.
"""

from dataclasses import dataclass

from feast import FeatureView, ValueType

from ml.common.sql import literal
from ml.featurestore.feast_types import base_type, carried
from ml.featurestore.online.value_kinds import NO_INSTANT, Kind, key_kinds, kinds

# Bits of the largest value; a sign takes none of them.
WHOLE = {
    "TINYINT": 7,
    "SMALLINT": 15,
    "INTEGER": 31,
    "BIGINT": 63,
    "UTINYINT": 8,
    "USMALLINT": 16,
    "UINTEGER": 32,
    "UBIGINT": 64,
    "HUGEINT": 127,
    "UHUGEINT": 128,
}
BROKEN = ("FLOAT", "DOUBLE", "DECIMAL")
NUMBERS = (*WHOLE, *BROKEN)
TEXTS = ("VARCHAR", "JSON", "UUID", "ENUM")
INT_TYPES = {ValueType.INT32: ("integer", 31), ValueType.INT64: ("bigint", 63)}
# Of an element of a list.
LISTED = {
    "INT32_LIST": (tuple(WHOLE), "integer[]"),
    "INT64_LIST": (tuple(WHOLE), "bigint[]"),
    "FLOAT_LIST": (NUMBERS, "float[]"),
    "DOUBLE_LIST": (NUMBERS, "double[]"),
    "STRING_LIST": (TEXTS, "varchar[]"),
    "BOOL_LIST": (("BOOLEAN",), "boolean[]"),
    "BYTES_LIST": (("BLOB",), "blob[]"),
    "UNIX_TIMESTAMP_LIST": (("TIMESTAMP", "DATE"), "timestamp[]"),
}
FITTING = {"BOOLEAN": "Bool", "BLOB": "Bytes", "TIMESTAMP": "UnixTimestamp", "DATE": "UnixTimestamp"}


@dataclass(frozen=True)
class Declared:
    """What a view says of one of its columns.

    Parameters
    ----------
    view, name : str
    type : str
        What Feast calls the type.
    kind : Kind
    is_key : bool
        Whether it says whose a row is; whole numbers may then be declared as text.
    """

    view: str
    name: str
    type: str
    kind: Kind
    is_key: bool = False

    def sql(self, column: str, sql_type: str) -> str:
        """The SQL for a column of the files in the form the store keeps it in.

        What the store keeps as a message stays as it is.
        """
        base, type_ = family(sql_type), self.kind.type
        if type_ is ValueType.STRING and (base in (*TEXTS, "TIMESTAMP", "DATE")):
            return carried(column, sql_type)
        if type_ is ValueType.STRING and self.is_key and base in WHOLE:
            return f"{column}::varchar"
        if type_ in INT_TYPES and base in NUMBERS:
            return self._whole(column, sql_type)
        if type_ is ValueType.DOUBLE and base in NUMBERS:
            return f"{column}::double"
        if type_ is ValueType.FLOAT and base in NUMBERS:
            kept = f"try_cast({column} as float)"
            return self._checked(column, sql_type, kept, "beyond 32 bits")
        if type_ is ValueType.UNIX_TIMESTAMP and base in ("TIMESTAMP", "DATE", *WHOLE):
            is_time = base not in WHOLE
            seconds = f"epoch(date_trunc('second', {column}::timestamp))" if is_time else column
            return f"coalesce({seconds}::bigint, {NO_INSTANT})"
        if (type_, base) in ((ValueType.BOOL, "BOOLEAN"), (ValueType.BYTES, "BLOB")):
            return column
        if self.kind.field is None and type_ is not ValueType.BYTES:
            return self._message(column, sql_type)
        return self._checked(column, sql_type, "null")

    def refusal(self, sql_type: str, why: str = "") -> str:
        """The sentence that says why the view cannot be put online."""
        fitting = fitting_type(sql_type)
        remedy = f"declare it as {fitting}, or " if fitting and fitting != self.type else ""
        return (
            f"{self.view}: {self.name} is declared as {self.type}, but its column in the files is {sql_type}"
            f"{why and f' with values {why}'}: {remedy}convert the files"
        )

    def _whole(self, column: str, sql_type: str) -> str:
        """Any whole number that fits, also where a null made pandas write fractions."""
        target, bits = INT_TYPES[self.kind.type]
        if WHOLE.get(base_type(sql_type), bits + 1) <= bits:
            return f"{column}::{target}"
        kept = f"if(trunc({column}) = {column}, try_cast({column} as {target}), null)"
        return self._checked(column, sql_type, kept, f"that are no whole numbers of {bits + 1} bits")

    def _message(self, column: str, sql_type: str) -> str:
        """Lists by their elements; what else has a type in Feast is left to its own conversion."""
        name = self.kind.type.name.replace("_SET", "_LIST")
        if name not in LISTED:
            return column
        allowed, target = LISTED[name]
        if not sql_type.endswith("]") or family(sql_type[: sql_type.rindex("[")]) not in allowed:
            return self._checked(column, sql_type, "null")
        # Feast makes 0 or the empty text of a null in a list.
        kept = f"try_cast({column} as {target})"
        why = "that have a null in them, or a number that does not fit"
        return self._checked(column, sql_type, f"if(list_count({kept}) = len({column}), {kept}, null)", why)

    def _checked(self, column: str, sql_type: str, kept: str, why: str = "") -> str:
        """What is kept, or the refusal where nothing is kept of a value."""
        refusal = literal(self.refusal(sql_type, why))
        return f"case when {column} is null or ({kept}) is not null then {kept} else error({refusal}) end"


def declared_keys(view: FeatureView) -> dict[str, Declared]:
    """Join key -> what the view says of it."""
    types = {column.name: str(column.dtype) for column in view.entity_columns}
    return {
        key: Declared(view.name, key, types.get(key, "nothing"), kind, is_key=True)
        for key, kind in key_kinds(view).items()
    }


def declared_features(view: FeatureView) -> dict[str, Declared]:
    """Feature -> what the view says of it."""
    types = {field.name: str(field.dtype) for field in view.features}
    return {name: Declared(view.name, name, types[name], kind) for name, kind in kinds(view).items()}


def family(sql_type: str) -> str:
    """``TIMESTAMP_NS`` and the like -> ``TIMESTAMP``, ``DECIMAL(38,4)`` -> ``DECIMAL``; lists stay lists."""
    if sql_type.endswith("]"):
        return sql_type
    base = base_type(sql_type)
    return "TIMESTAMP" if base.startswith("TIMESTAMP") else base


def fitting_type(sql_type: str) -> str | None:
    """What Feast calls the type that takes every value of a column; None where there is no simple one."""
    if sql_type.endswith("]"):
        element = fitting_type(sql_type[: sql_type.rindex("[")])
        return element and f"Array({element})"
    base = family(sql_type)
    if base in WHOLE:
        return "Int64" if WHOLE[base] <= INT_TYPES[ValueType.INT64][1] else "Float64"
    if base in NUMBERS:
        return "Float64"
    return "String" if base in TEXTS else FITTING.get(base)

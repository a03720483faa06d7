"""The SQL that casts a column of a view's files to its declared type, wherever that changes no value.

A value that the cast would change is refused in a sentence, when DuckDB reads it. A column of nulls alone may
have any declared type.
"""

from dataclasses import dataclass

from feast import FeatureView, ValueType

from ml.common.sql import literal
from ml.featurestore.feast_types import base_type, feast_sql
from ml.featurestore.online.value_kinds import NO_INSTANT, Kind, key_kinds, kinds

# Bits of the largest value, without the sign.
INTEGER_BITS = {
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
FRACTIONAL = ("FLOAT", "DOUBLE", "DECIMAL")
NUMBERS = (*INTEGER_BITS, *FRACTIONAL)
TEXT_TYPES = ("VARCHAR", "JSON", "UUID", "ENUM")
INT_TYPES = {ValueType.INT32: ("integer", 31), ValueType.INT64: ("bigint", 63)}
# Feast's type -> the SQL types of list elements that it takes, and the SQL type of the list.
LIST_TYPES = {
    "INT32_LIST": (tuple(INTEGER_BITS), "integer[]"),
    "INT64_LIST": (tuple(INTEGER_BITS), "bigint[]"),
    "FLOAT_LIST": (NUMBERS, "float[]"),
    "DOUBLE_LIST": (NUMBERS, "double[]"),
    "STRING_LIST": (TEXT_TYPES, "varchar[]"),
    "BOOL_LIST": (("BOOLEAN",), "boolean[]"),
    "BYTES_LIST": (("BLOB",), "blob[]"),
    "UNIX_TIMESTAMP_LIST": (("TIMESTAMP", "DATE"), "timestamp[]"),
}
FEAST_TYPE_OF = {"BOOLEAN": "Bool", "BLOB": "Bytes", "TIMESTAMP": "UnixTimestamp", "DATE": "UnixTimestamp"}


@dataclass(frozen=True)
class DeclaredColumn:
    """One column as its view declares it.

    Parameters
    ----------
    view, name : str
    type : str
        Feast's name of the type.
    kind : Kind
    is_key : bool
        Whether it is a join key; whole numbers may then be declared as text.
    """

    view: str
    name: str
    type: str
    kind: Kind
    is_key: bool = False

    def sql(self, column: str, sql_type: str) -> str:
        """The SQL for a column of the files in the form that the store writes.

        A column that the store writes as messages stays unchanged.
        """
        base, type_ = type_family(sql_type), self.kind.type
        if type_ is ValueType.STRING and (base in (*TEXT_TYPES, "TIMESTAMP", "DATE")):
            return feast_sql(column, sql_type)
        if type_ is ValueType.STRING and self.is_key and base in INTEGER_BITS:
            return f"{column}::varchar"
        if type_ in INT_TYPES and base in NUMBERS:
            return self._integer(column, sql_type)
        if type_ is ValueType.DOUBLE and base in NUMBERS:
            return f"{column}::double"
        if type_ is ValueType.FLOAT and base in NUMBERS:
            value = f"try_cast({column} as float)"
            return self._checked(column, sql_type, value, "beyond 32 bits")
        if type_ is ValueType.UNIX_TIMESTAMP and base in ("TIMESTAMP", "DATE", *INTEGER_BITS):
            is_time = base not in INTEGER_BITS
            seconds = f"epoch(date_trunc('second', {column}::timestamp))" if is_time else column
            return f"coalesce({seconds}::bigint, {NO_INSTANT})"
        if (type_, base) in ((ValueType.BOOL, "BOOLEAN"), (ValueType.BYTES, "BLOB")):
            return column
        if self.kind.field is None and type_ is not ValueType.BYTES:
            return self._message(column, sql_type)
        return self._checked(column, sql_type, "null")

    def refusal(self, sql_type: str, why: str = "") -> str:
        """The message that says why the view cannot be put online."""
        suitable_type = suitable_feast_type(sql_type)
        remedy = f"declare it as {suitable_type}, or " if suitable_type and suitable_type != self.type else ""
        return (
            f"{self.view}: {self.name} is declared as {self.type}, but its column in the files is {sql_type}"
            f"{why and f' with values {why}'}: {remedy}convert the files"
        )

    def _integer(self, column: str, sql_type: str) -> str:
        """A whole number that fits, also one that pandas wrote as a float because of a null."""
        target, bits = INT_TYPES[self.kind.type]
        if INTEGER_BITS.get(base_type(sql_type), bits + 1) <= bits:
            return f"{column}::{target}"
        value = f"if(trunc({column}) = {column}, try_cast({column} as {target}), null)"
        return self._checked(column, sql_type, value, f"that are no whole numbers of {bits + 1} bits")

    def _message(self, column: str, sql_type: str) -> str:
        """Lists by their elements; Feast converts all other types."""
        name = self.kind.type.name.replace("_SET", "_LIST")
        if name not in LIST_TYPES:
            return column
        allowed, target = LIST_TYPES[name]
        if not sql_type.endswith("]") or type_family(sql_type[: sql_type.rindex("[")]) not in allowed:
            return self._checked(column, sql_type, "null")
        # Feast turns a null in a list into 0 or the empty text.
        value = f"try_cast({column} as {target})"
        why = "that have a null in them, or a number that does not fit"
        return self._checked(column, sql_type, f"if(list_count({value}) = len({column}), {value}, null)", why)

    def _checked(self, column: str, sql_type: str, value: str, why: str = "") -> str:
        """The cast value, or the refusal if a value cannot be cast."""
        refusal = literal(self.refusal(sql_type, why))
        return f"case when {column} is null or ({value}) is not null then {value} else error({refusal}) end"


def declared_keys(view: FeatureView) -> dict[str, DeclaredColumn]:
    """Join key -> its declaration."""
    types = {column.name: str(column.dtype) for column in view.entity_columns}
    return {
        key: DeclaredColumn(view.name, key, types.get(key, "nothing"), kind, is_key=True)
        for key, kind in key_kinds(view).items()
    }


def declared_features(view: FeatureView) -> dict[str, DeclaredColumn]:
    """Feature -> its declaration."""
    types = {field.name: str(field.dtype) for field in view.features}
    return {name: DeclaredColumn(view.name, name, types[name], kind) for name, kind in kinds(view).items()}


def type_family(sql_type: str) -> str:
    """``TIMESTAMP_NS`` and the like -> ``TIMESTAMP``, ``DECIMAL(38,4)`` -> ``DECIMAL``; lists stay lists."""
    if sql_type.endswith("]"):
        return sql_type
    base = base_type(sql_type)
    return "TIMESTAMP" if base.startswith("TIMESTAMP") else base


def suitable_feast_type(sql_type: str) -> str | None:
    """Feast's name of the type that fits every value of a column; None if there is no simple one."""
    if sql_type.endswith("]"):
        element = suitable_feast_type(sql_type[: sql_type.rindex("[")])
        return element and f"Array({element})"
    base = type_family(sql_type)
    if base in INTEGER_BITS:
        return "Int64" if INTEGER_BITS[base] <= INT_TYPES[ValueType.INT64][1] else "Float64"
    if base in NUMBERS:
        return "Float64"
    return "String" if base in TEXT_TYPES else FEAST_TYPE_OF.get(base)

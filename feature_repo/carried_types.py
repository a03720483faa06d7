"""In which of Feast's types each SQL type travels, offline and online alike.

Feast keeps an instant as whole seconds, so instants and dates travel as ISO 8601 text:
'2024-03-01T10:11:12.123456' (UTC, without a zone) and '2024-03-01'. DECIMAL travels as Float64.
"""

from typing import Any

CARRIED = {
    "BIGINT": "Int64",
    "INTEGER": "Int64",
    "SMALLINT": "Int64",
    "TINYINT": "Int64",
    "DECIMAL": "Float64",
    "DOUBLE": "Float64",
    "FLOAT": "Float64",
    "BOOLEAN": "Bool",
    "VARCHAR": "String",
    "TIMESTAMP": "String",
    "DATE": "String",
}
INSTANTS = ("TIMESTAMP", "DATE")
AS_TEXT = {"TIMESTAMP": "%Y-%m-%dT%H:%M:%S.%f", "DATE": "%Y-%m-%d"}


def base_type(sql_type: str) -> str:
    """``DECIMAL(38,4)`` -> ``DECIMAL``."""
    return sql_type.split("(")[0].strip().upper()


def feast_type_name(sql_type: str) -> str:
    """The name of the Feast type that carries ``sql_type``.

    Raises
    ------
    TypeError
        None does without changing values.
    """
    try:
        return CARRIED[base_type(sql_type)]
    except KeyError as error:
        raise TypeError(
            f"a feature cannot be of SQL type {sql_type}: use one of {', '.join(CARRIED)}"
        ) from error


def feast_type(sql_type: str) -> Any:
    """The Feast type that carries ``sql_type``."""
    from feast import types

    return getattr(types, feast_type_name(sql_type))


def is_instant(sql_type: str) -> bool:
    """Whether values are instants or dates, carried as text."""
    return base_type(sql_type) in INSTANTS


def carried(column: str, kind: str) -> str:
    """The SQL for a column in the type Feast carries it in."""
    base = kind.split("(")[0]
    if base == "DECIMAL":
        return f"{column}::double"
    return f"strftime({column}, '{AS_TEXT[base]}')" if base in AS_TEXT else column

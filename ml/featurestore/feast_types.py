"""The Feast type of each SQL type, offline and online alike.

Feast keeps an instant as whole seconds, so instants and dates travel as ISO 8601 text:
'2024-03-01T10:11:12.123456' (UTC, without a zone) and '2024-03-01'. DECIMAL travels as Float64.
"""

from typing import Any

FEAST_TYPES = {
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
INSTANT_FORMAT, DATE_FORMAT = "%Y-%m-%dT%H:%M:%S.%f", "%Y-%m-%d"
TEXT_LIKE = ("UUID", "ENUM")


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
        return FEAST_TYPES[base_type(sql_type)]
    except KeyError as error:
        raise TypeError(
            f"a feature cannot be of SQL type {sql_type}: use one of {', '.join(FEAST_TYPES)}"
        ) from error


def feast_type(sql_type: str) -> Any:
    """The Feast type that carries ``sql_type``."""
    from feast import types

    return getattr(types, feast_type_name(sql_type))


def is_instant(sql_type: str) -> bool:
    """Whether values are instants or dates, carried as text."""
    return base_type(sql_type) in INSTANTS


def feast_sql(column: str, sql_type: str) -> str:
    """The SQL for a column in its Feast type; the session's time zone has to be UTC."""
    base = base_type(sql_type)
    if base.startswith("TIMESTAMP"):
        return f"strftime({column}::timestamp, '{INSTANT_FORMAT}')"
    if base == "DATE":
        return f"strftime({column}, '{DATE_FORMAT}')"
    if base == "DECIMAL":
        return f"{column}::double"
    return f"{column}::varchar" if base in TEXT_LIKE else column

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
TEXT_OF_INSTANT, TEXT_OF_DATE = "%Y-%m-%dT%H:%M:%S.%f", "%Y-%m-%d"
TEXT_OF_ITS_OWN = ("UUID", "ENUM")


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


def carried(column: str, sql_type: str) -> str:
    """The SQL for a column in the type Feast carries it in; the session's time zone has to be UTC."""
    base = base_type(sql_type)
    if base.startswith("TIMESTAMP"):
        return f"strftime({column}::timestamp, '{TEXT_OF_INSTANT}')"
    if base == "DATE":
        return f"strftime({column}, '{TEXT_OF_DATE}')"
    if base == "DECIMAL":
        return f"{column}::double"
    return f"{column}::varchar" if base in TEXT_OF_ITS_OWN else column

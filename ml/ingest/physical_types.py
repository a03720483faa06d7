"""Physical types of a source: text under any name, whole numbers in floats and decimals."""

FLOATS = ("FLOAT", "DOUBLE")
INTEGERS = (
    *("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"),
    *("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"),
)
# Bytes that are not marked as text; older Hive, Impala and Spark write text so.
BYTES = "BLOB"
# Instants in UTC by the convention of Spark and Hive, which write them; the file does not say so.
INT96 = "INT96"
# Whole numbers up to here are exact in a DOUBLE.
EXACT_IN_DOUBLE = 2**53


def is_number(sql_type: str) -> bool:
    """Whether values of ``sql_type`` are numbers."""
    return sql_type in (*FLOATS, *INTEGERS) or sql_type.startswith("DECIMAL")


def is_text(sql_type: str) -> bool:
    """Whether values of ``sql_type`` are, or may be, text."""
    return sql_type in ("VARCHAR", "JSON", BYTES) or sql_type.startswith("ENUM")


def text_of(column: str, sql_type: str) -> str:
    """The SQL for a value as text; null if bytes are no UTF-8."""
    if sql_type == BYTES:
        return f"try(decode({column}))"
    if sql_type == "JSON":
        return f"({column} ->> '$')"
    return number_as_text(column, sql_type) if is_number(sql_type) else f"{column}::varchar"


def display_text(column: str, sql_type: str) -> str:
    """The SQL for any value as text; bytes that are no UTF-8 are escaped."""
    plain = f"{column}::varchar"
    return f"coalesce({text_of(column, sql_type)}, {plain})" if is_text(sql_type) else plain


def number_as_text(column: str, sql_type: str) -> str:
    """The SQL for a number as text: a whole one without the fraction of a float or decimal."""
    if sql_type in FLOATS:
        whole = f"{column} = trunc({column}) and abs({column}) < {EXACT_IN_DOUBLE}"
        return f"case when {whole} then {column}::bigint::varchar else {column}::varchar end"
    if sql_type.startswith("DECIMAL"):
        text = f"{column}::varchar"
        return f"case when contains({text}, '.') then rtrim(rtrim({text}, '0'), '.') else {text} end"
    return f"{column}::varchar"

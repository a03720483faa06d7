"""SQL that reads one raw value, of whatever type the source gives it, as what the contract says it is.

Every expression is null where the value cannot be read so; none of them raises.
"""

from collections.abc import Callable

from ml.ingest.contract import SCORE_RANGE, Kind

FLOATS = ("FLOAT", "DOUBLE")
NUMBERS = (
    *FLOATS,
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "HUGEINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
)
NAIVE_INSTANTS = ("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "DATE")
ZONED_INSTANT = "TIMESTAMP WITH TIME ZONE"
TRUE, FALSE = ("true", "t", "yes", "y", "1", "1.0"), ("false", "f", "no", "n", "0", "0.0")
FIRST_DAY, LAST_DAY = "date '0001-01-01'", "date '9999-12-31'"
EXACT_IN_DOUBLE = 2**53


def is_number(sql_type: str) -> bool:
    """Whether values of ``sql_type`` are numbers."""
    return sql_type in NUMBERS or sql_type.startswith("DECIMAL")


def present(column: str, sql_type: str) -> str:
    """The raw value itself; null where it is empty or blank text."""
    if sql_type == "VARCHAR":
        return f"case when trim({column}) <> '' then {column} end"
    return column


def as_text(value: str, sql_type: str, zone: str) -> str:
    """Text as it stands; a number that went through a float loses its ``.0`` again."""
    if sql_type in FLOATS:
        whole = f"{value} = trunc({value}) and abs({value}) < {EXACT_IN_DOUBLE}"
        return f"case when {whole} then {value}::bigint::varchar else {value}::varchar end"
    return value if sql_type == "VARCHAR" else f"{value}::varchar"


def as_instant(value: str, sql_type: str, zone: str) -> str:
    """A naive UTC instant; what has no zone is in ``zone``."""
    sane = in_range(value, sql_type)
    if sql_type in NAIVE_INSTANTS:
        return to_utc(f"({sane})::timestamp", zone)
    if sql_type == ZONED_INSTANT:
        return f"timezone('UTC', {sane})"
    return in_range(instant_of_text(f"trim({value}::varchar)", zone), "TIMESTAMP")


def instant_of_text(text: str, zone: str) -> str:
    """The instant ``text`` says.

    Only text that names a zone is read as a zoned instant: DuckDB takes the zone of one value for the next
    that has none. And a cast to a naive instant drops an offset, so it is for text without a zone alone.
    """
    names_zone = f"regexp_matches(substr({text}, 12), '[A-Za-z+-]')"
    zoned = f"coalesce({zoned_instant(text)}, {zoned_instant(with_seconds(text))})"
    return f"case when {names_zone} then {zoned} else {to_utc(f'try_cast({text} as timestamp)', zone)} end"


def zoned_instant(text: str) -> str:
    """Text with a zone, in UTC."""
    return f"timezone('UTC', try_cast({text} as timestamptz))"


def with_seconds(text: str) -> str:
    """``2024-03-01T12:00Z``, which DuckDB does not read, with its seconds."""
    return f"regexp_replace({text}, '^(\\d{{4}}-\\d\\d-\\d\\d[T ]\\d\\d:\\d\\d)([^:\\d].*)$', '\\1:00\\2')"


def to_utc(naive: str, zone: str) -> str:
    """A naive instant of ``zone`` in UTC."""
    return naive if zone == "UTC" else f"timezone('UTC', timezone('{zone}', {naive}))"


def in_range(instant: str, sql_type: str) -> str:
    """Null for infinity and for years no calendar in use has; nanoseconds become microseconds."""
    if sql_type == "TIMESTAMP_NS":
        return in_range(f"{instant}::timestamp", "TIMESTAMP")
    return (
        f"case when {instant} between {FIRST_DAY}::{sql_type} and {LAST_DAY}::{sql_type} then {instant} end"
    )


def as_date(value: str, sql_type: str, zone: str) -> str:
    """A calendar day; the time of day of an instant is dropped."""
    if sql_type in (*NAIVE_INSTANTS, ZONED_INSTANT):
        return f"({in_range(value, sql_type)})::date"
    text = f"trim({value}::varchar)"
    return in_range(f"try_cast({text} as date)", "DATE")


def as_amount(value: str, sql_type: str, zone: str) -> str:
    """A number with four decimals, rounded; null where it does not fit."""
    number = value if is_number(sql_type) else f"{value}::varchar"
    return f"try_cast({number} as {Kind.AMOUNT.sql_type})"


def as_whole(value: str, sql_type: str, zone: str) -> str:
    """A whole number, also one written 4.0."""
    number = value if is_number(sql_type) else f"{value}::varchar"
    exact = f"try_cast({number} as decimal(38, 10))"
    return f"case when {exact} = trunc({exact}) then try_cast({exact} as bigint) end"


def as_score(value: str, sql_type: str, zone: str) -> str:
    """A whole number in the range of scores."""
    whole = as_whole(value, sql_type, zone)
    low, high = SCORE_RANGE
    return f"case when {whole} between {low} and {high} then {whole} end"


def as_flag(value: str, sql_type: str, zone: str) -> str:
    """True or false, in the usual spellings."""
    text = f"lower(trim({value}::varchar))"
    return f"case when {text} in {TRUE} then true when {text} in {FALSE} then false end"


READERS: dict[Kind, Callable[[str, str, str], str]] = {
    Kind.TEXT: as_text,
    Kind.INSTANT: as_instant,
    Kind.DATE: as_date,
    Kind.AMOUNT: as_amount,
    Kind.WHOLE: as_whole,
    Kind.SCORE: as_score,
    Kind.FLAG: as_flag,
}


def read_as(kind: Kind, value: str, sql_type: str, zone: str) -> str:
    """The expression that reads ``value``, of ``sql_type`` in the source, as ``kind``."""
    return f"({READERS[kind](value, sql_type, zone)})::{kind.sql_type}"

"""SQL that casts one raw value, of any source type, to the type of the contract.

Every expression is null if the value cannot be cast; none raises an error.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta

from ml.common.instant_grammar import FIRST_YEAR, LAST_YEAR, instant_of_text, parse_offset
from ml.common.sql import literal
from ml.ingest.contract import Column, Kind
from ml.ingest.missing_values import is_missing
from ml.ingest.physical_types import FLOATS, INT96, is_number, is_text, text_of
from ml.ingest.value_formats import ValueFormats, has_stated_numbers, parsed, stated_number

NAIVE_INSTANTS = ("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "DATE")
ZONED_INSTANT = "TIMESTAMP WITH TIME ZONE"
TRUE, FALSE = ("true", "t", "yes", "y", "on", "1", "1.0"), ("false", "f", "no", "n", "off", "0", "0.0")
FIRST_DAY, LAST_DAY = f"date '{FIRST_YEAR}-01-01'", f"date '{LAST_YEAR}-12-31'"
# Beyond 15 digits a whole number is a placeholder, or an identifier in the wrong column.
WHOLE_LIMIT = 10**15
NUMBER = r"^[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"


def not_missing(column: str, sql_type: str, kind: Kind, formats: ValueFormats) -> str:
    """The raw value; null if it is blank, a marker of a missing value, or a float's NaN."""
    if is_text(sql_type):
        missing = is_missing(text_of(column, sql_type), kind, formats.missing)
        return f"case when not coalesce({missing}, false) then {column} end"
    if sql_type in FLOATS:
        return f"case when not isnan({column}) then {column} end"
    return column


def as_text(value: str, sql_type: str, formats: ValueFormats) -> str:
    """Text unchanged; a whole number without the fraction of its type."""
    return text_of(value, sql_type)


def as_instant(value: str, sql_type: str, formats: ValueFormats) -> str:
    """A naive UTC instant; a value without a zone is in that of ``formats``."""
    zone = formats.zone
    sane = in_range(value, sql_type)
    if sql_type in NAIVE_INSTANTS:
        return to_utc(f"({sane})::timestamp", zone)
    if sql_type == ZONED_INSTANT:
        return f"timezone('UTC', {sane})"
    if sql_type == INT96:
        return in_range(value, "TIMESTAMP")
    text, in_utc = text_of(value, sql_type), to_utc("{naive}", zone)
    return first_of([*stated_instants(text, formats, in_utc), instant_of_text(text, in_utc)])


def stated_instants(text: str, formats: ValueFormats, in_utc: str) -> list[str]:
    """A text by each stated format; ``in_utc`` turns ``{naive}``, an instant without a zone, into UTC."""
    instants = [
        (written, in_range(parsed(f"trim({text})", written), "TIMESTAMP")) for written in formats.dates
    ]
    return [sane if "%z" in written else in_utc.format(naive=sane) for written, sane in instants]


def first_of(values: Sequence[str]) -> str:
    """The first value that is not null."""
    return f"coalesce({', '.join(values)})" if len(values) > 1 else values[0]


def to_utc(naive: str, zone: str) -> str:
    """A naive instant of ``zone`` in UTC."""
    offset = parse_offset(zone)
    if offset is not None:
        return f"({naive} - to_minutes({offset // timedelta(minutes=1)}))"
    return naive if zone == "UTC" else f"timezone('UTC', timezone({literal(zone)}, {naive}))"


def from_utc(naive: str, zone: str) -> str:
    """A naive UTC instant in the local time of ``zone``."""
    offset = parse_offset(zone)
    if offset is not None:
        return f"({naive} + to_minutes({offset // timedelta(minutes=1)}))"
    return naive if zone == "UTC" else f"timezone({literal(zone)}, timezone('UTC', {naive}))"


def in_range(instant: str, sql_type: str) -> str:
    """Null for infinity and for years outside the grammar's; nanoseconds become microseconds."""
    if sql_type == "TIMESTAMP_NS":
        return in_range(f"{instant}::timestamp", "TIMESTAMP")
    end = f"({LAST_DAY} + 1)::{sql_type}"
    return f"case when {instant} >= {FIRST_DAY}::{sql_type} and {instant} < {end} then {instant} end"


def as_date(value: str, sql_type: str, formats: ValueFormats) -> str:
    """A calendar day as written, without the time of day and the offset of an instant."""
    if sql_type in NAIVE_INSTANTS:
        return f"({in_range(value, sql_type)})::date"
    if sql_type in (ZONED_INSTANT, INT96):
        return f"({from_utc(as_instant(value, sql_type, formats), formats.zone)})::date"
    text = text_of(value, sql_type)
    instant, local_date = f"({instant_of_text(text)})", f"try_cast(left(trim({text}), 10) as date)"
    by_grammar = f"case when {instant} is not null then coalesce({local_date}, {instant}::date) end"
    stated = [f"({sane})::date" for sane in stated_instants(text, formats, "{naive}")]
    return first_of([*stated, by_grammar])


def as_amount(value: str, sql_type: str, formats: ValueFormats) -> str:
    """A number rounded to four decimals; null if it does not fit."""
    return f"try_cast({number_of(value, sql_type, formats, True)} as {Kind.AMOUNT.sql_type})"


def number_of(value: str, sql_type: str, formats: ValueFormats, is_amount: bool) -> str:
    """A number, or text that is one; a plain cast of DuckDB would accept 1_000 and true as well."""
    if is_number(sql_type):
        return value
    text = f"trim({text_of(value, sql_type)})"
    if has_stated_numbers(formats):
        return stated_number(text, formats, is_amount)
    return f"case when regexp_matches({text}, {literal(NUMBER)}) then {text} end"


def as_whole(value: str, sql_type: str, formats: ValueFormats) -> str:
    """A whole number, also one written 4.0; a BIGINT, the type of its totals, holds thousands of them."""
    exact = f"try_cast({number_of(value, sql_type, formats, False)} as decimal(38, 10))"
    fits = f"abs({exact}) < {WHOLE_LIMIT}"
    return f"case when {exact} = trunc({exact}) and {fits} then try_cast({exact} as bigint) end"


def as_flag(value: str, sql_type: str, formats: ValueFormats) -> str:
    """True or false, in the usual spellings."""
    text = f"lower(trim({text_of(value, sql_type)}))"
    return f"case when {text} in {TRUE} then true when {text} in {FALSE} then false end"


CASTS: dict[Kind, Callable[[str, str, ValueFormats], str]] = {
    Kind.TEXT: as_text,
    Kind.INSTANT: as_instant,
    Kind.DATE: as_date,
    Kind.AMOUNT: as_amount,
    Kind.WHOLE: as_whole,
    Kind.FLAG: as_flag,
}


def cast_sql(column: Column, value: str, sql_type: str, formats: ValueFormats) -> str:
    """The expression that casts ``value``, of ``sql_type`` in the source, to the type of ``column``."""
    value_sql = f"({CASTS[column.kind](value, sql_type, formats)})::{column.kind.sql_type}"
    if column.range is None:
        return value_sql
    low, high = column.range
    return f"case when {value_sql} between {low:.15g} and {high:.15g} then {value_sql} end"

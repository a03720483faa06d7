"""Which customers, in which order: the fields of a form in, SQL over the file of scores out.

Every choice is one of a fixed list, every text is bound as a parameter.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any
from urllib.parse import urlencode

from ml.config.problem import RISK_BANDS, Costs
from ml.decision.contact_profit import gain, loss
from ml.serve.http_errors import HttpError
from ml.serve.scored_file import COLUMNS, Scored, ScoredFile, scored_of

RISK, SAFE, KEY, KEY_DOWN = "risk", "safe", "key", "key-down"
ORDERS = {
    RISK: "prediction desc, customer_id",
    SAFE: "prediction, customer_id",
    KEY: "customer_id",
    KEY_DOWN: "customer_id desc",
}
BANDS = RISK_BANDS[::-1]
FLAGS = {"yes": "decision = 1", "no": "decision = 0"}
POPULATIONS = {"in": "is_eligible = 1", "outside": "is_eligible = 0", "all": "true"}
ROWS = (25, 50, 100, 200)
WHOLE_MAX = 10**9


@dataclass(frozen=True)
class Selection:
    """What the form says.

    Parameters
    ----------
    search : str
        A part of the customer's key.
    band, flagged : str
        Empty for any.
    population : str
        in, outside or all.
    sort : str
        One of ``ORDERS``.
    rows, page : int
        Customers a page; the page, from 1.
    call : int, optional
        How many customers can be contacted; None for as many as the problem says.
    only_calls : bool
        Whether only these are wanted.
    """

    search: str = ""
    band: str = ""
    flagged: str = ""
    population: str = "in"
    sort: str = RISK
    rows: int = 50
    page: int = 1
    call: int | None = None
    only_calls: bool = False

    @property
    def offset(self) -> int:
        """Customers on the pages before."""
        return (self.page - 1) * self.rows

    def where(self) -> tuple[str, list[Any]]:
        """The condition and its values."""
        conditions, values = [POPULATIONS[self.population]], list[Any]()
        if self.search:
            conditions.append("instr(lower(customer_id), lower(?)) > 0")
            values.append(self.search)
        if self.band:
            conditions.append("band = ?")
            values.append(self.band)
        if self.flagged:
            conditions.append(FLAGS[self.flagged])
        return " and ".join(conditions), values

    def address(self, path: str = "/customers", **changes: Any) -> str:
        """The address of this selection with changes; what is as usual is left out."""
        changed, usual = asdict(replace(self, **changes)), asdict(Selection())
        fields = {name: value for name, value in changed.items() if value != usual[name]}
        if "only_calls" in fields:
            fields["only_calls"] = "yes"
        return path + (f"?{urlencode(fields)}" if fields else "")


@dataclass(frozen=True)
class Totals:
    """Number of customers and sum of their predictions."""

    customers: int
    predictions: float


@dataclass(frozen=True)
class Line:
    """The first customers of a selection by risk, up to the capacity.

    Parameters
    ----------
    totals : Totals
        Of these customers.
    last : (float, str)
        Prediction and key of the last of them.
    """

    totals: Totals
    last: tuple[float, str]

    def earned(self, costs: Costs) -> float:
        """What it earns to contact these customers, by the stated costs."""
        leavers = self.totals.predictions
        return gain(costs) * leavers - loss(costs) * (self.totals.customers - leavers)

    def has(self, row: Scored) -> bool:
        """Whether a customer is among them."""
        return (-row.prediction, row.customer_id) <= (-self.last[0], self.last[1])


def read_selection(fields: Mapping[str, str]) -> Selection:
    """The selection of a form's fields; an empty field is left as usual.

    Raises
    ------
    HttpError
        A field has a value that it cannot have.
    """
    return Selection(
        search=searched(fields.get("search", "")),
        band=one_of("band", fields, ("", *BANDS), ""),
        flagged=one_of("flagged", fields, ("", *FLAGS), ""),
        population=one_of("population", fields, tuple(POPULATIONS), "in"),
        sort=one_of("sort", fields, tuple(ORDERS), RISK),
        rows=int(one_of("rows", fields, tuple(map(str, ROWS)), "50")),
        page=whole("page", fields) or 1,
        call=whole("call", fields),
        only_calls=one_of("only_calls", fields, ("", "yes"), "") == "yes",
    )


def searched(text: str) -> str:
    """A text that a database can look for."""
    return text.encode("utf-8", "replace").decode()


def one_of(name: str, fields: Mapping[str, str], values: tuple[str, ...], usual: str) -> str:
    value = fields.get(name, "") or usual
    if value not in values:
        raise HttpError(422, f"{name} is one of {', '.join(value for value in values if value)}")
    return value


def whole(name: str, fields: Mapping[str, str]) -> int | None:
    """A whole number of a field, from 1."""
    text = fields.get(name, "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:11]) <= WHOLE_MAX):
        raise HttpError(422, f"{name} is a whole number from 1 to {WHOLE_MAX:,}")
    return int(text)


def totals_of(scored: ScoredFile, selection: Selection) -> Totals:
    """Number of customers of a selection, and the sum of their predictions."""
    where, values = selection.where()
    ((count, total),) = scored.query(f"select count(*), total(prediction) from scores where {where}", values)
    return Totals(count, total)


def line_of(scored: ScoredFile, selection: Selection, capacity: int) -> Line | None:
    """The line below the first ``capacity`` customers by risk; None where there is nobody above it."""
    where, values = selection.where()
    first = f"select prediction, customer_id from scores where {where} order by {ORDERS[RISK]} limit ?"
    ((count, total),) = scored.query(
        f"select count(*), total(prediction) from ({first})", [*values, capacity]
    )
    if not count:
        return None
    (last,) = scored.query(f"{first} offset ?", [*values, 1, count - 1])
    return Line(Totals(count, total), last)


def page_of(scored: ScoredFile, selection: Selection) -> list[Scored]:
    """The customers of one page; their keys are chosen first, from the index alone."""
    where, values = selection.where()
    order = ORDERS[selection.sort]
    keys = f"select customer_id from scores where {where} order by {order} limit ? offset ?"
    query = f"select {COLUMNS} from scores where customer_id in ({keys}) order by {order}"
    return [scored_of(row) for row in scored.query(query, [*values, selection.rows, selection.offset])]


def all_of(scored: ScoredFile, selection: Selection, most: int | None) -> Iterator[list[Scored]]:
    """All customers of a selection, or the first ``most`` of them, in parts."""
    where, values = selection.where()
    query = f"select {COLUMNS} from scores where {where} order by {ORDERS[selection.sort]} limit ?"
    for rows in scored.stream(query, [*values, -1 if most is None else most]):
        yield [scored_of(row) for row in rows]


def rank_of(scored: ScoredFile, row: Scored) -> int | None:
    """The place of a customer in the population, by risk, from 1; None outside it."""
    if not row.is_eligible:
        return None
    query = """
        select count(*) from scores
        where is_eligible = 1 and (prediction > ? or (prediction = ? and customer_id < ?))
    """
    return int(scored.query(query, [row.prediction, row.prediction, row.customer_id])[0][0]) + 1

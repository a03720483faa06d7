"""The raw tables as the dbt project declares them, in ``models/staging/sources.yml``.

The source ``raw`` comes in, with the columns of each table and the ``meta`` of docs/own-tables.md; the
``Table``s in the order of the file go out, or an error with line and remedy.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from annotated_types import MinLen

from ml.common.paths import ROOT
from ml.common.yaml_settings import Says, is_printable, problem_error, read_settings, read_yaml
from ml.ingest.contract import DELETED, Column, Kind, Merges, Reference, Table

SOURCES = Path("models", "staging", "sources.yml")
SOURCE = "raw"
# Tables that the ingest writes, beside those it reads.
WRITTEN_BY_INGEST = frozenset({"rejected_rows"})
KINDS = {
    "varchar": Kind.TEXT,
    "timestamp": Kind.INSTANT,
    "date": Kind.DATE,
    "decimal(18,4)": Kind.AMOUNT,
    "bigint": Kind.WHOLE,
    "boolean": Kind.FLAG,
}

# What a table of merges has not.
OF_FACTS = (
    "customer_key",
    "occurred_at",
    "ends_at",
    "end_announced_at",
    "period",
    "later_instants",
    "references",
    "fixed",
)

Name = Annotated[str, is_printable, Says("the name of a column")]
Names = Annotated[tuple[str, ...], MinLen(1), Says("a list of one or more columns")]
Pairs = Annotated[dict[str, str], Says("a mapping of columns")]
Range = Annotated[tuple[float, float], Says("a list of the smallest and the largest number")]
Flag = Annotated[bool, Says("true or false")]
Period = Annotated[Literal["day"], Says("day: each row measures one day, named by its first instant")]


@dataclass(frozen=True)
class TableMeta:
    """The keys under ``meta`` of a table."""

    key: Names
    recorded_at: Name
    customer_key: Name | None = None
    occurred_at: Name | None = None
    ends_at: Name | None = None
    end_announced_at: Name | None = None
    period: Period | None = None
    later_instants: Pairs = None  # type: ignore[assignment]
    references: Pairs = None  # type: ignore[assignment]
    fixed: Names = ()
    merges: Pairs = None  # type: ignore[assignment]
    optional: Flag = False


@dataclass(frozen=True)
class ColumnMeta:
    """The keys under ``meta`` of a column."""

    required: Flag = False
    range: Range | None = None
    personal: Flag = False
    counts_from: Names = ()


def raw_tables(project: Path | None = None) -> tuple[Table, ...]:
    """The declared raw tables of a dbt project, this one's by default.

    Raises
    ------
    ProblemError
        A declaration is not usable; the message names file and line.
    """
    file = (project or ROOT / "dbt_project") / SOURCES
    return read_declarations(file, file.stat().st_mtime_ns if file.exists() else 0)


def raw_table(name: str) -> Table:
    """The declared table called ``name``."""
    return next(table for table in raw_tables() if table.name == name)


def tables_of_customers() -> tuple[Table, ...]:
    """The declared tables each of whose rows belongs to one customer: all but that of merges."""
    return tuple(table for table in raw_tables() if not table.merges)


def merges_table() -> Table | None:
    """The table of customers who merged, if there is one."""
    return next((table for table in raw_tables() if table.merges), None)


def parent_of(table: Table) -> Table | None:
    """The table whose rows name the customers of ``table``; None if ``table`` itself does."""
    if table.reference is None or table.customer or table.merges:
        return None
    return raw_table(table.reference.table)


def customers_table() -> Table:
    """The table whose rows describe the customers."""
    return next(table for table in raw_tables() if table.is_of_customers)


@lru_cache(maxsize=4)
def read_declarations(file: Path, _written: int) -> tuple[Table, ...]:
    """The tables declared in ``file``, read once for as long as it stays the same."""
    nodes = [node for node in table_nodes(read_yaml(file)) if name_of(node) not in WRITTEN_BY_INGEST]
    declarations = [Declaration(str(file), node) for node in nodes]
    tables = [declaration.table() for declaration in declarations]
    by_name = {table.name: table for table in tables}
    for declaration, table in zip(declarations, tables, strict=True):
        declaration.check_reference(table, by_name)
    customer_tables = [table for table in tables if table.is_of_customers]
    if len(customer_tables) != 1:
        names = ", ".join(table.name for table in customer_tables) or "none"
        raise problem_error(
            str(file),
            nodes[0] if nodes else yaml.ScalarNode("", ""),
            f"one table describes the customers, and has no references; here it is {names}",
            "add references to the others",
        )
    tables = [with_customers(table, customer_tables[0]) for table in tables]
    for declaration, table in [pair for pair in zip(declarations, tables, strict=True) if pair[1].merges][1:]:
        raise problem_error(
            str(file),
            declaration.node,
            f"{table.name} declares merges, and so does another table",
            "keep one table of merges",
        )
    return tuple(tables)


def with_customers(table: Table, customers: Table) -> Table:
    """A table of merges with the reference that its declaration implies: both customers must be known."""
    return replace(table, reference=Reference(customers.key[0], customers.name)) if table.merges else table


def table_nodes(root: yaml.Node | None) -> list[yaml.Node]:
    """The nodes of the tables of the source ``raw``."""
    for source in items(child(root, "sources")):
        if name_of(source) == SOURCE:
            return items(child(source, "tables"))
    return []


def child(node: yaml.Node | None, key: str) -> yaml.Node | None:
    """The node under ``key``, if there is one."""
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for name, value in node.value if name.value == key), None)


def items(node: yaml.Node | None) -> list[yaml.Node]:
    """The entries of a list; none if the node is no list."""
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def name_of(node: yaml.Node) -> str:
    """The value of ``name``; empty if there is none."""
    name = child(node, "name")
    return str(name.value) if name is not None else ""


def meta_of(node: yaml.Node) -> yaml.Node | None:
    """``meta``, under ``config`` or beside it."""
    return child(child(node, "config"), "meta") or child(node, "meta")


@dataclass(frozen=True)
class Declaration:
    """One table's entry in a file."""

    file: str
    node: yaml.Node

    def table(self) -> Table:
        """The table that the entry declares; its reference is checked later."""
        meta = meta_of(self.node)
        if meta is None:
            raise problem_error(
                self.file,
                self.node,
                f"the table {name_of(self.node)} declares no meta",
                "add meta with key, recorded_at and what else docs/own-tables.md names",
            )
        values, _ = read_settings(as_lists(meta), TableMeta, self.file, f"{name_of(self.node)}.")
        for name in ("key", "recorded_at"):
            if name not in values:
                raise problem_error(
                    self.file, meta, f"{name_of(self.node)} declares no {name}", f"add {name}"
                )
        table_meta = TableMeta(**values)
        columns = tuple(self.columns(table_meta))
        self.check_columns(table_meta, columns, meta)
        references = tuple((table_meta.references or {}).items())
        if len(references) > 1:
            raise problem_error(self.file, meta, "references names two tables", "name the one it belongs to")
        return Table(
            name=name_of(self.node),
            columns=columns,
            key=table_meta.key,
            version=table_meta.recorded_at,
            customer=table_meta.customer_key,
            occurred=table_meta.occurred_at,
            fixed=tuple(
                dict.fromkeys(
                    [
                        *filter(
                            None, (table_meta.customer_key, table_meta.occurred_at) if references else ()
                        ),
                        *table_meta.fixed,
                    ]
                )
            ),
            ordered=later_instants(table_meta),
            ends_at=table_meta.ends_at,
            end_announced_at=table_meta.end_announced_at,
            period=table_meta.period,
            reference=Reference(*references[0]) if references else None,
            merges=Merges(table_meta.merges["from"], table_meta.merges["into"])
            if table_meta.merges
            else None,
            required=not table_meta.optional,
        )

    def columns(self, table_meta: TableMeta) -> Iterator[Column]:
        """The declared columns, and ``deleted_at``, which any table may have."""
        required = {*table_meta.key, table_meta.customer_key, table_meta.occurred_at}
        if table_meta.merges:
            required |= {*table_meta.merges.values(), table_meta.recorded_at}
        names = set()
        for node in items(child(self.node, "columns")):
            name, type_node = name_of(node), child(node, "data_type")
            type_name = "" if type_node is None else str(type_node.value)
            kind = KINDS.get(type_name.lower().replace(" ", ""))
            if kind is None:
                raise problem_error(
                    self.file,
                    type_node or node,
                    f"{name_of(self.node)}.{name} has the data_type {type_name or 'of nothing'}",
                    f"it must be one of {', '.join(KINDS)}",
                )
            meta, _ = read_settings(meta_of(node), ColumnMeta, self.file, f"{name_of(self.node)}.{name}.")
            names.add(name)
            yield Column(name, kind, **{"required": name in required, **meta})
        if DELETED not in names:
            yield Column(DELETED, Kind.INSTANT)

    def check_columns(self, table_meta: TableMeta, columns: tuple[Column, ...], meta: yaml.Node) -> None:
        """Check that every column in ``meta`` is declared, and that its instants are instants."""
        kinds = {column.name: column.kind for column in columns}
        pairs = (table_meta.later_instants or {}).items()
        self.check_shape(table_meta, meta)
        self.check_merges(table_meta, meta)
        instants = [
            table_meta.recorded_at,
            table_meta.occurred_at,
            table_meta.ends_at,
            table_meta.end_announced_at,
            *(name for pair in pairs for name in pair),
        ]
        others = [
            *table_meta.key,
            table_meta.customer_key,
            *table_meta.fixed,
            *(table_meta.references or {}),
            *(table_meta.merges or {}).values(),
        ]
        for name in filter(None, [*instants, *others]):
            if name not in kinds:
                similar = get_close_matches(name, kinds, 1)
                remedy = f"did you mean {similar[0]}?" if similar else f"declared are {', '.join(kinds)}"
                raise problem_error(
                    self.file, line_of(meta, name), f"{name_of(self.node)} has no column {name}", remedy
                )
            if name in instants and kinds[name] is not Kind.INSTANT:
                remedy = "declare its data_type timestamp"
                raise problem_error(
                    self.file,
                    line_of(meta, name),
                    f"{name_of(self.node)}.{name} is no instant",
                    remedy,
                )
            if name in (table_meta.merges or {}).values() and kinds[name] is not Kind.TEXT:
                raise problem_error(
                    self.file,
                    line_of(child(meta, "merges") or meta, name),
                    f"{name_of(self.node)}.{name} is no text, as the keys of customers are",
                    "declare its data_type varchar",
                )

    def check_shape(self, table_meta: TableMeta, meta: yaml.Node) -> None:
        """Check that a state says when it begins and ends, and a measurement which day it is of."""
        name = name_of(self.node)
        for key, needed in (
            ("end_announced_at", "ends_at"),
            ("ends_at", "occurred_at"),
            ("ends_at", "customer_key"),
            ("period", "occurred_at"),
        ):
            if getattr(table_meta, key) and not getattr(table_meta, needed):
                raise problem_error(
                    self.file, line_of(meta, key), f"{name} declares {key} and no {needed}", f"add {needed}"
                )
        if table_meta.ends_at and table_meta.period:
            raise problem_error(
                self.file,
                line_of(meta, "period"),
                f"{name} declares ends_at and period",
                "a table holds states, from occurred_at to ends_at, or measurements of a period: keep one",
            )

    def check_merges(self, table_meta: TableMeta, meta: yaml.Node) -> None:
        """Check that a table of merges names both customers, the old one as its key, and nothing of facts."""
        name, merges = name_of(self.node), table_meta.merges
        if merges is None:
            return
        node = line_of(meta, "merges")
        if {*merges} != {"from", "into"}:
            remedy = "write merges: {from: the old customer's column, into: the new one's}"
            raise problem_error(self.file, node, f"merges of {name} has the keys {', '.join(merges)}", remedy)
        if table_meta.key != (merges["from"],):
            raise problem_error(
                self.file,
                line_of(meta, "key"),
                f"the key of {name} is not the column that it merges from",
                f"declare key: {merges['from']}, for a customer merges once",
            )
        for word in OF_FACTS:
            if getattr(table_meta, word):
                raise problem_error(
                    self.file,
                    line_of(meta, word),
                    f"{name} declares merges and {word}",
                    f"remove {word}: a merge is of two customers, known from {table_meta.recorded_at} on",
                )

    def check_reference(self, table: Table, by_name: dict[str, Table]) -> None:
        """Check that the referenced table is declared, has that key, and leads to a customer."""
        if table.reference is None:
            return
        node = meta_of(self.node) or self.node
        other = by_name.get(table.reference.table)
        reference_node = line_of(child(node, "references") or node, table.reference.column)
        if other is None:
            known = ", ".join(name for name in by_name if name != table.name)
            raise problem_error(
                self.file,
                reference_node,
                f"{table.name} refers to {table.reference.table}, which is not declared",
                f"declared are {known}",
            )
        if other.key != (table.reference.column,):
            raise problem_error(
                self.file,
                reference_node,
                f"{table.reference.column} of {table.name} is not the key of {other.name}",
                f"refer to it by {', '.join(other.key)}",
            )
        if table.customer is None and other.customer is None:
            raise problem_error(
                self.file,
                reference_node,
                f"neither {table.name} nor {other.name} names the customer",
                "declare the customer_key of one of them",
            )


def later_instants(table_meta: TableMeta) -> tuple[tuple[str, str], ...]:
    """What happens later to a row, each with what it follows; the end of a state follows its beginning."""
    pairs = dict(table_meta.later_instants or {})
    for name in filter(None, (table_meta.end_announced_at, table_meta.ends_at)):
        pairs.setdefault(name, str(table_meta.occurred_at))
    return tuple(pairs.items())


def line_of(node: yaml.Node, text: str) -> yaml.Node:
    """The first node below ``node`` that is ``text``; else itself."""
    if isinstance(node, yaml.ScalarNode):
        return node
    children: list[Any] = node.value
    nodes = [
        child_node for entry in children for child_node in (entry if isinstance(entry, tuple) else (entry,))
    ]
    matches = (line_of(child_node, text) for child_node in nodes)
    return next((child_node for child_node in matches if child_node.value == text), node)


def as_lists(meta: yaml.Node) -> yaml.Node:
    """``key: order_id`` as ``key: [order_id]``, and so for ``fixed``."""
    if not isinstance(meta, yaml.MappingNode):
        return meta
    pairs = [
        (key, yaml.SequenceNode("tag:yaml.org,2002:seq", [value], value.start_mark))
        if key.value in ("key", "fixed") and isinstance(value, yaml.ScalarNode)
        else (key, value)
        for key, value in meta.value
    ]
    return yaml.MappingNode(meta.tag, pairs, meta.start_mark, meta.end_mark)

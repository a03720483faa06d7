"""Which rows of a file go as a whole, and which words go out of the rows of others."""

import json
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ml.common.sql import literal, quoted
from ml.erasure.person import Person
from ml.erasure.search_terms import Terms
from ml.ingest.declaration import parent_of, raw_tables

ERASED = "[erased]"  # stands where a word was in somebody else's row
LIST = "customers"  # a list of keys has this name, and so have numbers of customers


@dataclass(frozen=True)
class RowsToErase:
    """The rows and words of one person, for files of any format.

    Parameters
    ----------
    keys : dict
        Column, in lower case, to the values that make a row the person's: the customer's keys, or the keys of
        rows that other tables refer to.
    words : tuple of str
        What goes out of other texts: keys and personal values that stand nowhere by chance.
    forms : tuple of bytes
        Everything by which a line of text is known to name the person.
    """

    keys: dict[str, frozenset[str]]
    words: tuple[str, ...] = ()
    forms: tuple[bytes, ...] = field(default=(), repr=False)

    def columns(self, names: list[str]) -> dict[str, frozenset[str]]:
        """Those of some columns whose values make a row the person's."""
        return {name: self.keys[name.lower()] for name in names if name.lower() in self.keys}

    def condition(self, names: list[str]) -> str | None:
        """The SQL condition that a row with some columns is the person's, never null; None if none can be."""
        cases = [
            f"coalesce({quoted(name)}::varchar in ({', '.join(map(literal, sorted(keys)))}), false)"
            for name, keys in self.columns(names).items()
            if keys
        ]
        return " or ".join(cases) or None

    def without_words(self, column: str) -> str:
        """The SQL of a column of text without the words."""
        value = quoted(column)
        for word in self.words:
            value = f"replace({value}, {literal(word)}, {literal(ERASED)})"
        return value

    @cached_property
    def pattern(self) -> re.Pattern[str] | None:
        return re.compile("|".join(map(re.escape, self.words))) if self.words else None

    def is_of_person(self, row: dict[str, Any]) -> bool:
        """Whether a JSON object is a row of the person."""
        return any(self.is_key(value, name) for name, value in row.items() if name.lower() != LIST)

    def is_key(self, value: Any, name: str) -> bool:
        """Whether a value under a name is one of the person's keys; ``customers`` alone may be a count."""
        is_scalar = isinstance(value, str | int) and not isinstance(value, bool)
        return is_scalar and str(value) in self.keys.get(name.strip().lower(), ())

    def cleaned(self, value: Any, name: str = "") -> Any:
        """JSON without the person: objects of lists that are rows, keys in lists of customers, words."""
        if isinstance(value, dict):
            return {self.without_words_in(key): self.cleaned(inner, key) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.cleaned(one, LIST) for one in value if not self.goes(one, name)]
        if self.is_key(value, name) and name.lower() != LIST:
            return ERASED
        return self.without_words_in(value) if isinstance(value, str) else value

    def goes(self, value: Any, name: str) -> bool:
        """Whether an entry of a list is the person's."""
        return self.is_of_person(value) if isinstance(value, dict) else self.is_key(value, name)

    def without_words_in(self, text: str) -> str:
        """A text without the words; JSON in it stays JSON."""
        if text[:1] in ("{", "[") and any(word in text for word in self.words):
            try:
                return json.dumps(self.cleaned(json.loads(text)), ensure_ascii=False)
            except ValueError:
                pass
        return self.pattern.sub(ERASED, text) if self.pattern else text


def rows_to_erase(person: Person, terms: Terms) -> RowsToErase:
    """The rows and words of a person."""
    keys = dict.fromkeys(terms.names, person.customers)
    for table in raw_tables():
        if parent := parent_of(table):
            keys[table.referring[0]] = person.rows.get(parent.name, frozenset())
    return RowsToErase(keys, terms.by_bytes, tuple(terms.needles))

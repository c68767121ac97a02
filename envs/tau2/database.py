"""A database of JSON rows: tables that nobody changes, and versions that differ from them in a few rows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

Row = Mapping[str, Any]
"""A JSON object; shared between versions, so a change makes a new one."""

Address = tuple[str, str]
"""Table and id of a row."""

_MASK = (1 << 128) - 1


class Tables:
    """The rows that all episodes of a domain begin with.

    Args:
        rows: table -> id -> row.
    """

    def __init__(self, rows: Mapping[str, Mapping[str, Row]]) -> None:
        self.rows = rows
        self._digests: dict[Address, int] = {}

    def digest(self, address: Address) -> int:
        """Return the hash of a row as it was at first, 0 where there is none."""
        if address not in self._digests:
            table, key = address
            row = self.rows.get(table, {}).get(key)
            self._digests[address] = 0 if row is None else digest(address, row)
        return self._digests[address]

    @cached_property
    def key(self) -> int:
        """128-bit hash of the content."""
        return sum(self.digest((table, key)) for table, rows in self.rows.items() for key in rows) & _MASK


class Database:
    """One version of the tables: they and the rows that differ. It is immutable, so an old version stays good.

    Two versions of the same tables hold the same rows exactly when their ``changed`` are equal.

    Args:
        tables: what it differs from.
        changed: address -> row, None where the row was removed; rows equal to the tables' own are left out.

    Attributes:
        shift: what the changed rows add to the hash of the tables, modulo 2**128. The sum of row hashes is a multiset
            hash, so a write updates it without reading anything else.
    """

    __slots__ = ("changed", "shift", "tables")

    def __init__(self, tables: Tables, changed: Mapping[Address, Row | None] | None = None) -> None:
        self.tables = tables
        self.changed: dict[Address, Row | None] = {}
        self.shift = 0
        if changed:
            self._absorb(changed)

    @property
    def key(self) -> str:
        """Stable hash of the content, 32 hexadecimal digits."""
        return f"{(self.tables.key + self.shift) & _MASK:032x}"

    def get(self, table: str, key: str) -> Row | None:
        """Return a row, None if there is none."""
        address = (table, key)
        if address in self.changed:
            return self.changed[address]
        return self.tables.rows.get(table, {}).get(key)

    def rows(self, table: str) -> Iterator[tuple[str, Row]]:
        """Yield the ids and rows of a table: the original ones in their order, then new ones in theirs."""
        original = self.tables.rows.get(table, {})
        changed = self.changed
        for key, row in original.items():
            now = changed.get((table, key), row) if changed else row
            if now is not None:
                yield key, now
        for (name, key), new in changed.items():
            if name == table and key not in original and new is not None:
                yield key, new

    def replace(self, rows: Mapping[Address, Row | None]) -> Database:
        """Return the version with these rows instead."""
        if not rows:
            return self
        after = Database(self.tables)
        after.changed, after.shift = dict(self.changed), self.shift
        after._absorb(rows)
        return after

    def dump(self) -> dict[str, dict[str, Row]]:
        """Return every table whole: table -> id -> row."""
        names = dict.fromkeys((*self.tables.rows, *(table for table, _ in self.changed)))
        return {name: dict(self.rows(name)) for name in names}

    def _absorb(self, rows: Mapping[Address, Row | None]) -> None:
        """Change rows in place; only for a version that nobody has seen yet."""
        shift = self.shift
        for address, row in rows.items():
            old = self.changed.pop(address, _SAME)
            if old is not _SAME:
                shift -= (0 if old is None else digest(address, old)) - self.tables.digest(address)
            if row != self.tables.rows.get(address[0], {}).get(address[1]):
                self.changed[address] = row
                shift += (0 if row is None else digest(address, row)) - self.tables.digest(address)
        self.shift = shift & _MASK


class Draft:
    """A database under a tool's hands. What it writes reaches nobody until the tool has returned.

    Args:
        database: the version that is read.

    Attributes:
        written: the rows that were put.
    """

    __slots__ = ("_database", "written")

    def __init__(self, database: Database) -> None:
        self._database = database
        self.written: dict[Address, Row | None] = {}

    def get(self, table: str, key: str) -> Row | None:
        """Return a row as this draft has it, None if there is none."""
        address = (table, key)
        return self.written[address] if address in self.written else self._database.get(table, key)

    def rows(self, table: str) -> Iterator[tuple[str, Row]]:
        """Yield the ids and rows of a table."""
        return (self.commit() if self.written else self._database).rows(table)

    def put(self, table: str, key: str, row: Row | None) -> Row:
        """Write a row and return it; None removes it."""
        self.written[table, key] = row
        return row or {}

    def commit(self) -> Database:
        """Return the database with everything that was written."""
        return self._database.replace(self.written)


def digest(address: Address, row: Row) -> int:
    """Return 128 bits that depend on the whole row and its address."""
    text = json.dumps((address, row), sort_keys=True)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "little")


_SAME: Any = object()

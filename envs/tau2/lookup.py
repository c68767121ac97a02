"""Rows by their ids: exactly, or whatever the case and the accents of what was typed."""

from __future__ import annotations

import unicodedata

from credit_gym.envs.remembering import remember_short
from credit_gym.envs.tau2.database import Draft, Row
from credit_gym.envs.tau2.toolkit import Refused


def find_row(db: Draft, table: str, key: str, refusal: str) -> Row:
    """Return the row of an id.

    Raises:
        Refused: there is none; ``refusal`` says so.
    """
    row = db.get(table, key)
    if row is None:
        raise Refused(refusal)
    return row


def find_row_folded(db: Draft, table: str, key: str, refusal: str) -> Row:
    """Return the row of an id, whatever its case and accents.

    Raises:
        Refused: there is none; ``refusal`` says so.
    """
    row = db.get(table, key) or db.get(table, key.strip())
    if row is None:
        wanted = folded(key)
        row = next((row for name, row in db.rows(table) if folded(name) == wanted), None)
    if row is None:
        raise Refused(refusal)
    return row


@remember_short(1 << 12, 80)
def folded(text: str) -> str:
    """Return a text without accents and case, by which names are compared."""
    parts = unicodedata.normalize("NFKD", text.strip())
    return "".join(character for character in parts if not unicodedata.combining(character)).casefold()

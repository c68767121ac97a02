"""Episodes that others recorded, to be scored like our own: one reader per format, and their registry."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from credit_gym.episode import Episode
from credit_gym.errors import unknown
from credit_gym.imports.chat import read_chats
from credit_gym.imports.verifiers import read_traces

__all__ = ["READERS", "read_episodes"]

READERS: dict[str, Callable[[Path], list[Episode]]] = {"chat": read_chats, "verifiers": read_traces}
"""Name -> reader, as ``credit-gym import FILE --from NAME`` calls it."""


def read_episodes(source: str, path: str | Path) -> list[Episode]:
    """Read episodes from a file.

    Args:
        source: a key of :data:`READERS`.
        path: the file.

    Raises:
        UnknownNameError: there is no such format.
        StoreError: the file cannot be read, or a line of it is malformed; the line is named.
    """
    if source not in READERS:
        raise unknown("import format", source, READERS)
    return READERS[source](Path(path))

"""What identifies a state, in every process and on both engines."""

from __future__ import annotations

from hashlib import blake2b
from typing import NamedTuple

from credit_gym.envs.alfworld.problem import Row


class Replay(NamedTuple):
    """A state as it travels between processes: play the commands from the start to have it.

    Attributes:
        commands: the commands that lead to it.
        key: its key.
    """

    commands: tuple[str, ...]
    key: str


def game_digest(domain: str, problem: str) -> str:
    """Return the content hash of a game's planning task, the base of the keys of its states."""
    return blake2b(f"{domain}\0{problem}".encode(), digest_size=16).hexdigest()


def fact_mark(digest: str, predicate: str, row: Row) -> int:
    """Return 128 bits that stand for a fact of a game.

    The key of a state is the digest of its game, combined by exclusive or with the marks of the facts in which it
    differs from the start (Zobrist, 1970): one fact more or less costs one operation, whatever the order.
    """
    return int.from_bytes(blake2b(f"{digest} {predicate} {' '.join(row)}".encode(), digest_size=16).digest())

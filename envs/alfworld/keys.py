"""What identifies a state, in every process and on both engines."""

from __future__ import annotations

import re
from functools import lru_cache
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


ALFWORLD_RULES = "da1c1922d2e5939214bde2f2556065a2"
"""Digest of ``alfred.pddl``, the rules that the native engine has in its own code."""


@lru_cache(maxsize=8)
def rules_digest(domain: str) -> str:
    """Return the content hash of a PDDL domain, comments, white space and upper case aside."""
    plain = "".join(re.sub(r";[^\n]*", "", domain.lower()).split())
    return blake2b(plain.encode(), digest_size=16).hexdigest()


def game_digest(rules: str, problem: str) -> str:
    """Return the content hash of a game, the base of the keys of its states.

    Args:
        rules: digest of its rules.
        problem: its PDDL problem.
    """
    return blake2b(f"{rules}\0{problem}".encode(), digest_size=16).hexdigest()


def fact_mark(digest: str, predicate: str, row: Row) -> int:
    """Return 128 bits that stand for a fact of a game.

    The key of a state is the digest of its game, combined by exclusive or with the marks of the facts in which it
    differs from the start (Zobrist, 1970): one fact more or less costs one operation, whatever the order.
    """
    return int.from_bytes(blake2b(f"{digest} {predicate} {' '.join(row)}".encode(), digest_size=16).digest())

"""Hostile programs, and the battle in which each isolation meets them as each user.

``python -m builders.red_team`` in ``tests/`` prints the table of the documentation.
"""

from builders.red_team.attack import Attack
from builders.red_team.deceit import DECEIT
from builders.red_team.force import FORCE

ATTACKS: list[Attack] = [*DECEIT, *FORCE]
KINDS: list[str] = list(dict.fromkeys(attack.kind for attack in ATTACKS))

__all__ = ["ATTACKS", "KINDS", "Attack"]

"""The points of the map: one axis at a time around a plain climb, and the pairs that decide."""

from __future__ import annotations

import math
import random
from pathlib import Path

from credit_gym.baselines.studies.regimes.regime import Regime, Verifier
from credit_gym.data.foreign_text import file_text, read_yaml
from credit_gym.errors import ManifestError

_VERIFIERS: tuple[Verifier, ...] = ("aligned", "noisy", "sparse", "silent", "random", "idling", "opposed", "early")

AXES: dict[str, tuple[Regime, ...]] = {
    "horizon": tuple(Regime(name=f"horizon {2 * floors}", floors=floors) for floors in (2, 4, 8, 16, 32)),
    "success": tuple(Regime(name=f"success {share}", success=share) for share in (0.5, 0.1, 0.02)),
    "group size": tuple(Regime(name=f"group of {size}", group_size=size) for size in (4, 8, 16, 64)),
    "recurrence": tuple(Regime(name=f"recurrence {share}", recurrence=share) for share in (0.0, 0.25, 0.5, 0.75, 1.0)),
    "verifier": (
        *(Regime(name=f"{verifier} verifier", verifier=verifier) for verifier in _VERIFIERS),
        Regime(name="exact verifier", verifier="aligned", exact=True),
    ),
    "structure": (
        Regime(name="fatal", floors=6, fatal=True),
        Regime(name="back", back=True),
        Regime(name="detour", detour=True, horizon=24),
        Regime(name="locked stairs", floors=6, locked=True),
        Regime(name="two steps", floors=2, horizon=2),
        Regime(name="ample time", horizon=64, back=True),
    ),
    "rare success": (
        Regime(name="rare, aligned", success=0.02, verifier="aligned"),
        Regime(name="rare, exact", success=0.02, verifier="aligned", exact=True),
        Regime(name="rare, idling", success=0.02, verifier="idling"),
        Regime(name="rare, small groups", success=0.02, group_size=4),
        Regime(name="rare, fatal", floors=6, success=0.02, group_size=16, fatal=True),
        Regime(name="rare, fatal, aligned", floors=6, success=0.02, group_size=16, fatal=True, verifier="aligned"),
        Regime(name="rare, fatal, idling", floors=6, success=0.02, group_size=16, fatal=True, verifier="idling"),
        Regime(name="all groups fail, exact", floors=12, success=0.001, verifier="aligned", exact=True),
    ),
    "no recurrence": (
        Regime(name="alone, aligned", recurrence=0.0, verifier="aligned"),
        Regime(name="alone, random", recurrence=0.0, verifier="random"),
        Regime(name="alone, idling", recurrence=0.0, verifier="idling"),
        Regime(name="alone, fatal, idling", floors=6, recurrence=0.0, fatal=True, verifier="idling", group_size=16),
    ),
    "some recurrence": (
        Regime(name="half recur, aligned", recurrence=0.5, verifier="aligned"),
        Regime(name="half recur, exact", recurrence=0.5, verifier="aligned", exact=True),
        Regime(name="half recur, idling", recurrence=0.5, verifier="idling"),
        Regime(name="two steps, aligned", floors=2, horizon=2, verifier="aligned"),
        Regime(name="two steps, idling", floors=2, horizon=2, verifier="idling"),
    ),
    "blind verifier": (
        Regime(name="locked stairs, aligned", floors=6, locked=True, verifier="aligned"),
        Regime(name="detour, aligned", detour=True, horizon=24, verifier="aligned"),
        Regime(name="long, noisy", floors=16, success=0.05, group_size=16, verifier="noisy"),
    ),
}
"""Axis -> its points. The base lies on several axes under their names; it is raced once."""


def drawn_points(number: int, seed: int) -> dict[str, tuple[Regime, ...]]:
    """Draw regimes from all axes at once, for a look at points that nothing was tuned on.

    Args:
        number: how many.
        seed: fixes them.
    """
    chance = random.Random(seed)
    return {"drawn": tuple(_drawn(f"drawn {seed}-{index}", chance) for index in range(number))}


def _drawn(name: str, chance: random.Random) -> Regime:
    floors = chance.randint(2, 16)
    hazards = {hazard: chance.random() < 0.25 for hazard in ("fatal", "back", "detour", "locked")}
    verifier = chance.choice(("none", *_VERIFIERS))
    return Regime(
        name=name,
        floors=floors,
        horizon=math.ceil(floors * chance.choice((2.0, 3.0, 6.0)) * (1.5 if hazards["detour"] else 1.0)),
        success=chance.choice((0.02, 0.05, 0.1, 0.2, 0.5)),
        group_size=chance.choice((4, 8, 16, 32)),
        recurrence=chance.choice((0.0, 0.25, 0.5, 0.75, 1.0, 1.0, 1.0)),
        verifier=verifier,
        exact=verifier == "aligned" and chance.random() < 0.5,
        idle=chance.randint(1, 4),
        slip=chance.choice((0.0, 0.1, 0.2)),
        **hazards,
    )


def read_points(path: Path) -> dict[str, tuple[Regime, ...]]:
    """Read regimes from a YAML list of mappings, each with the attributes of a :class:`Regime`.

    Raises:
        ManifestError: the file is missing or holds anything else.
    """
    try:
        listed = read_yaml(file_text(path))
    except (OSError, ValueError) as error:
        raise ManifestError(f"{path} holds no regimes: {' '.join(str(error).split())}") from None
    if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed) or not listed:
        raise ManifestError(f"{path} must be a YAML list of regimes, each a mapping such as name: mine, floors: 8.")
    return {path.stem: tuple(Regime.parse(entry) for entry in listed)}

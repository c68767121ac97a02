"""The map of regimes as advice reads it: where a run lies on it, and what scorers needed at the points nearby.

``regimes.json`` is written by ``python -m credit_gym.baselines.studies.regimes --advice FILE``. A point lies where
:func:`place` puts the episodes of its prior, so a run and a point are measured alike. The distance of two places is
Euclidean; a unit of it is a factor of two in the share of won episodes, the group size or the horizon, a quarter in
recurrence or in the verifier's agreement, or the difference between a declared exact verifier and another.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import NamedTuple

import numpy as np

from credit_gym.credit.run_facts import RunFacts
from credit_gym.metrics.statistics import Estimate, bootstrap_mean

CEILING = "exact advantage"
"""The row of the map that no scorer can have: the advantage of the policy as it stands."""
_REACH, _MOST = 1.0, 5  # nearby is who is as near as the nearest, or a unit further; so many at most


class Place(NamedTuple):
    """Where a run lies on the map.

    Attributes:
        won: share of won episodes, in (0, 1).
        group_size: median episodes of a group.
        horizon: median steps of an episode.
        recurrence: share of later steps whose state recurs.
        agreement: of the verifier, as the default scorer believes it; 0 without one.
        exact: whether it is declared to be an exact potential.
    """

    won: float
    group_size: float
    horizon: float
    recurrence: float
    agreement: float
    exact: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MapPoint:
    """A point of the map.

    Attributes:
        name: the regime.
        place: where it lies.
        limit: episodes a task after which a race was stopped.
        episodes: scorer -> episodes a task that it needed, seed by seed; None where the limit came first.
    """

    name: str
    place: Place
    limit: float
    episodes: Mapping[str, Sequence[float | None]]


class Nearby(NamedTuple):
    """The points nearest to a place, nearest first, and the distance of the first."""

    points: tuple[MapPoint, ...]
    distance: float

    @property
    def scorers(self) -> frozenset[str]:
        """Those that were raced at every one of the points."""
        return frozenset.intersection(*(frozenset(point.episodes) for point in self.points))

    def ratio(self, scorer: str, other: str) -> Estimate | None:
        """Return how many episodes a scorer needs for each that another one needs.

        Args:
            scorer: one of :attr:`scorers`.
            other: another of them.

        Returns:
            The geometric mean over the points and their seeds, with a 95 % bootstrap interval over these pairs. Who
            did not get there needed the limit; a seed on which neither did is left out, and None if none is left.
        """
        logs = [log for point in self.points for log in _log_ratios(point, scorer, other)]
        return Estimate(*map(math.exp, bootstrap_mean(logs))) if logs else None


def place(facts: RunFacts) -> Place:
    """Return where a run lies; half an episode is won and half is lost beyond those seen, so that no share is 0."""
    won = (facts.won * facts.episodes + 0.5) / (facts.episodes + 1.0)
    return Place(won, facts.group_size, max(facts.steps, 1.0), facts.recurrence, facts.believed, facts.exact)


def distance(one: Place, other: Place) -> float:
    """Return how far two places are from each other, in units of the module."""
    return float(np.linalg.norm(np.subtract(_axes(one), _axes(other))))


def nearby(where: Place, points: Sequence[MapPoint]) -> Nearby:
    """Return the point nearest to a place and up to four others that are no more than a unit further."""
    ranked = sorted((distance(where, point.place), point.name, point) for point in points)
    first = ranked[0][0]
    return Nearby(tuple(point for far, _, point in ranked[:_MOST] if far <= first + _REACH), first)


@cache
def shipped_map() -> tuple[MapPoint, ...]:
    """Return the points of the map that comes with the package."""
    text = (resources.files("credit_gym.credit") / "regimes.json").read_text(encoding="utf-8")
    return tuple(
        MapPoint(name=entry["name"], place=Place(**entry["place"]), limit=entry["limit"], episodes=entry["episodes"])
        for entry in json.loads(text)["points"]
    )


def _axes(where: Place) -> tuple[float, ...]:
    logs = tuple(math.log2(value) for value in (where.won, where.group_size, where.horizon))
    return (*logs, 4.0 * where.recurrence, 4.0 * where.agreement, float(where.exact))


def _log_ratios(point: MapPoint, scorer: str, other: str) -> list[float]:
    pairs = zip(point.episodes[scorer], point.episodes[other], strict=True)
    there = [pair for pair in pairs if pair != (None, None)]
    counts = [[point.limit if count is None else max(count, 1.0) for count in pair] for pair in there]
    return [math.log(first / second) for first, second in counts]

"""Two agents side by side: which of their episodes are pairs, how each ended, and where two plays of a task part.

A side is one agent of one run; every two sides make a comparison. What pairs are and by how much one side is better is
what ``credit-gym compare`` says (:mod:`credit_gym.metrics.paired`), its table included.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from credit_gym.data.grouping import IntArray
from credit_gym.metrics.paired import match_episodes
from credit_gym.report.paired_tables import difference_table
from credit_gym.report.table import cell_text
from credit_gym.report.text import printable
from credit_gym.report.viewer.shown_run import ShownRun
from credit_gym.store.stored_episodes import chosen

MOST_SIDES = 8
"""Sides that are compared, the first ones: comparisons grow with the square of their number."""

PARTINGS = ("observation", "action", "end")
"""What may differ first between two plays."""


class Side(NamedTuple):
    """An agent of a run.

    Attributes:
        run: number of the run.
        agent: who played.
        name: the run's, with the agent where it has several.
        places: places of its episodes in the run.
    """

    run: int
    agent: str
    name: str
    places: IntArray


def sides(runs: Sequence[ShownRun]) -> list[Side]:
    """Return the sides of some runs, as they came."""
    found = []
    for number, run in enumerate(runs):
        agents = np.asarray(run.agents, dtype=np.object_)
        names = list(dict.fromkeys(run.agents))
        for agent in names:
            name = run.name if len(names) == 1 else f"{run.name} {agent}"
            found.append(Side(number, agent, name, np.flatnonzero(agents == agent)))
    return found[:MOST_SIDES]


def shown_sides(runs: Sequence[ShownRun]) -> list[dict[str, Any]]:
    """Return the sides as an overview names them."""
    return [
        {"run": side.run, "name": printable(side.name), "agent": printable(side.agent), "episodes": side.places.size}
        for side in sides(runs)
    ]


def count_comparisons(runs: Sequence[ShownRun]) -> int:
    """Return how many comparisons there are: first with second, first with third, ..., second with third, ..."""
    count = len(sides(runs))
    return count * (count - 1) // 2


def comparison(runs: Sequence[ShownRun], number: int) -> dict[str, Any]:
    """Return one comparison, made of JSON's types, a value a pair in its columns.

    ``first`` and ``second`` number the episodes of all runs; ``seeds`` are texts, which hold 64 bits, None without one;
    ``steps`` are where two plays part, None where they never do, and ``by`` the number in :data:`PARTINGS`.

    Args:
        runs: the runs.
        number: in ``0..count_comparisons(runs)-1``.
    """
    pair = list(combinations(sides(runs), 2))[number]
    begins = np.cumsum([0, *(len(run.episodes) for run in runs)])
    found = match_episodes(*(chosen(runs[side.run].episodes, side.places) for side in pair))
    one, other = (f"{side.agent} ({runs[side.run].name})" if side.agent else side.name for side in pair)
    table = difference_table(f"{one} minus {other}", found.pairs)
    partings = [each.parting for each in found.pairs]
    return {
        "title": printable(table.title),
        "heads": list(table.columns),
        "rows": [[cell_text(value) for value in row] for row in table.rows],
        "first": (begins[pair[0].run] + pair[0].places[found.first]).tolist(),
        "second": (begins[pair[1].run] + pair[1].places[found.second]).tolist(),
        "seeds": [None if each.seed is None else str(each.seed) for each in found.pairs],
        "repetition": found.repetition,
        "steps": [None if parting is None else parting.step for parting in partings],
        "by": [None if parting is None else PARTINGS.index(parting.what) for parting in partings],
    }

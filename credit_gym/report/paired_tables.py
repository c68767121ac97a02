"""Tables of two agents on the same tasks and seeds (:mod:`credit_gym.metrics.paired`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

from credit_gym.data.episode import Episode
from credit_gym.metrics.paired import MEASURES, Pair, compare_pairs, flips, pair_episodes
from credit_gym.report.table import Table, Value

_COMPARED = ("difference", "95% low", "95% high", "p", "won", "lost", "tasks", "pairs")


def paired_table(title: str, played: Mapping[str, Mapping[str, Sequence[Episode]]]) -> Table:
    """Return the comparison of every two agents in every environment, one row a measure.

    Args:
        title: of the table.
        played: environment -> agent -> its episodes; agents without an episode in common have no row.
    """
    rows: list[tuple[Value, ...]] = []
    for env, agents in played.items():
        for first, second in combinations(agents, 2):
            pairs = pair_episodes(agents[first], agents[second])
            rows += [(env, first, second, *compared) for compared in _compared(pairs)]
    return Table(title, ("environment", "first", "second", "measure", *_COMPARED), tuple(rows))


def difference_table(title: str, pairs: Sequence[Pair]) -> Table:
    """Return by how much the first agent is better, one row a measure."""
    return Table(title, ("measure", *_COMPARED), tuple(_compared(pairs)))


def flips_table(title: str, pairs: Iterable[Pair]) -> Table:
    """Return the episodes that one agent solved and the other did not, and where the two plays part."""
    rows: list[tuple[Value, ...]] = []
    for pair in flips(pairs):
        step, what, acts = pair.parting or (None, None, (None, None))
        rows.append((pair.task_id, str(pair.seed), "first" if pair.success[0] else "second", step, what, *acts))
    return Table(title, ("task", "seed", "solved by", "parts at step", "by", "first", "second"), tuple(rows))


def partings_table(title: str, pairs: Sequence[Pair]) -> Table:
    """Return at which step plays of the same task and seed part, and how many end alike."""
    counts: dict[tuple[int, str], int] = {}
    for pair in pairs:
        key = (-1, "never") if pair.parting is None else (pair.parting.step, pair.parting.what)
        counts[key] = counts.get(key, 0) + 1
    rows = tuple((None if step < 0 else step, what, count) for (step, what), count in sorted(counts.items()))
    return Table(title, ("step", "by", "pairs"), rows)


def _compared(pairs: Sequence[Pair]) -> list[tuple[Value, ...]]:
    found: list[tuple[Value, ...]] = []
    for name, measure in MEASURES.items() if pairs else ():
        each = compare_pairs(pairs, measure)
        found.append((name, *each.difference, each.p, each.won, each.lost, each.tasks, len(pairs)))
    return found

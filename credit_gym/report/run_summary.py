"""The table of a run: what some scorers say of its episodes, one row a scorer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from credit_gym.credit.run_parts import layout_of, part_numbers
from credit_gym.credit.stored_runs import RunCredits, label, run_credits
from credit_gym.data.episode import Episode
from credit_gym.data.grouping import BoolArray
from credit_gym.data.keys import Key
from credit_gym.data.target import TrainingTarget, pair_with_credit
from credit_gym.metrics.differentiation import differentiated, preference_table
from credit_gym.report.table import Table
from credit_gym.store import Store
from credit_gym.store.stored_episodes import chosen


def summary(
    store: Store, run_id: str, episodes: Sequence[Episode], scorers: Sequence[tuple[str, Mapping[str, Any]]]
) -> Table:
    """Return what some scorers, each with its options, say of a run.

    One row per scorer: number of scored steps, mean credit of the steps of solved and of unsolved episodes, and the
    share of states whose actions it tells apart (:func:`credit_gym.metrics.differentiation.differentiated`). A run that
    is stored is read part after part; what grows with it is one number a step and one a state and action.
    """
    rows = []
    layout = layout_of(episodes)
    for scorer, options in scorers:
        credits = run_credits(store, run_id, episodes, scorer, options)
        won = np.zeros(len(episodes), dtype=np.bool_)
        share = differentiated(preference_table(_targets(episodes, credits, options.get("key", "state"), won)))
        scored, solved = np.repeat(layout.completed, layout.steps), np.repeat(won, layout.steps)
        parts = credits.flat[scored & solved], credits.flat[scored & ~solved]
        means = [float(part.mean()) if part.size else None for part in parts]
        rows.append((label(scorer, options), int(scored.sum()), *means, share))
    columns = ("scorer", "steps", "mean credit, solved", "mean credit, unsolved", "states differentiated")
    return Table(f"{run_id}: {len(episodes)} episodes", columns, tuple(rows))


def _targets(episodes: Sequence[Episode], credits: RunCredits, key: Key, won: BoolArray) -> Iterator[TrainingTarget]:
    """Yield the targets of a run, and mark the episodes that were solved on the way."""
    for numbers in part_numbers(layout_of(episodes)):
        found = list(chosen(episodes, numbers))
        won[numbers] = [episode.success for episode in found]
        flat = np.asarray([value for e in numbers.tolist() for value in credits[e]], dtype=np.float64)
        yield from pair_with_credit(found, flat, key=key)

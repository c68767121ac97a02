"""The table of a run: what some scorers say of its episodes, one row a scorer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from credit_gym.credit.stored_runs import label, run_credits
from credit_gym.data.episode import Episode
from credit_gym.data.target import pair_with_credit
from credit_gym.metrics.differentiation import differentiated, preference_table
from credit_gym.report.table import Table
from credit_gym.store import Store


def summary(
    store: Store, run_id: str, episodes: Sequence[Episode], scorers: Sequence[tuple[str, Mapping[str, Any]]]
) -> Table:
    """Return what some scorers, each with its options, say of a run.

    One row per scorer: number of scored steps, mean credit of the steps of solved and of unsolved episodes, and the
    share of states whose actions it tells apart (:func:`credit_gym.metrics.differentiation.differentiated`).
    """
    rows = []
    for scorer, options in scorers:
        credits = run_credits(store, run_id, episodes, scorer, options)
        scored = [(episode, credit) for episode, credit in zip(episodes, credits, strict=True) if credit is not None]
        flat = np.asarray([value for _, credit in scored for value in credit], dtype=np.float64)
        solved = np.asarray([episode.success for episode, credit in scored for _ in credit], dtype=np.bool_)
        means = [float(part.mean()) if part.size else None for part in (flat[solved], flat[~solved])]
        targets = pair_with_credit([episode for episode, _ in scored], flat, key=options.get("key", "state"))
        rows.append((label(scorer, options), flat.size, *means, differentiated(preference_table(targets))))
    columns = ("scorer", "steps", "mean credit, solved", "mean credit, unsolved", "states differentiated")
    return Table(f"{run_id}: {len(episodes)} episodes", columns, tuple(rows))

"""Score stored runs again, without playing anything: the episodes stay, the credits are made anew."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from credit_gym.data.episode import Episode
from credit_gym.data.target import build_targets, differentiated, pair_with_credit, preference_table
from credit_gym.errors import CreditGymError, unknown
from credit_gym.report.tables import Table
from credit_gym.scorers import get
from credit_gym.store import Store


def score_run(store: Store, run_id: str, episodes: Sequence[Episode], scorer: str, options: Mapping[str, Any]) -> None:
    """Score the episodes of a run and keep the targets in the store.

    Args:
        store: where the run is.
        run_id: the run.
        episodes: its episodes, from ``store.load_episodes(run_id)``.
        scorer: a registered scorer.
        options: its keyword options, and ``key`` ("state" or "observation") of :func:`build_targets`.

    Raises:
        UnknownNameError: there is no such scorer, or it has no such option.
        MissingColumnError: the episodes lack a column that the scorer needs.
        CreditGymError: the scorer does not take the value of an option.
    """
    known = {*list(inspect.signature(get(scorer).function).parameters)[1:], "key"}
    for option in options:
        if option not in known:
            raise unknown(f"option of {scorer}", option, known)
    try:
        targets = build_targets(episodes, scorer, **options)
    except (TypeError, ValueError) as error:
        if isinstance(error, CreditGymError) or not options:
            raise
        raise CreditGymError(f"The scorer {scorer!r} does not take {dict(options)}: {error}") from error
    store.add_targets(run_id, scorer, options, targets)


def run_credits(
    store: Store, run_id: str, episodes: Sequence[Episode], scorer: str, options: Mapping[str, Any]
) -> list[tuple[float, ...] | None]:
    """Return a scorer's credits, a row per episode, scoring the run first if that was not done yet.

    The row of an episode that did not complete is None. The arguments are those of :func:`score_run`.
    """
    if (scorer, dict(options)) not in store.target_sets(run_id):
        score_run(store, run_id, episodes, scorer, options)
    found = store.load_credits(run_id, scorer, options)
    return [found.get(episode.episode_id) for episode in episodes]


def summary(
    store: Store, run_id: str, episodes: Sequence[Episode], scorers: Sequence[tuple[str, Mapping[str, Any]]]
) -> Table:
    """Return what some scorers, each with its options, say of a run.

    One row per scorer: number of scored steps, mean credit of the steps of solved and of unsolved episodes, and the
    share of states whose actions it tells apart (:func:`credit_gym.data.target.differentiated`).
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


def label(scorer: str, options: Mapping[str, Any]) -> str:
    """Return the name of a scorer with its options, such as ``gae(lam=0.9)``."""
    given = ", ".join(f"{key}={value}" for key, value in sorted(options.items()))
    return f"{scorer}({given})" if given else scorer

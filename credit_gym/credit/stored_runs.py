"""Score stored runs again, without playing anything: the episodes stay, the credits are made anew."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from credit_gym.credit.assign import build_targets
from credit_gym.data.episode import Episode
from credit_gym.errors import CreditGymError, unknown
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


def label(scorer: str, options: Mapping[str, Any]) -> str:
    """Return the name of a scorer with its options, such as ``gae(lam=0.9)``."""
    given = ", ".join(f"{key}={value}" for key, value in sorted(options.items()))
    return f"{scorer}({given})" if given else scorer

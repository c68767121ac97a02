"""Score stored runs again, without playing anything: the episodes stay, the credits are made anew.

Kept credits carry the fingerprint of what they were computed from (:mod:`credit_gym.credit.fingerprint`), so whoever
asks for credits gets those of the episodes as they are now, however many were played, annotated or removed since.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from credit_gym.credit.assign import score_episodes
from credit_gym.credit.fingerprint import fingerprint
from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.episode import Episode
from credit_gym.data.target import pair_with_credit
from credit_gym.store import Store


class _Question(NamedTuple):
    """What is asked of a scorer: the completed episodes, their batch, and the mark of the answer."""

    episodes: list[Episode]
    batch: EpisodeBatch
    mark: str


def score_run(store: Store, run_id: str, episodes: Sequence[Episode], scorer: str, options: Mapping[str, Any]) -> None:
    """Score the episodes of a run and keep the targets in the store.

    Args:
        store: where the run is.
        run_id: the run.
        episodes: its episodes, from ``store.load_episodes(run_id)``.
        scorer: a registered scorer.
        options: its keyword options, and ``key`` ("state" or "observation") of
            :func:`~credit_gym.credit.assign.build_targets`.

    Raises:
        UnknownNameError: there is no such scorer, or it has no such option.
        OptionError: the scorer does not take the value of an option.
        MissingColumnError: the episodes lack a column that the scorer needs.
        ReadingError: a value at some step, which is named, cannot be computed with.
    """
    _score(store, run_id, _ask(episodes, scorer, options), scorer, options)


def run_credits(
    store: Store, run_id: str, episodes: Sequence[Episode], scorer: str, options: Mapping[str, Any]
) -> list[tuple[float, ...] | None]:
    """Return a scorer's credits, a row per episode: the kept ones, or new ones where these are of something else.

    The row of an episode that did not complete is None. The arguments are those of :func:`score_run`.
    """
    question = _ask(episodes, scorer, options)
    found = store.find_credits(run_id, scorer, options, question.mark)
    if found is None:
        found = _score(store, run_id, question, scorer, options)
    return [None if episode.error is not None else found.get(episode.episode_id, ()) for episode in episodes]


def label(scorer: str, options: Mapping[str, Any]) -> str:
    """Return the name of a scorer with its options, such as ``gae(lam=0.9)``."""
    given = ", ".join(f"{key}={_short(value)}" for key, value in sorted(options.items()))
    return f"{scorer}({given})" if given else scorer


def _ask(episodes: Sequence[Episode], scorer: str, options: Mapping[str, Any]) -> _Question:
    completed = [episode for episode in episodes if episode.error is None]
    batch = EpisodeBatch.from_episodes(completed, key=options.get("key", "state"))
    ids = [episode.episode_id for episode in completed]
    return _Question(completed, batch, fingerprint(batch, ids, scorer, options))


def _score(
    store: Store, run_id: str, question: _Question, scorer: str, options: Mapping[str, Any]
) -> dict[str, tuple[float, ...]]:
    """Score, keep what came of it, and return it by episode id."""
    episodes, batch, mark = question
    own = {name: value for name, value in options.items() if name != "key"}
    credit = score_episodes(episodes, batch, scorer, own)
    targets = pair_with_credit(episodes, credit, key=options.get("key", "state"))
    ids = [episode.episode_id for episode in episodes]
    store.add_targets(run_id, scorer, options, targets, episodes=ids, fingerprint=mark)
    rows = np.split(credit, batch.offsets[1:-1])
    return {name: tuple(row.tolist()) for name, row in zip(ids, rows, strict=False)}


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)

"""Score stored runs again, without playing anything: the episodes stay, the credits are made anew.

Kept credits carry the fingerprint of what they were computed from (:mod:`credit_gym.credit.fingerprint`), so whoever
asks for credits gets those of the episodes as they are now, however many were played, annotated or removed since.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from credit_gym.credit.assign import score_episodes
from credit_gym.credit.fingerprint import fingerprint
from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.episode import Episode
from credit_gym.data.grouping import FloatArray
from credit_gym.data.key_functions import function_name
from credit_gym.data.target import pair_with_credit
from credit_gym.errors import StoreError
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
        options: its keyword options, and ``key`` of :func:`~credit_gym.credit.assign.build_targets`.

    Raises:
        UnknownNameError: there is no such scorer, or it has no such option.
        OptionError: the scorer does not take the value of an option.
        MissingColumnError: the episodes lack a column that the scorer needs.
        ReadingError: a value at some step, which is named, cannot be computed with.
    """
    question = _ask(episodes, scorer, options)
    _keep(store, run_id, question, _score(question, scorer, options), scorer, options)


def run_credits(
    store: Store, run_id: str, episodes: Sequence[Episode], scorer: str, options: Mapping[str, Any]
) -> list[tuple[float, ...] | None]:
    """Return a scorer's credits, a row per episode: the kept ones, or new ones where these are of something else.

    The row of an episode that did not complete is None. New ones are kept where the store can be written. The arguments
    and errors are those of :func:`score_run`.
    """
    question = _ask(episodes, scorer, options)
    found = store.find_credits(run_id, scorer, options, question.mark)
    if found is None:
        credit = _score(question, scorer, options)
        with suppress(StoreError):  # a folder that is read-only has credits too
            _keep(store, run_id, question, credit, scorer, options)
        rows = np.split(credit, question.batch.offsets[1:-1])
        found = {each.episode_id: tuple(row.tolist()) for each, row in zip(question.episodes, rows, strict=False)}
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


def _score(question: _Question, scorer: str, options: Mapping[str, Any]) -> FloatArray:
    own = {name: value for name, value in options.items() if name != "key"}
    return score_episodes(question.episodes, question.batch, scorer, own)


def _keep(
    store: Store, run_id: str, question: _Question, credit: FloatArray, scorer: str, options: Mapping[str, Any]
) -> None:
    targets = pair_with_credit(question.episodes, credit, key=options.get("key", "state"))
    ids = [episode.episode_id for episode in question.episodes]
    store.add_targets(run_id, scorer, options, targets, episodes=ids, fingerprint=question.mark)


def _short(value: Any) -> str:
    if callable(value):
        return function_name(value)
    return f"{value:g}" if isinstance(value, float) else str(value)

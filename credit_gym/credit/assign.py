"""Targets from episodes: a scorer's credit for every step, paired with what the step was."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.episode import Episode
from credit_gym.data.grouping import FloatArray
from credit_gym.data.keys import Key
from credit_gym.data.soundness import sound
from credit_gym.data.target import TrainingTarget, pair_with_credit
from credit_gym.errors import ReadingError
from credit_gym.scorers import DEFAULT, score


def build_targets(
    episodes: Iterable[Episode],
    scorer: str | Callable[[EpisodeBatch], FloatArray] = DEFAULT,
    *,
    key: Key = "state",
    **options: Any,
) -> list[TrainingTarget]:
    """Score episodes and pair every step with its credit.

    Episodes that failed to complete (``error`` is set) have no outcome to assign: they are left out. So are those with
    a number that nobody can compute with (:mod:`credit_gym.data.soundness`), with a warning.

    Args:
        episodes: recorded episodes; those of one group are compared with each other.
        scorer: a registered scorer, or a function that credits every step of a batch, which takes no options.
        key: what states are pooled by: the name of a key, or a function from an episode to one label a point
            (:mod:`credit_gym.data.keys`).
        options: the scorer's keyword options.

    Returns:
        One target a step, in the order of the episodes.

    Raises:
        UnknownNameError: no scorer has that name, it has no such option, or there is no such key.
        OptionError: an option is not what the scorer's signature declares.
        MissingColumnError: the episodes lack a column that the scorer or the key needs.
        ReadingError: a value at some step, which is named, cannot be computed with.
    """
    completed, batch = scored_batch(episodes, key)
    credit = scorer(batch) if callable(scorer) else score_episodes(completed, batch, scorer, options)
    return pair_with_credit(completed, credit, key=key)


def scored_batch(episodes: Iterable[Episode], key: Key) -> tuple[list[Episode], EpisodeBatch]:
    """Return the episodes that can be scored, and their batch; a warning names those with unsound numbers.

    Args:
        episodes: recorded episodes.
        key: what states are pooled by.

    Raises:
        CreditGymError: those of :func:`build_targets`.
    """
    completed = [episode for episode in episodes if episode.error is None]
    try:
        return completed, EpisodeBatch.from_episodes(completed, key=key)
    except ReadingError:
        completed = sound(completed)
        return completed, EpisodeBatch.from_episodes(completed, key=key)


def score_episodes(
    episodes: Sequence[Episode], batch: EpisodeBatch, scorer: str, options: Mapping[str, Any]
) -> FloatArray:
    """Score a batch; (S,) float64. An error about one step names its episode by its id.

    Args:
        episodes: E episodes.
        batch: their batch.
        scorer: a registered scorer.
        options: its keyword options.

    Raises:
        CreditGymError: those of :func:`build_targets`.
    """
    try:
        return score(batch, scorer, **options)
    except ReadingError as error:
        raise error.named(episodes[error.episode].episode_id) from None

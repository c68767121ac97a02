"""Training targets: steps paired with their credits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import accumulate, chain, pairwise, repeat
from operator import attrgetter
from typing import Any, NamedTuple

from credit_gym.data.episode import Episode
from credit_gym.data.grouping import FloatArray
from credit_gym.data.keys import Key, check_key, labels
from credit_gym.errors import BatchError


class TrainingTarget(NamedTuple):
    """What one step of one episode is worth.

    Attributes:
        episode_id: the episode.
        step: index of the step within it, from 0.
        state_key: what the state is pooled by (:mod:`credit_gym.data.keys`).
        action: the action taken.
        credit: the scorer's credit, finite, in the scorer's own units.
        messages: the chat that the action answered, None if it was not a conversation.
        token_span: ``(start, stop)`` of the action's tokens among all action tokens of the episode (the order of
            ``Episode.policy_logprobs``), None if no tokens were recorded.
    """

    episode_id: str
    step: int
    state_key: str
    action: str
    credit: float
    messages: tuple[Mapping[str, Any], ...] | None = None
    token_span: tuple[int, int] | None = None


_make_target = partial(tuple.__new__, TrainingTarget)  # TrainingTarget._make without its Python frame, twice as fast


def pair_with_credit(episodes: Sequence[Episode], credit: FloatArray, *, key: Key = "state") -> list[TrainingTarget]:
    """Pair every step of some episodes with a credit that was already computed.

    Args:
        episodes: E episodes with S steps together.
        credit: (S,) credit of each step, in the order of the episodes.
        key: what the targets' ``state_key`` is (:mod:`credit_gym.data.keys`).

    Raises:
        UnknownNameError: there is no such key.
        MissingColumnError: no episode has the column that the key reads.
        BatchError: there is not one credit per step.
    """
    check_key(key)
    lengths = [len(episode.actions) for episode in episodes]
    steps = sum(lengths)
    if credit.shape != (steps,):
        raise BatchError(
            f"The episodes have {steps} steps, so the credit must have shape ({steps},), not {credit.shape}."
        )
    flat = chain.from_iterable
    columns = zip(
        flat(map(repeat, map(attrgetter("episode_id"), episodes), lengths)),
        flat(map(range, lengths)),
        flat(row[:-1] for row in labels(episodes, key)),
        flat(map(attrgetter("actions"), episodes)),
        credit.tolist(),
        _chats(episodes, steps),
        _token_spans(episodes, steps),
        strict=True,
    )
    return list(map(_make_target, columns))


def _chats(episodes: Sequence[Episode], steps: int) -> Iterable[tuple[Mapping[str, Any], ...] | None]:
    if all(episode.messages is None for episode in episodes):
        return repeat(None, steps)
    return chain.from_iterable(episode.messages or repeat(None, len(episode)) for episode in episodes)


def _token_spans(episodes: Sequence[Episode], steps: int) -> Iterable[tuple[int, int] | None]:
    if all(episode.policy_logprobs is None for episode in episodes):
        return repeat(None, steps)
    return chain.from_iterable(
        repeat(None, len(episode))
        if episode.policy_logprobs is None
        else pairwise(accumulate(map(len, episode.policy_logprobs), initial=0))
        for episode in episodes
    )

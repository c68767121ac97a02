"""Training targets: one credited step each, and what a table of them says about the states."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import accumulate, chain, pairwise, repeat
from typing import Any, NamedTuple

from credit_gym.data.episode import Episode, EpisodeBatch, Key
from credit_gym.data.grouping import FloatArray
from credit_gym.errors import BatchError
from credit_gym.scorers import score

PreferenceTable = dict[str, dict[str, float]]


class TrainingTarget(NamedTuple):
    """What one step of one episode is worth.

    Attributes:
        episode_id: the episode.
        step: index of the step within it, from 0.
        state_key: what the state is pooled by (the hash of the true state, or the text that the agent saw).
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


def build_targets(
    episodes: Iterable[Episode], scorer: str, *, key: Key = "state", **options: Any
) -> list[TrainingTarget]:
    """Score episodes and pair every step with its credit.

    Episodes that failed to complete (``error`` is set) have no outcome to assign: they are left out.

    Args:
        episodes: recorded episodes; those of one group are compared with each other.
        scorer: a registered scorer.
        key: pool states by the hash of the true state ("state") or by the text that the agent saw ("observation").
        options: the scorer's keyword options.

    Returns:
        One target a step, in the order of the episodes.

    Raises:
        UnknownNameError: no scorer has that name.
        MissingColumnError: the episodes lack a column that the scorer needs.
    """
    completed = [episode for episode in episodes if episode.error is None]
    credit = score(EpisodeBatch.from_episodes(completed, key=key), scorer, **options)
    return pair_with_credit(completed, credit, key=key)


def pair_with_credit(episodes: Sequence[Episode], credit: FloatArray, *, key: Key = "state") -> list[TrainingTarget]:
    """Pair every step of some episodes with a credit that was already computed.

    Args:
        episodes: E episodes with S steps together.
        credit: (S,) credit of each step, in the order of the episodes.
        key: what the targets' ``state_key`` is; see :func:`build_targets`.

    Raises:
        BatchError: there is not one credit per step.
    """
    steps = sum(map(len, episodes))
    if credit.shape != (steps,):
        raise BatchError(
            f"The episodes have {steps} steps, so the credit must have shape ({steps},), not {credit.shape}."
        )
    flat = chain.from_iterable
    columns = zip(
        flat(repeat(episode.episode_id, len(episode)) for episode in episodes),
        flat(range(len(episode)) for episode in episodes),
        flat((episode.state_keys if key == "state" else episode.observations)[:-1] for episode in episodes),
        flat(episode.actions for episode in episodes),
        credit.tolist(),
        flat(episode.messages or repeat(None, len(episode)) for episode in episodes),
        flat(map(_token_spans, episodes)),
        strict=True,
    )
    return list(map(_make_target, columns))


def preference_table(targets: Iterable[TrainingTarget]) -> PreferenceTable:
    """Return the mean credit of every action seen in every state: ``{state_key: {action: mean credit}}``."""
    credits: dict[str, dict[str, list[float]]] = {}
    for target in targets:
        credits.setdefault(target.state_key, {}).setdefault(target.action, []).append(target.credit)
    return {
        state: {action: sum(values) / len(values) for action, values in actions.items()}
        for state, actions in credits.items()
    }


def differentiated(table: Mapping[str, Mapping[str, float]], threshold: float = 0.01) -> float:
    """Return the share of states whose actions a scorer tells apart.

    A state is differentiated when at least two actions were seen in it and their mean credits span more than
    ``threshold``. The share is of all states, as in the experiment that introduced the number, so states with a single
    action count against it. It measures how dense a signal is, not whether it is right: a random scorer gets close to
    its maximum.

    Args:
        table: mean credits, from :func:`preference_table`.
        threshold: least span that counts, in the scorer's units.

    Returns:
        A share in [0, 1]; 0 for an empty table.
    """
    spans = [max(means.values()) - min(means.values()) for means in table.values()]
    return sum(span > threshold for span in spans) / len(spans) if spans else 0.0


def _token_spans(episode: Episode) -> Iterable[tuple[int, int] | None]:
    if episode.policy_logprobs is None:
        return repeat(None, len(episode))
    return pairwise(accumulate(map(len, episode.policy_logprobs), initial=0))

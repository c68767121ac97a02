"""What every trainer's format starts from: the credited turns of some episodes, each with its chat."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple, TypeAlias

from credit_gym.data.episode import Episode
from credit_gym.errors import BatchError
from credit_gym.formats.turn_table import legal_text

Credit: TypeAlias = Sequence[Sequence[float | None] | None]
"""One scorer's credits: for each episode one number a step; None (or NaN) where a step or a whole episode has none."""

Row: TypeAlias = dict[str, Any]


class CreditedTurn(NamedTuple):
    """A step of an episode and what it is worth.

    Attributes:
        episode: the episode.
        step: index of the step within it.
        credit: its credit, finite.
    """

    episode: Episode
    step: int
    credit: float

    @property
    def state(self) -> tuple[str, str]:
        """What turns are compared within: the task and the true state before the step."""
        return self.episode.task_id, self.episode.state_keys[self.step]

    @property
    def action(self) -> str:
        """The action as it was sent to the environment."""
        return legal_text(self.episode.actions[self.step])

    @property
    def prompt(self) -> list[dict[str, str]]:
        """The chat that the action answered; one is made of the goal and the history if none was recorded."""
        recorded = self.episode.messages[self.step] if self.episode.messages is not None else ()
        if recorded:
            return [
                {"role": str(message["role"]), "content": legal_text(str(message["content"]))} for message in recorded
            ]
        return list(_transcript(self.episode, self.step))

    @property
    def tokens(self) -> dict[str, list[int] | list[float | None] | None]:
        """Token ids and log-probabilities; None where the backend gave none, which is not the same as empty."""
        return {
            "prompt_token_ids": _column(self.episode.prompt_token_ids, self.step),
            "token_ids": _column(self.episode.token_ids, self.step),
            "logprobs": _column(self.episode.policy_logprobs, self.step),
        }


def credited_turns(episodes: Sequence[Episode], credit: Credit) -> Iterator[CreditedTurn]:
    """Yield the turns that have a credit, in order.

    Args:
        episodes: E episodes.
        credit: E rows of credits.

    Raises:
        BatchError: the credits do not match the episodes.
    """
    if len(credit) != len(episodes) or any(
        row is not None and len(row) != len(episode) for episode, row in zip(episodes, credit, strict=True)
    ):
        raise BatchError("The credits must be one row per episode and one number per step.")
    for episode, row in zip(episodes, credit, strict=True):
        for step, value in enumerate(row or ()):
            if value is not None and not math.isnan(value):
                yield CreditedTurn(episode, step, float(value))


def action_credits(turns: Iterable[CreditedTurn]) -> dict[tuple[str, str], dict[str, float]]:
    """Return the mean credit of every action seen in every state, ``{(task, state): {action: mean credit}}``."""
    seen: dict[tuple[str, str], dict[str, list[float]]] = {}
    for turn in turns:
        seen.setdefault(turn.state, {}).setdefault(turn.action, []).append(turn.credit)
    return {
        state: {action: math.fsum(values) / len(values) for action, values in actions.items()}
        for state, actions in seen.items()
    }


def _transcript(episode: Episode, step: int) -> Iterator[dict[str, str]]:
    if episode.goal:
        yield {"role": "system", "content": legal_text(episode.goal)}
    said = chain.from_iterable(zip(episode.observations[:step], episode.actions[:step], strict=True))
    for index, text in enumerate((*said, episode.observations[step])):
        yield {"role": ("user", "assistant")[index % 2], "content": legal_text(text)}


def _column(column: Sequence[Sequence[Any]] | None, step: int) -> list[Any] | None:
    row = column[step] if column is not None else ()
    return [None if isinstance(value, float) and math.isnan(value) else value for value in row] or None

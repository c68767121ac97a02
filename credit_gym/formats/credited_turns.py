"""What every trainer's format starts from: the credited turns of some episodes, each with its chat."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

from credit_gym.data.episode import Episode
from credit_gym.data.finish_reasons import is_cut
from credit_gym.errors import BatchError
from credit_gym.formats.json_values import legal
from credit_gym.formats.messages import Message, plain_message, reply
from credit_gym.formats.thoughts import take_thought
from credit_gym.formats.turn_table import legal_text

Credit: TypeAlias = Sequence[Sequence[float | None] | None]
"""One scorer's credits: for each episode one number a step; None (or NaN) where a step or a whole episode has none."""

Row: TypeAlias = dict[str, Any]

_UNLIKE = "The credits must be one row per episode and one number per step."


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
    def prompt(self) -> list[Message]:
        """The chat that the action answered; one is made of the goal and the history if none was recorded."""
        recorded = self.episode.messages[self.step] if self.episode.messages is not None else ()
        try:
            chat = map(plain_message, recorded) if recorded else _transcript(self.episode, self.step)
            return [legal(message) for message in chat]
        except (TypeError, KeyError) as error:
            where = f"before step {self.step} of episode {self.episode.episode_id!r}"
            raise BatchError(
                f"A message {where} cannot be written ({error}): record role, content and calls."
            ) from None

    @property
    def answer(self) -> Message:
        """The action as the assistant's message, tool calls as calls, the thought as ``reasoning_content``."""
        message: Message = legal(_answer(self.episode, self.step))
        return message

    @property
    def finish_reason(self) -> str | None:
        """Why the reply ended; None where that was not recorded."""
        reasons = self.episode.finish_reasons
        return legal_text(reasons[self.step]) or None if reasons is not None else None

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
    for episode, row in credited_episodes(episodes, credit):
        for step, value in enumerate(row):
            if value is not None:
                yield CreditedTurn(episode, step, value)


def credited_episodes(
    episodes: Sequence[Episode], credit: Credit, *, threshold: float = 0.0
) -> Iterator[tuple[Episode, list[float | None]]]:
    """Yield each episode, read once, with the credits of its steps; None for a step that has none.

    Args:
        episodes: E episodes.
        credit: E rows of credits.
        threshold: the size that a credit must reach to count as one; 0 takes all.

    Raises:
        BatchError: the credits do not match the episodes.
    """
    if len(credit) != len(episodes):
        raise BatchError(_UNLIKE)
    for episode, row in zip(episodes, credit, strict=True):
        if row is not None and len(row) != len(episode):
            raise BatchError(_UNLIKE)
        known = [None if value is None or math.isnan(value) else float(value) for value in row or [None] * len(episode)]
        yield episode, [None if value is None or abs(value) < threshold else value for value in known]


def without_cut(episodes: Sequence[Episode], credit: Credit) -> Credit:
    """Return credits in which a turn whose reply was cut (``length``, ``content_filter``, ``refusal``) has none.

    A turn whose finish reason was not recorded keeps its credit. The arguments are those of :func:`credited_turns`.
    """
    return [
        row
        if row is None or episode.finish_reasons is None
        else [None if is_cut(reason) else value for value, reason in zip(row, episode.finish_reasons, strict=True)]
        for episode, row in zip(episodes, credit, strict=True)
    ]


def action_credits(turns: Iterable[CreditedTurn]) -> dict[tuple[str, str], dict[str, float]]:
    """Return the mean credit of every action seen in every state, ``{(task, state): {action: mean credit}}``."""
    seen: dict[tuple[str, str], dict[str, list[float]]] = {}
    for turn in turns:
        seen.setdefault(turn.state, {}).setdefault(turn.action, []).append(turn.credit)
    return {
        state: {action: math.fsum(values) / len(values) for action, values in actions.items()}
        for state, actions in seen.items()
    }


def _transcript(episode: Episode, step: int) -> Iterator[Message]:
    if episode.goal:
        yield {"role": "system", "content": episode.goal}
    calls: Sequence[Any] = ()
    for t in range(step + 1):
        yield from _heard(episode.observations[t], calls)
        if t < step:
            yield _answer(episode, t)
            calls = episode.tool_calls[t] if episode.tool_calls is not None else ()


def _heard(observation: str, calls: Sequence[Any]) -> Iterator[Message]:
    """An observation as messages: what calls were answered with, each call having an answer, or what the user said."""
    if not calls:
        yield {"role": "user", "content": observation}
    for number, call in enumerate(calls, 1):  # which part answers which was not recorded: the last answer is the whole
        yield {"role": "tool", "content": observation if number == len(calls) else "", "tool_call_id": call["id"]}


def _answer(episode: Episode, step: int) -> Message:
    calls = episode.tool_calls[step] if episode.tool_calls is not None else ()
    thought = episode.thoughts[step] if episode.thoughts is not None else ""
    text = episode.actions[step]
    if calls:
        text = episode.replies[step] if episode.replies is not None else ""
        inline = take_thought(text)
        text = inline.rest if inline.thought == thought else text
    return reply(text, calls=calls, thought=thought)


def _column(column: Sequence[Sequence[Any]] | None, step: int) -> list[Any] | None:
    row = column[step] if column is not None else ()
    return [None if isinstance(value, float) and not math.isfinite(value) else value for value in row] or None

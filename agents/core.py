"""What an agent sees, what it answers, and where its randomness comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

from credit_gym import rng
from credit_gym.data.action_format import LINE, ActionFormat
from credit_gym.errors import CreditGymError


class Due(NamedTuple):
    """What an agent is told of the action that is due at one turn.

    Attributes:
        action_format: how it is written.
        admissible_actions: those on offer, empty where the environment does not list them.
        steps_left: most actions of the episode from this one on, None where nothing limits them.
    """

    action_format: ActionFormat = LINE
    admissible_actions: tuple[str, ...] = ()
    steps_left: int | None = None


class Context(NamedTuple):
    """One episode as it stands when its agent must act.

    Attributes:
        goal: the task in words.
        observation: what the environment last said.
        history: the earlier turns, ``(observation, action)`` each, oldest first.
        admissible_actions: the actions on offer, empty where the environment does not list them.
        info: the environment's last info; not to be changed.
        step: number of actions taken so far.
        seed: the 64-bit seed of the episode.
        action_format: how long the action is to be.
        earlier: what was told of the actions of the history, one each; empty where nobody knows.
    """

    goal: str
    observation: str
    history: tuple[tuple[str, str], ...]
    admissible_actions: tuple[str, ...]
    info: Mapping[str, Any]
    step: int
    seed: int
    action_format: ActionFormat = LINE
    earlier: tuple[Due, ...] = ()

    @property
    def due(self) -> Due:
        """What is told of the action that is due now."""
        return Due(self.action_format, self.admissible_actions, self.info.get("steps_left"))


class Action(str):
    """The text of an action together with how a language model came by it.

    It is a ``str``: environments and histories take it as it is, and an agent that knows nothing more may answer with
    a plain string. The recorder keeps the extra parts as columns of the :class:`~credit_gym.data.episode.Episode`.

    Attributes:
        messages: the chat that was answered.
        logprobs: log-probability of each action token under the policy, nats.
        token_ids: the action tokens.
        prompt_token_ids: the tokens of the chat that was answered.
        decoding: how the model's text became the action: ``free`` (as written), ``exact`` (as written, and admissible),
            ``constrained`` (the backend could write nothing else), ``nearest`` (the closest admissible one), ``cut``
            (the reply ended before its action).
        reply: what the model wrote, before it was read as an action.
        thought: reasoning that came with the reply and is no part of the action.
        finish_reason: why the reply ended: ``stop``, ``tool_calls``, ``length`` (it was cut short), ``content_filter``,
            ``refusal``, or a backend's own word.
        tool_calls: the tool calls that the action consists of, each a mapping with ``id``, ``name``, ``arguments``.
        usage: what the answer cost, such as ``{"prompt_tokens": 210, "completion_tokens": 9}``.
    """

    messages: tuple[Mapping[str, Any], ...]
    logprobs: tuple[float, ...]
    token_ids: tuple[int, ...]
    prompt_token_ids: tuple[int, ...]
    decoding: str
    reply: str
    thought: str
    finish_reason: str
    tool_calls: tuple[Mapping[str, Any], ...]
    usage: Mapping[str, float]

    def __new__(
        cls,
        text: str,
        *,
        messages: Sequence[Mapping[str, Any]] = (),
        logprobs: Sequence[float] = (),
        token_ids: Sequence[int] = (),
        prompt_token_ids: Sequence[int] = (),
        decoding: str = "",
        reply: str = "",
        thought: str = "",
        finish_reason: str = "",
        tool_calls: Sequence[Mapping[str, Any]] = (),
        usage: Mapping[str, float] | None = None,
    ) -> Action:
        """Return the text with its parts; what is left out is empty."""
        action = super().__new__(cls, text)
        action.messages = tuple(messages)
        action.logprobs = tuple(logprobs)
        action.token_ids = tuple(token_ids)
        action.prompt_token_ids = tuple(prompt_token_ids)
        action.decoding = decoding
        action.reply = reply
        action.thought = thought
        action.finish_reason = finish_reason
        action.tool_calls = tuple(tool_calls)
        action.usage = dict(usage or {})
        return action


@runtime_checkable
class Agent(Protocol):
    """Anything with a name that answers contexts with actions.

    The contexts of one call belong to different episodes, so an answer may depend on nothing but its own context and
    what the agent learned before the run: then an episode is the same whoever it is played beside. The runner calls
    ``act`` from several threads at once; :class:`credit_gym.agents.rollout.batching.Batched` turns those calls into
    batches for an agent that cannot take them.
    """

    @property
    def name(self) -> str:
        """Who played, in stores and reports."""
        ...

    def act(self, contexts: Sequence[Context], /) -> Sequence[str]:
        """Return one action for each context, in order."""
        ...


@runtime_checkable
class AsyncAgent(Protocol):
    """An agent that waits for a server: the runner awaits hundreds of its answers at once on one event loop."""

    @property
    def name(self) -> str:
        """Who played, in stores and reports."""
        ...

    async def act_async(self, context: Context, /) -> str:
        """Return the action for one context."""
        ...

    async def close(self) -> None:
        """Close what the agent holds open."""
        ...


Player: TypeAlias = Agent | AsyncAgent
"""Whoever can play an episode, called or awaited."""


def random_bits(context: Context, seed: int) -> int:
    """Return 64 random bits that depend on the agent's seed, the episode's seed and the step, and on nothing else."""
    return rng.derive(seed, context.seed, context.step)


def uniform_action(context: Context, bits: int) -> str:
    """Return the admissible action that 64 random bits choose.

    Raises:
        CreditGymError: the environment offers no actions to choose from.
    """
    actions = context.admissible_actions
    if not actions:
        raise CreditGymError(
            "The environment lists no admissible actions; play it with an agent that writes its own, not a random one."
        )
    return actions[bits * len(actions) >> 64]

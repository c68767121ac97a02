"""Playing on-policy: many episodes in lockstep, the tokens of the model kept as they were sampled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import gymnasium as gym

from credit_gym.agents.core import Action, Agent, Context
from credit_gym.agents.llm.completion import BatchBackend, Completion, Message, Request
from credit_gym.agents.llm.prompting import Prompting, read_action, request
from credit_gym.agents.turns import episode_turns, go_on
from credit_gym.episode import Episode
from credit_gym.errors import CreditGymError


class Seat(NamedTuple):
    """An episode to be played.

    Attributes:
        seed: of its reset and of the agent's draws.
        episode_id: id of its record.
        group_id: the episodes that it is compared with.
        task: number of its task.
    """

    seed: int
    episode_id: str
    group_id: str
    task: int


def check_growing(prompting: Prompting) -> None:
    """Refuse a prompting under which an episode is not one growing text sampled from the model itself.

    Raises:
        CreditGymError: earlier messages would change, or answers would be sampled from another distribution.
    """
    problems = {
        "its ask must be empty (a message must not change later)": bool(prompting.ask),
        "its history_turns must be left out (a message must not vanish later)": prompting.history_turns is not None,
        "its decoding must not be constrained (that samples from another distribution than the one trained)": (
            prompting.decoding == "constrained"
        ),
        "its temperature must be above 0": not prompting.temperature,
    }
    for problem, applies in problems.items():
        if applies:
            raise CreditGymError(f"A model cannot be trained with the prompting {prompting.name!r}: {problem}.")


def play_together(envs: Sequence[gym.Env[str, str]], agent: Agent, seats: Sequence[Seat]) -> list[Episode]:
    """Play one episode in each environment; all episodes in play make one call of the agent per turn.

    Args:
        envs: as many as there are seats, or more.
        agent: who plays.
        seats: the episodes.

    Returns:
        Their records, in order; one whose environment raised, or that the agent could not answer, has an ``error``.
    """
    turns = [
        episode_turns(
            env,
            agent_id=agent.name,
            seed=seat.seed,
            episode_id=seat.episode_id,
            group_id=seat.group_id,
            options={"task": seat.task},
        )
        for env, seat in zip(envs, seats, strict=False)
    ]
    moments: list[Context | Episode] = [go_on(turn, None) for turn in turns]
    while waiting := [(index, moment) for index, moment in enumerate(moments) if isinstance(moment, Context)]:
        answers = _answers(agent, [context for _, context in waiting])
        for (index, _), answer in zip(waiting, answers, strict=True):
            moments[index] = go_on(turns[index], answer)
    return [moment for moment in moments if isinstance(moment, Episode)]


class Conversations:
    """The chats of the episodes in play, the model's answers in them as they were sampled, thoughts included.

    Then each prompt begins with all tokens before it and an episode is one row of tokens. Episodes are told apart by
    their seeds: make one of these for every round.

    Args:
        prompting: how the model is asked and read, see :func:`check_growing`.
        spell: what some tokens spell, special ones left out.
        seed: fixes the sampling together with the episode's seed and the step.
    """

    def __init__(self, prompting: Prompting, spell: Callable[[Sequence[int]], str], seed: int = 0) -> None:
        self._prompting = prompting
        self._spell = spell
        self._seed = seed
        self._said: dict[int, list[Message]] = {}

    def asked(self, context: Context) -> Request:
        """Return the request for the next action, the chat's earlier answers with their tokens."""
        plain = request(context, self._prompting, self._seed)
        said = iter(self._said.get(context.seed, ()))
        return replace(
            plain, messages=tuple(next(said) if part["role"] == "assistant" else part for part in plain.messages)
        )

    def answered(self, context: Context, completion: Completion) -> Action:
        """Remember what the model said to :meth:`asked` and return the action that it means."""
        tokens = completion.token_ids
        said = {"role": "assistant", "content": self._spell(tokens), "token_ids": tokens}
        self._said.setdefault(context.seed, []).append(said)
        return read_action(completion, context, self._prompting)


class TokenAgent:
    """Plays such conversations with a model in this process.

    Args:
        backend: the model; it must give token ids.
        conversations: its chats.
    """

    def __init__(self, backend: BatchBackend, conversations: Conversations) -> None:
        self._backend = backend
        self._conversations = conversations

    @property
    def name(self) -> str:
        """The backend's name."""
        return self._backend.name

    def act(self, contexts: Sequence[Context], /) -> list[Action]:
        """Return one action per context; the contexts are of different episodes.

        Raises:
            BackendError: the model could not answer.
        """
        completions = self._backend.complete([self._conversations.asked(context) for context in contexts])
        return [
            self._conversations.answered(context, completion)
            for context, completion in zip(contexts, completions, strict=True)
        ]


def _answers(agent: Agent, contexts: Sequence[Context]) -> Sequence[str | Exception]:
    """The actions; where one context cannot be answered (its chat is too long), that error alone in its place."""
    try:
        return agent.act(contexts)
    except CreditGymError as error:
        return [error] if len(contexts) == 1 else [_answers(agent, [context])[0] for context in contexts]

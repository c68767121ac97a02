"""Chats that only grow, the model's tokens in them as they were sampled: so an episode is one row of tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from credit_gym.agents.core import Action, Context
from credit_gym.agents.llm.completion import BatchBackend, Completion, Request
from credit_gym.agents.llm.prompting import Prompting, request, with_sampled_tokens
from credit_gym.agents.llm.reading import read_action
from credit_gym.errors import CreditGymError


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


class Conversations:
    """The chats of the episodes in play, the model's answers in them as they were sampled, thoughts included.

    Then each prompt begins with all tokens before it and an episode is one row of tokens. Tools are therefore left to
    the text: what a chat template makes of a call need not be what was sampled.

    Args:
        prompting: how the model is asked and read, see :func:`check_growing`.
        spell: what some tokens spell, special ones left out.
        seed: fixes the sampling together with the episode's seed and the step.
    """

    def __init__(self, prompting: Prompting, spell: Callable[[Sequence[int]], str], seed: int = 0) -> None:
        self._prompting, self._spell, self._seed = replace(prompting, tools="text"), spell, seed

    def asked(self, context: Context) -> Request:
        """Return the request for the next action, the chat's earlier answers with their tokens."""
        plain = with_sampled_tokens(request(context, self._prompting, self._seed), context)
        return replace(
            plain,
            messages=tuple(
                {**part, "content": self._spell(part["token_ids"])} if "token_ids" in part else part
                for part in plain.messages
            ),
        )

    def answered(self, context: Context, completion: Completion) -> Action:
        """Return the action that an answer to :meth:`asked` means."""
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

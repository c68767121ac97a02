"""One episode played through somebody else's chat: what is said to the model at each turn, and what its reply does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import gymnasium as gym

from credit_gym.agents.core import Context
from credit_gym.agents.learning.conversations import check_growing
from credit_gym.agents.llm.completion import Completion, Message
from credit_gym.agents.llm.prompting import load_prompting, messages
from credit_gym.agents.llm.reading import read_action
from credit_gym.agents.rollout.turns import cut_short, episode_turns, go_on
from credit_gym.data.episode import Episode
from credit_gym.wrappers import RecordVerifier


class GrowingPlay:
    """Plays one episode. The chat is kept by whoever asks the model, so it may only grow; calls stand in its text.

    Args:
        env_id: id of the environment.
        env_args: its arguments.
        seed: of the reset.
        task: number of the task; None lets the seed pick one.
        episode_id: id of the record.
        group_id: group of the record.
        agent_id: who plays.
        prompting: a name or a YAML file: how the model is asked and read.

    Raises:
        CreditGymError: under that prompting earlier messages would change.
    """

    def __init__(
        self,
        env_id: str,
        env_args: Mapping[str, Any],
        *,
        seed: int,
        task: int | None,
        episode_id: str,
        group_id: str,
        agent_id: str,
        prompting: str = "plain",
    ) -> None:
        asked = load_prompting(prompting)
        check_growing(asked)
        self._prompting = replace(asked, tools="text")
        self._env = _Earning(gym.make(env_id, **env_args))
        self._turns = episode_turns(
            RecordVerifier(self._env),
            agent_id=agent_id,
            seed=seed,
            episode_id=episode_id,
            group_id=group_id,
            options=None if task is None else {"task": task},
        )
        self._said = 0
        self._moment: Context | Episode | None = None

    @property
    def episode(self) -> Episode | None:
        """The record, None as long as the episode is under way."""
        return self._moment if isinstance(self._moment, Episode) else None

    @property
    def reward(self) -> float:
        """What the last reply earned."""
        return self._env.earned

    def begin(self) -> list[Message]:
        """Return what the chat begins with; nothing where the environment could not begin."""
        self._moment = go_on(self._turns, None)
        return self._new()

    def reply(self, text: str, *, thought: str = "", finish_reason: str = "") -> list[Message]:
        """Play what a reply means and return what is said next; nothing where the episode is over."""
        assert isinstance(self._moment, Context), "there is no episode under way"
        answered = Completion(text=text, thought=thought, finish_reason=finish_reason)
        self._env.earned = 0.0
        try:
            action: Any = read_action(answered, self._moment, self._prompting)
        except Exception as error:  # noqa: BLE001 - it ends the episode and is recorded there
            action = error
        self._moment = go_on(self._turns, action)
        return self._new()

    def leave(self) -> Episode:
        """Stop here: an episode under way is truncated. Return the record."""
        if isinstance(self._moment, Context):
            self._moment = cut_short(self._turns)
        assert isinstance(self._moment, Episode), "the episode never began"
        return self._moment

    def close(self) -> None:
        """Close the environment."""
        self._env.close()

    def _new(self) -> list[Message]:
        """What was not said yet; the assistant's last message is known to whoever keeps the chat."""
        if not isinstance(self._moment, Context):
            return []
        chat = messages(self._moment, self._prompting)
        new = chat[self._said :]
        self._said = len(chat) + 1
        return list(new)


class _Earning(gym.Wrapper[str, str, str, str]):
    """Keeps what the last step earned."""

    earned = 0.0

    def step(self, action: str) -> Any:
        result = self.env.step(action)
        self.earned = float(result[1])
        return result

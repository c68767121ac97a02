"""SkyRL-Gym 0.4: every environment as a ``BaseTextEnv``, asked as our prompting asks.

What a step earns is the environment's own reward. Credit needs whole groups, which an environment there never sees:
:func:`credit_gym.agents.learning.skyrl.generator_output` gives it where the generator is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from credit_gym.agents.harnesses.growing_play import GrowingPlay
from credit_gym.data.episode import Episode
from credit_gym.errors import CreditGymError, missing_extra

try:
    import skyrl_gym
    from skyrl_gym.envs.base_text_env import BaseTextEnv
except ModuleNotFoundError as error:
    raise missing_extra(error.name or "skyrl_gym", "skyrl") from None


def register(env_id: str, *, prompting: str = "plain", **env_args: Any) -> str:
    """Register an environment with SkyRL-Gym, in the process that makes its environments; again is harmless.

    Args:
        env_id: its Gymnasium id, which is its name there (``env_class`` of a row).
        prompting: a name or a YAML file: how the model is asked and read; its chat may only grow.
        env_args: its arguments.

    Returns:
        The name.
    """
    skyrl_gym.registry.pop(env_id, None)
    kwargs = {"env_id": env_id, "env_args": env_args, "prompting": prompting}
    skyrl_gym.register(id=env_id, entry_point=f"{__name__}:SkyRLGame", kwargs=kwargs)
    return env_id


class SkyRLGame(BaseTextEnv):  # type: ignore[misc, unused-ignore]  # its package has no types
    """Plays one episode. A row of the data says ``seed`` and ``task``; its own prompt is not shown.

    Args:
        env_id: id of the environment.
        env_args: its arguments.
        prompting: how the model is asked and read.
        env_config: SkyRL's configuration of the environment; it has nothing to say here.
        extras: the row's other columns, and ``max_turns`` of the generator, after which the episode is truncated.

    Raises:
        CreditGymError: the row has neither seed nor task.
    """

    def __init__(
        self,
        env_id: str,
        env_args: Mapping[str, Any],
        prompting: str = "plain",
        env_config: Any = None,
        extras: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        row = extras or {}
        if row.get("seed") is None and row.get("task") is None:
            raise CreditGymError(f"A row of {env_id} needs a column seed or task: they say which game is played.")
        task, seed = row.get("task"), int(row.get("seed") or 0)
        self.max_turns = int(row.get("max_turns") or 1 << 62)
        self._play = GrowingPlay(
            env_id,
            env_args,
            seed=seed,
            task=None if task is None else int(task),
            episode_id="",
            group_id=str(seed if task is None else task),
            agent_id="skyrl",
            prompting=prompting,
        )

    @property
    def episode(self) -> Episode | None:
        """The record, None as long as the episode is under way."""
        return self._play.episode

    def init(self, prompt: Any) -> tuple[list[Any], dict[str, Any]]:
        """Return the chat that asks for the first action.

        Raises:
            CreditGymError: the environment cannot begin.
        """
        chat = self._play.begin()
        if self.episode is not None:
            raise CreditGymError(f"The game cannot begin: {self.episode.error}")
        return [dict(message) for message in chat], {}

    def step(self, action: str) -> dict[str, Any]:
        """Play what a reply means. A failure of the environment ends the episode, and is in its ``metadata``."""
        news = self._play.reply(action)
        self.turns += 1
        if self.turns >= self.max_turns:
            self._play.leave()
        episode = self.episode
        return {
            "observations": [dict(message) for message in news] if episode is None else [],
            "reward": self._play.reward,
            "done": episode is not None,
            "metadata": {"error": episode.error} if episode is not None and episode.error else {},
        }

    def get_metrics(self) -> dict[str, Any]:
        """Return ``success``, ``return`` and ``failed`` of the episode; nothing as long as it is under way."""
        if (episode := self.episode) is None:
            return {}
        failed = episode.error is not None
        return {"success": float(episode.success), "return": float(episode.episode_return), "failed": float(failed)}

    def close(self) -> None:
        """Close the environment."""
        self._play.close()

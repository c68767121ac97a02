"""The multi-agent environments as a PettingZoo AEC environment: every role is an agent."""

from __future__ import annotations

from typing import Any

from gymnasium.spaces import Dict

from credit_gym.envs.team.env import MultiAgentCode, MultiAgentMath
from credit_gym.envs.team.turns import MultiAgentEnv
from credit_gym.errors import missing_extra
from credit_gym.spaces import FreeText

try:
    from pettingzoo import AECEnv
except ImportError as error:
    raise missing_extra("pettingzoo", "pettingzoo") from error


Observation = dict[str, str]


class TeamAEC(AECEnv[str, Observation, str | None]):  # type: ignore[misc]  # PettingZoo ships no types
    """A team as PettingZoo agents that act one after another (Terry et al., 2021, arXiv 2009.14471).

    Every agent speaks once, in the order of the role graph, and hears its ancestors. The verdict on the last message is
    the reward of all of them. An observation is ``{"text": ...}``: PettingZoo takes bare observations for arrays.

    Args:
        env: the environment whose roles are the agents.
    """

    def __init__(self, env: MultiAgentEnv[Any]) -> None:
        super().__init__()
        self.metadata = {"name": "credit_team_v0", "render_modes": ["ansi"], "is_parallelizable": False}
        self.env = env
        self.render_mode = env.render_mode
        self.possible_agents = list(env.roles.order)
        self._spaces = {role: (Dict({"text": FreeText()}), FreeText()) for role in self.possible_agents}

    def observation_space(self, agent: str) -> Dict:
        """Return the space of an agent's observations."""
        return self._spaces[agent][0]

    def action_space(self, agent: str) -> FreeText:
        """Return the space of an agent's messages: any text."""
        return self._spaces[agent][1]

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> None:
        """Start an episode; ``options={"task": i}`` picks the problem, else the seed does.

        Other options are passed over, not refused: PettingZoo's own test of environments gives one that none has.
        """
        known = {name: value for name, value in (options or {}).items() if name in self.env.reset_options}
        _, info = self.env.reset(seed=seed, options=known)
        self.agents = self.possible_agents[:]
        self.rewards = dict.fromkeys(self.agents, 0.0)
        self._cumulative_rewards = dict.fromkeys(self.agents, 0.0)
        self.terminations = dict.fromkeys(self.agents, False)
        self.truncations = dict.fromkeys(self.agents, False)
        self.infos = {agent: dict(info) for agent in self.agents}
        self.agent_selection = self.agents[0]

    def step(self, action: str | None) -> None:
        """Say the selected agent's message; after the last one every agent has its reward and is done."""
        agent = self.agent_selection
        if self.terminations[agent] or self.truncations[agent]:
            self._was_dead_step(action)
            return
        _, reward, terminated, _, info = self.env.step("" if action is None else action)
        self._cumulative_rewards[agent] = 0.0
        self.infos = {other: dict(info) for other in self.agents}
        self.rewards = dict.fromkeys(self.agents, reward)
        self.terminations = dict.fromkeys(self.agents, terminated)
        self.agent_selection = self.agents[0] if terminated else info["role"]
        self._accumulate_rewards()

    def observe(self, agent: str) -> Observation:
        """Return what an agent may know now."""
        return {"text": self.env.view(agent)}

    def render(self) -> str | None:
        """Return the observation of the agent whose turn it is, in ``ansi`` mode."""
        return self.env.render()

    def close(self) -> None:
        """Close the environment."""
        self.env.close()


def math_team(**options: Any) -> TeamAEC:
    """Return :class:`~credit_gym.envs.team.env.MultiAgentMath` with these options as an AEC environment."""
    return TeamAEC(MultiAgentMath(**options))


def code_team(**options: Any) -> TeamAEC:
    """Return :class:`~credit_gym.envs.team.env.MultiAgentCode` with these options as an AEC environment."""
    return TeamAEC(MultiAgentCode(**options))

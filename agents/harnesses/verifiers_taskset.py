"""verifiers 0.4 (v1): every environment as a taskset, with an environment that plays its tasks and credits each turn.

verifiers finds a taskset by the name of an installed module of its own, which takes from here what it needs::

    from credit_gym.agents.harnesses.verifiers_taskset import GameEnv, GameTaskset

    __all__ = ["GameEnv", "GameTaskset"]

A rollout of the environment is a group: one task, played several times. When all are done a scorer credits their turns,
in ``advantages`` of the nodes that were sampled (where there are tokens), and in ``info["credits"]`` of each trace.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import gymnasium as gym

from credit_gym import rng
from credit_gym.agents.harnesses.growing_play import GrowingPlay
from credit_gym.agents.learning.prime_rl import assign_credits
from credit_gym.data.episode import Episode
from credit_gym.errors import CreditGymError, missing_extra
from credit_gym.formats.verifiers import verifiers_rows
from credit_gym.scorers import DEFAULT

try:
    import verifiers.v1 as vf
    from pydantic import Field
    from verifiers.v1.types import AssistantMessage
except ModuleNotFoundError as error:
    raise missing_extra(error.name or "verifiers", "verifiers") from None

__all__ = ["GameEnv", "GameTaskset"]


class GameData(vf.TaskData):  # type: ignore[misc, unused-ignore]
    """A task: which environment, which of its tasks, and the seed of the group."""

    env: str
    env_args: dict[str, Any]
    task: int | None
    seed: int


class GameTasksetConfig(vf.TasksetConfig):  # type: ignore[misc, unused-ignore]
    """What is played."""

    env: str = "credit/ALFWorld-v0"
    """Gymnasium id of the environment."""
    env_args: dict[str, Any] = Field(default_factory=dict)
    """Its arguments."""
    tasks: int | None = None
    """How many tasks there are; by default all of the environment, 100 seeds where it counts none."""
    seed: int = 0
    """Fixes the seeds of the groups."""


class GameTask(vf.Task[GameData]):  # type: ignore[misc, unused-ignore]
    """One task of an environment."""

    @property
    def key(self) -> str:
        """The environment, its arguments, the task and the seed: where it lies in the taskset does not matter."""
        data = self.data
        return f"{data.env}/{sorted(data.env_args.items())}/{data.task}/{data.seed}"


class GameTaskset(vf.Taskset[GameTask, GameTasksetConfig]):  # type: ignore[misc, unused-ignore]
    """The tasks of one environment."""

    def load(self) -> Iterator[GameTask]:
        """Yield the tasks in the environment's order."""
        config = self.config
        game = gym.make(config.env, **config.env_args)
        known = getattr(game.unwrapped, "num_tasks", None)
        game.close()
        for index in range(config.tasks or known or 100):
            yield GameTask(
                GameData(
                    name=f"{config.env}#{index}",
                    env=config.env,
                    env_args=config.env_args,
                    task=index % known if known else None,
                    seed=rng.derive(config.seed, index) >> 1,  # 63 bits, for readers of JSON
                ),
                config.task,
            )


class GameEnvConfig(vf.EnvConfig):  # type: ignore[misc, unused-ignore]
    """How it is played and credited."""

    player: vf.AgentConfig = vf.AgentConfig(harness={"id": "null"}, runtime={"type": "subprocess"})
    """Who plays: a chat without tools, on this machine."""
    group_size: int = Field(8, ge=1)
    """How often a task is played; the scorer compares these."""
    scorer: str = DEFAULT
    """A registered scorer."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Its options, and ``key``, what states are pooled by."""
    prompting: str = "plain"
    """A name or a YAML file; its chat may only grow."""


class GameEnv(vf.Env[GameEnvConfig]):  # type: ignore[misc, unused-ignore]
    """Plays a task ``group_size`` times and credits every turn."""

    def __init__(self, config: GameEnvConfig) -> None:
        super().__init__(config)
        self._played: dict[str, Episode] = {}

    async def run(self, task: Any, agents: vf.Agents) -> None:
        """Play the group; as many at once as ``max_concurrent_agents`` allows."""
        done: list[str] = []
        try:
            async with asyncio.TaskGroup() as group:
                for member in range(self.config.group_size):
                    group.create_task(self._play(task, agents.player, member, done))
        except BaseException:
            for trace in done:
                del self._played[trace]  # nobody will finish this group
            raise

    async def finalize(self, task: Any, episode: vf.Episode) -> None:
        """Credit the turns of the group's traces.

        Raises:
            BatchError: a harness sampled more or fewer messages than there were turns.
        """
        traces = [trace for trace in episode.traces if trace.id in self._played]
        played = [self._played.pop(trace.id) for trace in traces]
        taken = [index for index, each in enumerate(played) if len(each)]
        if not taken:
            return
        credited = [traces[index] for index in taken]
        options = self.config.options
        credits = assign_credits(credited, [played[index] for index in taken], self.config.scorer, **options)
        for trace, earned in zip(credited, credits, strict=True):
            trace.info |= {"scorer": self.config.scorer, "credits": earned}

    async def _play(self, task: Any, player: vf.Agent, member: int, done: list[str]) -> None:
        data: GameData = task.data
        play = GrowingPlay(
            data.env,
            data.env_args,
            seed=rng.derive(data.seed, member),
            task=data.task,
            episode_id=f"{data.name}-{member}",
            group_id=task.key,
            agent_id="verifiers",
            prompting=self.config.prompting,
        )
        try:
            chat = await asyncio.to_thread(play.begin)
            system = "\n\n".join(message["content"] for message in chat if message["role"] == "system")
            said: list[Any] = [dict(message) for message in chat if message["role"] != "system"]
            asked = task.with_data(prompt=None, system_prompt=system or None)
            async with player.interaction(asked) as interaction:
                while play.episode is None:
                    segment = await interaction.turn(said)
                    if segment.terminated:
                        break
                    news = await asyncio.to_thread(play.reply, segment.last_reply, thought=_thought(segment))
                    said = [dict(message) for message in news]
                episode = play.leave()
                if episode.error is not None:
                    raise CreditGymError(f"The game did not complete: {episode.error}")
        finally:
            play.close()
        trace = interaction.trace
        trace.record_reward("return", float(episode.episode_return))
        trace.record_metric("success", float(episode.success))
        (row,) = verifiers_rows([episode], [(None,) * len(episode)])
        trace.info |= row["info"]  # true states, seeds and signals: what comes back by `credit-gym import`
        if trace.ok:  # the model answered as long as it was asked
            self._played[trace.id] = episode
            done.append(trace.id)


def _thought(segment: vf.Segment) -> str:
    spoken = [message for message in segment.messages if isinstance(message, AssistantMessage)]
    return (spoken[-1].reasoning_content or "") if spoken else ""

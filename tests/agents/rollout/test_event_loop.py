"""An environment never holds the event loop: what may take long says so, and is played on a thread."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import gymnasium as gym
import pytest
from builders.corridor import Corridor

from credit_gym import rng
from credit_gym.agents import Context, run_episodes
from credit_gym.envs.alfworld.env import ALFWorldEnv
from credit_gym.envs.tau2.env import Tau2Env
from credit_gym.envs.team.env import MultiAgentCode, MultiAgentMath
from credit_gym.registration import ENVIRONMENTS

LONGEST_HOLD = 0.05  # seconds


class Ticking:
    """Answers as its text says while a task beside it measures for how long the event loop stands still."""

    name = "ticking"

    def __init__(self, text: str = "") -> None:
        self.text = text
        self.longest = 0.0  # seconds of this thread's work between two ticks
        self._ticks: asyncio.Task[None] | None = None

    async def act_async(self, context: Context) -> str:
        if self._ticks is None:
            self._ticks = asyncio.create_task(self._tick())
        for _ in range(3):
            await asyncio.sleep(0)
        offered = context.admissible_actions
        return self.text or (offered[rng.derive(context.seed, context.step) % len(offered)] if offered else "look")

    async def close(self) -> None:
        if self._ticks is not None:
            self._ticks.cancel()

    async def _tick(self) -> None:
        while True:
            begun = time.thread_time()  # a busy machine is no hold
            await asyncio.sleep(0)
            self.longest = max(self.longest, time.thread_time() - begun)


@pytest.mark.slow
@pytest.mark.parametrize("env_id", [spec.id for spec in ENVIRONMENTS])
@pytest.mark.parametrize("text", ["", "is it " * 800, "[" * 19_000], ids=["played", "words", "brackets"])
def test_no_environment_holds_the_event_loop(env_id: str, text: str) -> None:
    held = []
    for _ in range(3):
        agent = Ticking(text)
        played = run_episodes(lambda: gym.make(env_id), agent, episodes=4, seed=3, workers=2)
        assert [episode.error for episode in played] == [None] * 4
        held.append(agent.longest)
        if held[-1] < LONGEST_HOLD:
            break
    assert min(held) < LONGEST_HOLD, held


@pytest.mark.slow
def test_what_may_take_long_is_played_beside_the_loop() -> None:
    class Long(Corridor):
        blocking = True

        def step(self, action: str) -> Any:
            begun = time.thread_time()
            while time.thread_time() - begun < 0.1:
                pass
            return super().step(action)

    agent = Ticking()
    run_episodes(Long, agent, episodes=1, seed=0, workers=1)
    assert agent.longest < LONGEST_HOLD


def test_environments_say_what_they_may_wait_for() -> None:
    assert MultiAgentMath.blocking  # math-verify
    assert MultiAgentCode.blocking  # a sandbox
    assert Tau2Env(user=lambda messages: "yes").blocking
    assert not Tau2Env().blocking
    assert not ALFWorldEnv().blocking

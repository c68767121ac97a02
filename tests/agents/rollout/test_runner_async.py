"""Async agents play the same episodes, hundreds at a time, on one event loop; what fails or is capped is data."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from typing import Any

import pytest
from builders.corridor import Corridor
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_gym import rng
from credit_gym.agents import Batched, Context, NoisyExpert, run_episodes
from credit_gym.agents.rollout.run_state import episode_id, stop_reason
from credit_gym.agents.rollout.runner import open_agent, usual_workers
from credit_gym.errors import BudgetError
from credit_gym.wrappers import RecordVerifier

EXPERT = NoisyExpert(0.4, seed=2)


def corridor() -> RecordVerifier:
    return RecordVerifier(Corridor())


class Server:
    """NoisyExpert behind a network: other episodes go on before it answers."""

    name = EXPERT.name

    def __init__(self) -> None:
        self.closed = False

    async def act_async(self, context: Context) -> str:
        for _ in range(rng.derive(context.seed, context.step) % 3):
            await asyncio.sleep(0)
        return EXPERT.act([context])[0]

    async def close(self) -> None:
        self.closed = True


def run(agent: Any = None, make_env: Any = corridor, **options: Any) -> Any:
    return run_episodes(make_env, agent or Server(), **{"episodes": 12, "seed": 7, **options})


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    workers=st.integers(1, 8),
    group_size=st.integers(1, 5),
    blocking=st.sampled_from((True, False)),
)
def test_an_async_agent_plays_the_episodes_of_an_ordinary_one(
    seed: int, workers: int, group_size: int, blocking: bool
) -> None:
    alone = run(EXPERT, seed=seed, group_size=group_size)
    assert run(seed=seed, group_size=group_size, workers=workers, blocking=blocking) == alone


def test_hundreds_of_episodes_are_in_play_at_once() -> None:
    together = asyncio.Barrier(300)

    class Patient(Server):
        async def act_async(self, context: Context) -> str:
            if context.step == 0:
                await together.wait()
            return await super().act_async(context)

    assert run(Patient(), episodes=600, workers=300) == run(EXPERT, episodes=600)


def test_no_episode_waits_for_the_slowest_one() -> None:
    """The first episode answers only when all the others are over."""
    ended, others = [], asyncio.Event()

    class Slow(Server):
        async def act_async(self, context: Context) -> str:
            if context.seed == rng.derive(7, 0) and len(ended) < 19:
                await others.wait()
            return await super().act_async(context)

    class Counted(Corridor):
        def step(self, action: str) -> Any:
            result = super().step(action)
            if result[2] or result[3]:
                ended.append(action)
                if len(ended) == 19:
                    others.set()
            return result

    played = run(Slow(), make_env=lambda: RecordVerifier(Counted()), episodes=20, workers=2)
    assert [episode.error for episode in played] == [None] * 20


def test_blocking_environments_wait_side_by_side_each_in_a_thread_of_its_own() -> None:
    together = threading.Barrier(4)
    threads: dict[int, set[int]] = {}

    class Waiting(Corridor):
        blocking = True
        first = True

        def note(self) -> None:
            threads.setdefault(id(self), set()).add(threading.get_ident())

        def __init__(self) -> None:
            super().__init__()
            self.note()

        def step(self, action: str) -> Any:
            self.note()
            if self.first:
                together.wait(timeout=30)
            self.first = False
            return super().step(action)

        def close(self) -> None:
            self.note()
            super().close()

    kept = []  # so that no id is used twice

    def make() -> RecordVerifier:
        kept.append(Waiting())
        return RecordVerifier(kept[-1])

    played = run(make_env=make, episodes=8, workers=4)
    assert [episode.error for episode in played] == [None] * 8
    assert all(env.closed for env in kept)
    used = [threads[id(env)] for env in kept[1:]]  # the first was only looked at
    assert len(used) == 4
    assert all(len(own) == 1 for own in used)
    assert len(set.union(*used)) == 4


def test_a_run_may_be_started_inside_an_event_loop() -> None:
    async def notebook() -> Any:
        return run(workers=4)

    assert asyncio.run(notebook()) == run(EXPERT)


def test_whatever_raises_fails_its_own_episode_only() -> None:
    class Unlucky(Server):
        async def act_async(self, context: Context) -> Any:
            if context.seed == rng.derive(7, 4):
                raise ConnectionError("reset by peer")
            return 5 if context.seed == rng.derive(7, 6) else await super().act_async(context)

    envs = []

    def fragile() -> RecordVerifier:
        envs.append(Corridor(broken_task=1))
        return RecordVerifier(envs[-1])

    played, whole = run(Unlucky(), make_env=fragile, workers=5), run(EXPERT)
    causes = {4: "ConnectionError: reset by peer", 6: "TypeError: the agent answered int, not text"}
    for number, (episode, expected) in enumerate(zip(played, whole, strict=True)):
        if number in causes or number % 3 == 1:
            assert episode.error == causes.get(number, "RuntimeError: the floor gave way")
            assert (episode.success, episode.terminated, episode.truncated) == (False, False, False)
        else:
            assert episode == expected
    assert all(env.closed for env in envs)


class Capped(Server):
    """May answer so many times."""

    def __init__(self, answers: int) -> None:
        super().__init__()
        self.left, self.lock = answers, threading.Lock()

    def spend(self) -> None:
        with self.lock:
            self.left -= 1
            if self.left < 0:
                raise BudgetError("The cap is reached. Raise it.")

    async def act_async(self, context: Context) -> str:
        self.spend()
        return await super().act_async(context)


class CappedThreads(Capped):
    act_async = None  # type: ignore[assignment]

    def act(self, contexts: Any) -> Any:
        self.spend()
        return EXPERT.act(contexts)


@pytest.mark.parametrize(("kind", "workers"), [(Capped, 1), (Capped, 6), (CappedThreads, 1), (CappedThreads, 6)])
def test_at_a_cap_nothing_more_is_started_and_the_rest_can_be_played_later(kind: Any, workers: int) -> None:
    agent: Any = kind(40)
    seen: list[Any] = []
    played = run(agent, episodes=100, workers=workers, sink=seen.append)
    failed = [episode for episode in played if episode.error is not None]
    assert stop_reason(played) == "The cap is reached. Raise it."
    assert 1 <= len(failed) <= workers
    assert len(played) < 30
    assert -agent.left == len(failed)  # each of those in play asked once more, and nobody else did
    assert sorted(seen, key=played.index) == played
    completed = [episode for episode in played if episode.error is None]
    rest = run(EXPERT, episodes=100, resume_done={episode.episode_id for episode in completed})
    number = {episode_id(7, n): n for n in range(100)}
    assert sorted(completed + rest, key=lambda e: number[e.episode_id]) == run(EXPERT, episodes=100)


def test_a_run_that_met_no_cap_has_no_reason_to_stop() -> None:
    assert stop_reason(run()) is None


@pytest.mark.usefixtures("control_c")
def test_control_c_leaves_at_once_although_a_server_never_answers() -> None:
    seen: list[Any] = []

    class Silent(Server):
        async def act_async(self, context: Context) -> str:
            if context.seed == rng.derive(7, 50):
                while not seen:  # the main thread may be late
                    await asyncio.sleep(0)
                os.kill(os.getpid(), signal.SIGINT)
                await asyncio.Event().wait()
            return await super().act_async(context)

    with pytest.raises(KeyboardInterrupt):
        run(Silent(), episodes=200, workers=4, sink=seen.append)
    assert 0 < len(seen) < 200
    assert [episode for episode in run(EXPERT, episodes=200) if episode.episode_id in {e.episode_id for e in seen}] == (
        sorted(seen, key=lambda e: int(e.episode_id.split("-")[1]))
    )


def test_an_environment_that_cannot_be_built_again_ends_the_run_with_its_error() -> None:
    made: list[Corridor] = []
    asked_again = threading.Event()

    def once() -> Corridor:
        if made:
            asked_again.set()
            raise FileNotFoundError("no such game")
        made.append(Corridor())
        return made[0]

    class Patient(Server):
        """Does not play the first environment to the end of the run before a second was asked for."""

        async def act_async(self, context: Context) -> str:
            await asyncio.to_thread(asked_again.wait, 30)
            return await super().act_async(context)

    with pytest.raises(FileNotFoundError, match="no such game"):
        run(Patient(), make_env=once, workers=3)
    assert made[0].closed


def test_the_runner_leaves_an_agent_open_and_open_agent_closes_it() -> None:
    with open_agent(Server()) as agent:
        run(agent)
        assert not agent.closed
        assert run(agent) == run(EXPERT)
    assert agent.closed


def test_servers_and_models_play_more_at_a_time_than_others() -> None:
    assert usual_workers(Server()) > usual_workers(Batched(EXPERT)) > usual_workers(EXPERT) == 1

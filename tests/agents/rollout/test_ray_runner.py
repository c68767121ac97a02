"""On Ray: the same episodes to the byte, in other processes; a killed worker loses nothing and doubles nothing."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
from builders.corridor import Corridor
from builders.misbehaving import BAD, Misbehaving
from builders.small_ray import small_ray

from credit_gym import rng
from credit_gym.agents import Context, NoisyExpert, run_episodes
from credit_gym.agents.rollout.ray_runner import run_on_ray
from credit_gym.agents.rollout.ray_tasks import Workers
from credit_gym.agents.rollout.run_state import stop_reason
from credit_gym.errors import BudgetError, CreditGymError
from credit_gym.wrappers import RecordVerifier

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def _ray() -> Iterator[None]:
    with small_ray():
        yield


class Process(Corridor):
    """Writes a line into a folder for every episode that begins, and may kill its process at one of them."""

    def __init__(self, folder: Path, *, fatal_seed: int | None = None, always: bool = False) -> None:
        super().__init__()
        self.folder, self.fatal_seed, self.always = folder, fatal_seed, always

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        (self.folder / f"{os.getpid()}-{seed}").touch()
        if seed == self.fatal_seed:
            before = self.folder / "killed"
            if self.always or not before.exists():
                before.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return super().reset(seed=seed, options=options)


def make(folder: Path, **arguments: Any) -> RecordVerifier:
    return RecordVerifier(Process(folder, **arguments))


def expert() -> NoisyExpert:
    return NoisyExpert(0.4, seed=2)


class Server:
    """An async agent; every process has its own cap."""

    name = "server"

    def __init__(self, cap: int = 10**9) -> None:
        self.left = cap

    async def act_async(self, context: Context) -> str:
        await asyncio.sleep(0)
        self.left -= 1
        if self.left < 0:
            raise BudgetError("The cap is reached.")
        return expert().act([context])[0]

    async def close(self) -> None: ...


def on_ray(make_env: Callable[[], Any], make_agent: Callable[[], Any] = expert, **options: Any) -> Any:
    given = {"agent_id": "expert", "episodes": 60, "seed": 7, "workers": Workers(count=2), "chunk": 5, **options}
    return run_on_ray(make_env, make_agent, **given)


def pids(folder: Path) -> set[str]:
    return {path.name.split("-")[0] for path in folder.iterdir() if "-" in path.name}


def alone(folder: Path, agent: Any = None, **options: Any) -> Any:
    return run_episodes(partial(make, folder), agent or expert(), **{"episodes": 60, "seed": 7, **options})


def test_episodes_are_the_same_to_the_byte_and_played_elsewhere(tmp_path: Path) -> None:
    seen: list[Any] = []
    played = on_ray(partial(make, tmp_path), group_size=4, sink=seen.append)
    assert os.getpid() not in map(int, pids(tmp_path))
    assert len(pids(tmp_path)) == 2
    here = alone(tmp_path, group_size=4)
    assert [pickle.dumps(pickle.loads(pickle.dumps(e))) for e in played] == [
        pickle.dumps(pickle.loads(pickle.dumps(e))) for e in here
    ]
    assert sorted(e.episode_id for e in seen) == sorted(e.episode_id for e in here)


BAD_NAMES = ["reward nan", "reward inf", "reward none", "reward text", "verifier inf", "actions numbers", "info none"]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_bad_value_costs_its_own_episode_in_another_process_too(name: str) -> None:
    def misbehaving() -> RecordVerifier:
        return RecordVerifier(Misbehaving(BAD[name].change))

    played = on_ray(misbehaving, episodes=15)
    assert played == run_episodes(misbehaving, expert(), episodes=15, seed=7)
    errors = [episode.error for episode in played if episode.error]
    assert errors
    assert all(BAD[name].says in error for error in errors)


@pytest.mark.parametrize("reading", [float("nan"), float("inf"), "good", None])
def test_a_verifier_that_raises_or_reads_nonsense_costs_its_own_episode_in_another_process_too(reading: Any) -> None:
    def verifier(before: str, action: str, after: str, reward: float, info: dict[str, Any]) -> Any:
        if info["task"]["id"] != "corridor-2":
            return 0.5
        return 1 / 0 if reading is None else reading

    played = on_ray(lambda: RecordVerifier(Corridor(), verifier), episodes=15)
    assert {episode.task_id for episode in played if episode.error} == {"corridor-2"}
    assert all("verifier" in (episode.error or "verifier") for episode in played)


def test_the_episodes_of_a_killed_worker_are_played_again_and_none_is_doubled(tmp_path: Path) -> None:
    seen: list[Any] = []
    doomed = partial(make, tmp_path, fatal_seed=rng.derive(7, 17))
    played = on_ray(doomed, sink=seen.append)
    assert (tmp_path / "killed").exists()
    begun = [path.name.split("-")[0] for path in tmp_path.glob(f"*-{rng.derive(7, 17)}")]
    assert len(begun) == 2  # by the one that died, and by another
    assert played == alone(tmp_path)
    assert len(seen) == len({episode.episode_id for episode in seen}) == 60


def test_an_episode_that_no_worker_survives_is_recorded_as_failed_and_the_others_are_played(tmp_path: Path) -> None:
    played = on_ray(partial(make, tmp_path, fatal_seed=rng.derive(7, 3), always=True), episodes=10)
    whole = alone(tmp_path, episodes=10)
    assert "died every time" in played[3].error
    assert (played[3].success, len(played[3]), played[3].agent_id) == (False, 0, "expert")
    assert played[:3] + played[4:] == whole[:3] + whole[4:]


def test_an_async_agent_and_a_resumed_run(tmp_path: Path) -> None:
    whole = alone(tmp_path, Server())
    done = {episode.episode_id for episode in whole[::3]}
    assert on_ray(partial(make, tmp_path), Server, resume_done=done) == [
        episode for episode in whole if episode.episode_id not in done
    ]


def test_at_a_cap_no_further_chunk_is_started(tmp_path: Path) -> None:
    played = on_ray(partial(make, tmp_path), partial(Server, 30), episodes=400)
    assert stop_reason(played) == "The cap is reached."
    assert len(played) < 100


def test_what_cannot_be_built_ends_the_run_with_its_own_error(tmp_path: Path) -> None:
    def missing() -> Any:
        raise CreditGymError("There is no such game.")

    with pytest.raises(CreditGymError, match=r"^There is no such game\.$"):
        on_ray(missing)


def declaring() -> RecordVerifier:
    return RecordVerifier(gym.make("credit/ALFWorld-v0", max_steps=3, num_tasks=2))


def test_what_an_environment_declares_of_its_verifier_comes_back_from_the_workers() -> None:
    assert [episode.exact_verifier for episode in on_ray(declaring, expert, episodes=2)] == [True, True]

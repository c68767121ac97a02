"""Work that is spread by Ray: bounded, the same to the byte as here, nothing lost and nothing doubled by a death."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from builders.corridor import Corridor
from builders.small_ray import small_ray

from credit_gym import rng
from credit_gym.agents.replay.allocation import Adaptive, Allocation, FanOut, PerDecision
from credit_gym.agents.replay.ledger import Ledger
from credit_gym.agents.replay.points import Tree
from credit_gym.agents.replay.ray_replay import grow_on_ray
from credit_gym.agents.replay.tree import grow_trees
from credit_gym.agents.rollout.ray_tasks import Workers, cluster, map_chunks
from credit_gym.agents.scripted import NoisyExpert, RandomAgent
from credit_gym.baselines.speed import ray_speed
from credit_gym.baselines.studies import counterfactual
from credit_gym.envs.team.game import TeamGame
from credit_gym.errors import CreditGymError, MissingExtraError
from credit_gym.wrappers import RecordVerifier

pytestmark = pytest.mark.slow

TWO = Workers(count=2)


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    with small_ray(), cluster(TWO) as ray:
        yield ray


def die_once(note: Path) -> None:
    """Kill this process, unless it was done before."""
    if not note.exists():
        note.touch()
        os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def squares(folder: Path, fatal: int = -1, always: int = -1) -> Iterator[Any]:
    """A job that notes what it does, and whose process dies at one number once, at another always."""
    (folder / f"up-{os.getpid()}").touch()

    def work(numbers: Sequence[int]) -> list[tuple[int, int]]:
        for number in numbers:
            with (folder / "log").open("a") as log:
                log.write(f"{number}\n")
            if number == always:
                os.kill(os.getpid(), signal.SIGKILL)
            if number == fatal:
                die_once(folder / "killed")
        return [(number, number**2) for number in numbers]

    yield work


def in_chunks(items: int, size: int) -> deque[Sequence[int]]:
    return deque(range(start, min(start + size, items)) for start in range(0, items, size))


def test_every_item_is_done_once_by_few_workers_that_are_set_up_once(ray: Any, tmp_path: Path) -> None:
    job = partial(squares, tmp_path)
    found = [each for chunk in map_chunks(ray, job, in_chunks(30, 4), TWO, lost=_never) for each in chunk]
    assert sorted(found) == [(number, number**2) for number in range(30)]
    assert sorted(map(int, (tmp_path / "log").read_text().split())) == list(range(30))
    assert 1 <= len(list(tmp_path.glob("up-*"))) <= 2
    assert not (tmp_path / f"up-{os.getpid()}").exists()


def test_no_more_is_under_way_than_workers_can_take(ray: Any, tmp_path: Path) -> None:
    chunks = in_chunks(40, 1)
    results = map_chunks(ray, partial(squares, tmp_path), chunks, TWO, lost=_never)
    for taken in range(1, 11):
        next(results)
        assert len(chunks) >= 40 - taken - 3  # four at a time, of which one has just come back
    chunks.clear()
    assert len(list(results)) <= 3


def test_what_a_dead_worker_held_is_done_again_and_only_what_kills_always_is_lost(ray: Any, tmp_path: Path) -> None:
    job = partial(squares, tmp_path, fatal=5, always=11)
    lost = []

    def note(number: int, error: Exception) -> tuple[int, int]:
        lost.append(number)
        return number, -1

    found = [each for chunk in map_chunks(ray, job, in_chunks(20, 3), TWO, lost=note) for each in chunk]
    assert (tmp_path / "killed").exists()
    assert sorted(found) == sorted((number, -1 if number == 11 else number**2) for number in range(20))
    assert lost == [11]
    assert (tmp_path / "log").read_text().split().count("11") >= 3


def test_an_error_of_the_job_is_raised_here(ray: Any) -> None:
    @contextmanager
    def broken() -> Iterator[Any]:
        raise CreditGymError("There is no such game.")
        yield

    with pytest.raises(CreditGymError, match=r"^There is no such game\.$"):
        list(map_chunks(ray, broken, in_chunks(4, 1), TWO, lost=_never))


class Long(Corridor):
    """A corridor of four hundred steps whose process may die at one seed."""

    horizon = 400

    def __init__(self, folder: Path | None = None, fatal: int = -1, *, always: bool = False) -> None:
        super().__init__()
        self.folder, self.fatal, self.always = folder, fatal, always

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        if seed == self.fatal:
            assert self.folder is not None
            if self.always:
                os.kill(os.getpid(), signal.SIGKILL)
            die_once(self.folder / "killed")
        return super().reset(seed=seed, options=options)

    def step(self, action: str) -> Any:
        return super().step("wait" if self.steps < self.horizon - 4 else action)

    def clone_state(self) -> Any:
        return self.stream, self.task, self.cell, self.steps

    def restore_state(self, state: Any) -> Any:
        self.stream, self.task, self.cell, self.steps = state
        return self._observe(0)


def expert() -> NoisyExpert:
    return NoisyExpert(0.4, seed=2)


def texts(trees: Sequence[Tree]) -> list[bytes]:
    """Everything that is read from trees, as bytes; identity of equal strings aside."""
    return [
        pickle.dumps(pickle.loads(pickle.dumps((tree.episodes(), tree.buckets(), len(tree.spine()))))) for tree in trees
    ]


@pytest.mark.parametrize("allocation", [FanOut((2, 2)), PerDecision(3, 2), Adaptive(3, 1, budget=40)])
@pytest.mark.parametrize("merge", [False, True])
def test_trees_are_the_same_to_the_byte_and_cost_the_same(ray: Any, allocation: Allocation, merge: bool) -> None:
    def game() -> Any:
        return RecordVerifier(TeamGame(num_tasks=5, roles=2, messages=3))

    here, there = Ledger(), Ledger()
    options: dict[str, Any] = {"questions": 9, "seed": 3, "merge_duplicates": merge}
    local = grow_trees(game, RandomAgent(1), allocation, ledger=here, **options)
    spread = grow_on_ray(game, lambda: RandomAgent(1), allocation, ledger=there, workers=TWO, chunk=2, **options)
    assert texts(spread) == texts(local)
    assert {**here.spent, "seconds": 0} == {**there.spent, "seconds": 0}


def test_trees_of_a_killed_worker_are_grown_again_however_long_their_episodes(ray: Any, tmp_path: Path) -> None:
    doomed = partial(Long, tmp_path, rng.derive(7, 4, -1))
    branching = PerDecision(2, 2, (0, 200, 398))
    spread = grow_on_ray(doomed, expert, branching, questions=8, seed=7, workers=TWO, chunk=3)
    assert (tmp_path / "killed").exists()
    assert texts(spread) == texts(grow_trees(Long, expert(), branching, questions=8, seed=7))
    assert max(len(episode) for tree in spread for episode in tree.episodes()) > 390


def test_a_question_that_no_worker_survives_is_a_tree_with_the_error(ray: Any, tmp_path: Path) -> None:
    fatal = partial(Long, tmp_path, rng.derive(7, 2, -1), always=True)
    spread = grow_on_ray(fatal, expert, FanOut((2,)), questions=5, seed=7, workers=TWO, chunk=3)
    (episode,) = spread[2].episodes()
    assert "died every time" in str(episode.error)
    local = grow_trees(Long, expert(), FanOut((2,)), questions=5, seed=7)
    assert (spread[2].tree_id, spread[2].options, spread[2].env_id) == (local[2].tree_id, local[2].options, "Long")
    assert texts([*spread[:2], *spread[3:]]) == texts([*local[:2], *local[3:]])


def test_the_command_makes_the_same_page_with_either_executor(ray: Any, tmp_path: Path) -> None:
    for executor in ("local", "ray"):
        counterfactual.main(
            env="credit/Stochastic-v0", agent="noisy:0.3", questions=5, draws=3, replays=2, seed=1,
            fanout="2,4", executor=executor, workers=2, gpus=0.0, markdown=tmp_path / executor, json=None,
        )  # fmt: skip
    assert (tmp_path / "local").read_text() == (tmp_path / "ray").read_text()


def test_the_speed_table_counts_the_same_work_on_both_sides(ray: Any, tmp_path: Path) -> None:
    chunks = [range(3), range(3, 6)]
    name, items, *times = ray_speed.measured(
        ray_speed.Case("squares", partial(squares, tmp_path), (chunks, chunks), 6), ray, TWO
    )
    assert (name, items) == ("squares", "6")
    assert all(float(value) >= 0 for value in times)
    done = list(map(int, (tmp_path / "log").read_text().split()))
    assert sorted(done) == sorted([*range(3), *range(6), *range(6), *range(6)])  # once more here, once more there


def test_requests_that_cannot_be_met_are_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CreditGymError, match="hold within one process"):
        grow_on_ray(Long, expert, questions=1, workers=TWO, ledger=Ledger({"evaluator_calls": 3}))
    with pytest.raises(CreditGymError, match="at least one worker"):
        Workers(count=0)
    with pytest.raises(CreditGymError, match="no executor called 'rya'"):
        counterfactual.main(executor="rya", env="", agent="random", markdown=None, json=None, workers=None, gpus=0.0)
    with pytest.raises(CreditGymError, match="nobody to give --gpus to"):
        counterfactual.main(env="", agent="random", executor="local", markdown=None, json=None, workers=None, gpus=1.0)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r'^ray is not installed: pip install "credit-gym\[ray\]"\.$'):
        grow_on_ray(Long, expert, questions=1, workers=TWO)


def test_a_ray_that_was_started_here_is_stopped_here_and_never_waits_for_gpus_that_are_not() -> None:
    code = (  # in a process of its own: the module's Ray runs in this one
        "import ray\n"
        "from credit_gym.agents.rollout.ray_tasks import Workers, cluster\n"
        "with cluster(Workers(count=1)) as here:\n"
        "    assert here.is_initialized() and here.cluster_resources()['CPU'] == 1\n"
        "assert not ray.is_initialized()\n"
        "try:\n"
        "    cluster(Workers(count=1, gpus=999)).__enter__()\n"
        "except Exception as error:\n"
        "    assert 'wants 999 GPU' in str(error), error\n"
        "    assert not ray.is_initialized()\n"
        "else:\n"
        "    raise AssertionError('it would have waited for ever')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def _never(*_: Any) -> Any:
    raise AssertionError("a worker died")

"""What every registered environment promises, whatever its family."""

from __future__ import annotations

import json
import subprocess
import sys

import gymnasium as gym
import pytest

from credit_gym.registration import ENVIRONMENTS
from credit_gym.testing import check_env, check_fork, check_no_leak, check_seeds

SEEDS_A_THREAD = {"credit/ALFWorld-v0": 6}  # 200 elsewhere: 1,600 resets in 8 threads
SECRETS = {"credit/TwentyQuestions-v0", "credit/GuessMyCity-v0", "credit/CustomerService-v0"}  # no list of candidates
IDS = [spec.id for spec in ENVIRONMENTS]


@pytest.mark.filterwarnings("ignore:.*render")
@pytest.mark.parametrize("env_id", IDS)
def test_it_keeps_the_common_promises(env_id: str) -> None:
    check_env(gym.make(env_id))


@pytest.mark.parametrize("env_id", IDS)
def test_a_fork_repeats_the_original_and_leaves_it_untouched(env_id: str) -> None:
    for seed in range(3):
        check_fork(gym.make(env_id), seed=seed)


@pytest.mark.parametrize("env_id", IDS)
def test_nothing_of_one_episode_reaches_the_next(env_id: str) -> None:
    check_no_leak(gym.make(env_id), episodes=5, answer=(lambda env: [env.target]) if env_id in SECRETS else None)


@pytest.mark.parametrize("env_id", IDS)
def test_a_seed_fixes_the_episode_in_every_thread(env_id: str) -> None:
    check_seeds(lambda: gym.make(env_id), seeds=3, threads=4)


@pytest.mark.slow
@pytest.mark.parametrize("env_id", IDS)
def test_1600_resets_in_8_threads_give_what_one_thread_gives(env_id: str) -> None:
    check_seeds(lambda: gym.make(env_id), seeds=SEEDS_A_THREAD.get(env_id, 200))


PLAYED = """
import gymnasium, credit_gym, json, sys
from credit_gym.testing import play
for env_id in sys.argv[1:]:
    env = gymnasium.make(env_id)
    observation, info = env.reset(seed=5)
    print(json.dumps([env_id, observation, info["state_key"], play(env, info, 10, 5)]))
"""


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes_in_another_process() -> None:
    # Hash randomisation differs between the runs, so an order that depends on it shows.
    first, second = (
        subprocess.run(
            [sys.executable, "-c", PLAYED, *IDS],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PATH": "/usr/bin:/bin"},
        ).stdout.splitlines()
        for seed in ("1", "2")
    )
    assert first == second
    for env_id, line in zip(IDS, first, strict=True):
        assert json.loads(line)[0] == env_id
        assert gym.make(env_id).reset(seed=5)[1]["state_key"] == json.loads(line)[2], env_id

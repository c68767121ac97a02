"""The tabular text environments: Gymnasium's contract, forking, seeding."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import gymnasium as gym
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st

import credit_gym  # noqa: F401 - registers the ids
from credit_gym.envs.tabular.diagnostic import DIAGNOSTIC_TASKS

IDS = [
    ("credit/Stochastic-v0", {}),
    ("credit/StochasticNoisy-v0", {}),
    ("credit/WebShopManifest-v0", {}),
    ("credit/ALFWorldManifest-v0", {}),
    *(("credit/Diagnostic-v0", {"task": task}) for task in DIAGNOSTIC_TASKS),
]
KEYS = {"task", "state_key", "admissible_actions", "verifier", "expert_actions", "invalid", "step_limit", "steps_left"}
NAMES = [kwargs.get("task", env_id) for env_id, kwargs in IDS]

every_env = pytest.mark.parametrize(("env_id", "kwargs"), IDS, ids=NAMES)


def make(env_id="credit/Stochastic-v0", **kwargs):
    return gym.make(env_id, **kwargs).unwrapped


def play(env, picks, limit=200):
    """Take the admissible actions that ``picks`` points at until the episode ends; return everything seen."""
    seen = []
    info = env.restore_state(env.clone_state())[1]
    for pick in picks[:limit]:
        actions = info["admissible_actions"]
        *result, info = env.step(actions[pick % len(actions)])
        seen.append((*result, info))
        if result[2] or result[3]:
            break
    return seen


@every_env
@pytest.mark.filterwarnings("ignore:.*render")
def test_gymnasium_accepts_the_environment(env_id, kwargs):
    check_env(gym.make(env_id, **kwargs).unwrapped)


@every_env
def test_experts_solve_the_tasks_and_info_has_the_same_keys_throughout(env_id, kwargs):
    env = make(env_id, **kwargs)
    solved = 0
    for task in range(env.num_tasks):
        _, info = env.reset(seed=task, options={"task": task})
        assert set(info) == KEYS
        assert info["verifier"] == 0.0
        terminated = truncated = False
        while not (terminated or truncated):
            assert set(info["expert_actions"]) <= set(info["admissible_actions"])
            _, reward, terminated, truncated, info = env.step(info["expert_actions"][0])
        assert set(info) == KEYS | {"success"}
        assert info["success"] == (reward == 1.0)
        solved += info["success"]
    assert solved >= env.num_tasks * (0.3 if kwargs.get("task") in ("allfail", "lucky") else 0.9)


@every_env
def test_a_refused_action_is_answered_and_costs_a_step_but_changes_nothing(env_id, kwargs):
    env = make(env_id, **kwargs)
    before, info = env.reset(seed=5)
    for attempt in ("", "fly", "[bold]" * 100, "<script>", "\ud800"):
        text, reward, terminated, _, after = env.step(attempt)
        assert text.endswith(before)
        assert text != before
        assert attempt == "" or attempt not in text
        assert (reward, terminated, after["invalid"], after["verifier"]) == (0.0, False, True, 0.0)
        assert after["state_key"] == info["state_key"]
    horizon = int(env.model.horizon[env.model.task_names.index(info["task"]["id"])])
    for _ in range(horizon - 6):
        assert env.step("fly")[3] is False
    *_, truncated, info = env.step("fly")
    assert (truncated, info["success"]) == (True, False)
    with pytest.raises(gym.error.ResetNeeded):
        env.step("fly")


def test_stepping_before_reset_says_what_to_do():
    with pytest.raises(gym.error.ResetNeeded, match="call reset"):
        make().step("anything")
    with pytest.raises(gym.error.ResetNeeded, match="call reset"):
        make().clone_state()


@pytest.mark.parametrize("task", [-1, 20, "0", None, True])
def test_a_task_that_does_not_exist_is_refused(task):
    with pytest.raises(gym.error.Error, match="from 0 to 19"):
        make().reset(options={"task": task})


def test_the_chosen_task_keeps_the_other_draws_of_the_seed():
    env = make()
    _, info = env.reset(seed=8)
    free = env.clone_state()
    env.reset(seed=8, options={"task": [*env.model.task_names].index(info["task"]["id"])})
    assert env.clone_state() == free


@every_env
@given(seed=st.integers(0, 2**70), picks=st.lists(st.integers(0, 9), min_size=2, max_size=30), cut=st.integers(0, 29))
@settings(max_examples=5, deadline=None)
def test_a_fork_continues_as_the_original_and_leaves_it_untouched(env_id, kwargs, seed, picks, cut):
    env, other = make(env_id, **kwargs), make(env_id, **kwargs)
    env.reset(seed=seed)
    cut = len(play(env, picks[:cut]))
    snapshot = env.clone_state()
    twin = other.restore_state(snapshot)
    assert twin == env.restore_state(snapshot)
    if "success" in twin[1]:
        return
    forked = play(other, picks[::-1])
    assert env.clone_state() == snapshot
    assert play(env, picks[::-1]) == forked
    assert env.restore_state(snapshot) == twin


def test_infos_are_fresh():
    env = make()
    _, info = env.reset(seed=0)
    info["admissible_actions"].clear()
    info["expert_actions"].clear()
    info["task"].clear()
    _, again = env.reset(seed=0)
    assert again["admissible_actions"]
    assert again["expert_actions"]
    assert again["task"]


def test_the_state_key_is_of_the_true_state_even_where_the_text_is_shared():
    env = make("credit/Diagnostic-v0", task="alias")
    starts = {}
    for seed in range(40):
        text, info = env.reset(seed=seed, options={"task": 0})
        starts.setdefault(text, set()).add(info["state_key"])
    assert [len(keys) for keys in starts.values()] == [2]


def test_render_shows_the_text_in_ansi_mode():
    env = make(render_mode="ansi")
    text, _ = env.reset(seed=0)
    assert env.render() == text


def _fingerprint(seed):
    env = make()
    text, info = env.reset(seed=seed)
    return text, info["state_key"], env.clone_state(), play(env, [seed % 7, 1, 2, 3])


@pytest.mark.slow
def test_threads_do_not_disturb_each_other():
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(_fingerprint, range(1600))) == [_fingerprint(seed) for seed in range(1600)]


@pytest.mark.slow
def test_another_process_sees_the_same_bytes():
    code = """
import gymnasium, credit_gym, hashlib
env = gymnasium.make("credit/Stochastic-v0")
digest = hashlib.sha256()
for seed in range(30):
    text, info = env.reset(seed=seed)
    while "success" not in info:
        digest.update(repr((text, info)).encode())
        text, *_, info = env.step(info["admissible_actions"][-1 if seed % 2 else 0])
print(digest.hexdigest())
"""
    runs = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": salt}, capture_output=True, text=True, check=True
        ).stdout
        for salt in ("1", "2")
    }
    assert len(runs) == 1


def test_resetting_without_a_seed_goes_on_with_the_stream():
    env, twin = make(), make()
    env.reset(seed=3)
    twin.reset(seed=3)
    assert [env.reset() for _ in range(20)] == [twin.reset() for _ in range(20)]
    assert len({env.reset()[1]["task"]["id"] for _ in range(200)}) == 20

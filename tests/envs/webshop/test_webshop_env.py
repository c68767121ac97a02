"""credit/WebShop-v0: the contract, what is still within reach (against brute force), forks, recorded walks, abuse."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import gymnasium as gym
import pytest
from builders import TESTS
from builders.shops import BLOCK, VARIANTS, digests, folders, hostile, save
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st

import credit_gym  # noqa: F401 - registers the environments
from credit_gym.agents.rollout.runner import run_episodes
from credit_gym.agents.scripted import NoisyExpert, ScriptedExpert
from credit_gym.envs.webshop.env import WebShopEnv
from credit_gym.envs.webshop.generate import generate
from credit_gym.envs.webshop.rules import State
from credit_gym.envs.webshop.trials import write_trials
from credit_gym.wrappers import RecordVerifier

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def _invented_products(monkeypatch):
    monkeypatch.delenv("WEBSHOP_DATA", raising=False)


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return folders(tmp_path_factory.mktemp("shops"))


@pytest.fixture(scope="module")
def env() -> WebShopEnv:
    return WebShopEnv("all")


@pytest.mark.filterwarnings("ignore:.*render")
@pytest.mark.parametrize("observation", ["text", "text_rich", "html", "url"])
def test_gymnasium_accepts_every_mode(observation):
    check_env(gym.make("credit/WebShop-v0", observation=observation).unwrapped)


@pytest.mark.slow
def test_the_expert_earns_everything_and_every_step_of_it_is_progress(env):
    for task in range(0, env.num_tasks, 7):
        _, info = env.reset(options={"task": task})
        terminated = False
        while not terminated:
            assert info["best_reward"] == 1.0
            action = info["expert_actions"][-1]
            _, reward, terminated, truncated, info = env.step(action)
            assert not truncated
            assert info["verifier"] == pytest.approx(1 / 16)
        assert reward == info["reward_now"] == 1.0
        assert info["success"] is True
        assert info["expert_actions"] == []


@given(st.integers(0, 10**6), st.floats(0, 1))
@settings(max_examples=30, deadline=None)
def test_verifier_signals_sum_to_what_was_earned_less_what_the_start_was_worth(seed, noise):
    env = _env()
    (episode,) = run_episodes(lambda: RecordVerifier(env), NoisyExpert(noise, seed), episodes=1, seed=seed)
    _, info = env.reset(options={"task": [goal.id for goal in env.goals].index(episode.task_id)})
    steps = 0
    while not info.get("success"):
        *_, info = env.step(info["expert_actions"][0])
        steps += 1
    start = 1.0 - steps / (env.max_steps + 1)
    assert sum(episode.verifier) == pytest.approx(episode.episode_return - start)


@cache
def _env() -> WebShopEnv:
    return WebShopEnv("all")


@pytest.mark.slow
@pytest.mark.parametrize("shop", ["plain", "nasty"])
@pytest.mark.parametrize("variant", [{}, {"compat": True}, {"goals": "synthetic"}])
def test_what_is_within_reach_is_what_a_search_of_the_whole_game_finds(shop, variant, tmp_path):
    raw = generate(30, seed=3)
    folder = save(hostile(raw) if shop == "nasty" else raw, tmp_path)
    env = WebShopEnv("all", data=folder, max_steps=6, **variant)
    random = Random(0)
    for task in random.sample(range(env.num_tasks), 2):
        _, info = env.reset(seed=task, options={"task": task})
        value = brute_force(env, task)
        over, left = False, 6
        while not over:
            state = env.clone_state().state
            reward, steps = value(state, left)
            assert info["best_reward"] == pytest.approx(reward)
            best = {
                action
                for action in offered(env, task, state)
                if (after := env.game.move(state, action)) is not None
                and left > 0
                and reward > 0
                and value(after, left - 1) == (reward, steps - 1)
            }
            found = set(info["expert_actions"])
            assert found
            assert found <= best or reward == 0.0
            assert found == best or reward < 1.0
            action = random.choice(
                info["expert_actions"] if random.random() < 0.7 and best else info["admissible_actions"]
            )
            _, _, terminated, truncated, info = env.step(action)
            over, left = terminated or truncated, left - 1


def offered(env: WebShopEnv, task: int, state: State) -> list[str]:
    """The actions of a state; where there is a search field also searches by the titles worth searching for."""
    progress = env._progress_of(task)
    searches = [*{f"search[{query}]" for query in progress.queries} | {route.action for route in progress._searches}]
    clicks = list(env.game.view(state).actions)
    return searches * (state.page == "start" or env.game.quirks.search_anywhere) + clicks


def brute_force(env: WebShopEnv, task: int) -> Any:
    """(state, steps left) -> the best reward and the fewest steps to it, by trying everything."""
    progress = env._progress_of(task)

    @cache
    def explore(place: tuple[Any, ...], left: int) -> tuple[float, int]:
        state = State(*place)
        if state.page == "done":
            return progress.reward(state.product, state.options).value, 0
        best = (0.0, 0)
        for action in offered(env, task, state) if left else ():
            after = env.game.move(state, action)
            if after is not None:
                reward, steps = explore(after[:6], left - 1)
                if reward > best[0] or (reward == best[0] > 0 and steps + 1 < best[1]):
                    best = reward, steps + 1
        return best

    return lambda state, left: explore(state[:6], left)


def test_the_step_limit_truncates_and_is_no_success():
    env = WebShopEnv(max_steps=2)
    env.reset(seed=0)
    assert env.step("nothing")[2:4] == (False, False)
    _, _, terminated, truncated, info = env.step("nothing")
    assert (terminated, truncated, info["success"], info["best_reward"]) == (False, True, False, 0.0)
    with pytest.raises(gym.error.ResetNeeded):
        env.step("nothing")


def test_buying_at_the_last_moment_terminates(env):
    short = WebShopEnv("all", max_steps=3)
    _, info = short.reset(seed=1, options={"task": 0})
    for _ in range(3):
        _, _, terminated, truncated, info = short.step(info["expert_actions"][0])
    assert (terminated, truncated) == (True, False)


def test_a_fork_is_a_small_value_that_another_environment_continues(env):
    for steps in (0, 1, 5):
        env.reset(seed=steps)
        for _ in walk_on(env, steps, seed=1):
            pass
        state = env.clone_state()
        assert len(pickle.dumps(state)) < 1000
        other = WebShopEnv("all")
        observation, info = other.restore_state(pickle.loads(pickle.dumps(state)))
        again, same = env.restore_state(state)
        assert (observation, info) == (again, same)
        assert list(walk_on(other, 8, seed=2)) == list(walk_on(env, 8, seed=2))


def walk_on(env: WebShopEnv, steps: int, seed: int) -> Any:
    random = Random(seed)
    _, info = env.restore_state(env.clone_state())
    for _ in range(steps):
        *step, info = env.step(random.choice(info["admissible_actions"]))
        yield step, info
        if step[2] or step[3]:
            return


def test_options_of_reset_pick_the_goal(env):
    first, info = env.reset(seed=3, options={"task": 5})
    assert info["task"]["id"] == env.goals[5].id
    assert info["task"]["goal"] in first
    for wrong in (-1, env.num_tasks, "5", True, 1.0):
        with pytest.raises(gym.error.Error, match=r'options\["task"\]'):
            env.reset(options={"task": wrong})


def test_goals_of_the_splits_are_disjoint_and_complete():
    for goals in ("human", "synthetic"):
        ids = {
            split: {goal.id for goal in WebShopEnv(split, goals=goals).goals}
            for split in ("train", "eval", "test", "all")
        }
        assert ids["train"] | ids["eval"] | ids["test"] == ids["all"]
        assert sum(map(len, ids.values())) == 2 * len(ids["all"])


def test_neither_prices_nor_other_products_move_a_goal_to_another_split():
    splits = [
        {goal.id: goal.split for goal in WebShopEnv("all", **settings).goals}
        for settings in ({"num_products": 200}, {"num_products": 300})
    ]
    assert splits[0].items() <= splits[1].items()


@pytest.mark.slow
def test_recorded_walks_are_repeated_exactly(shops):
    recorded = json.loads((HERE / "webshop_parity.json").read_text(encoding="utf-8"))
    assert recorded.keys() == {f"{shop}-{name}" for shop in shops for name in VARIANTS}
    for shop, folder in shops.items():
        for name, variant in VARIANTS.items():
            found = digests(folder, **variant)
            same = [one == other for one, other in zip(found, recorded[f"{shop}-{name}"], strict=True)]
            assert all(same), f"{shop}-{name} differs from its recording after step {BLOCK * same.index(False)}"


@pytest.mark.slow
def test_another_process_repeats_the_recorded_walks(tmp_path):
    out = subprocess.run(
        [sys.executable, str(TESTS / "builders" / "shops.py")],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "1", "PATH": "/usr/bin:/bin", "XDG_CACHE_HOME": str(tmp_path)},
    ).stdout
    assert out == (HERE / "webshop_parity.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("steps", [4_000, pytest.param(200_000, marks=pytest.mark.slow)], ids=["some", "200,000"])
def test_malformed_actions_are_refused_whatever_they_are(shops, steps):
    env = WebShopEnv("all", data=shops["nasty"], max_steps=50)
    random = Random(5)
    observation, info = env.reset(seed=5)
    for _ in range(steps):
        before, action = env.clone_state().state, malformed(random, info["admissible_actions"])
        after, reward, terminated, truncated, info = env.step(action)
        assert isinstance(after, str)
        if info["invalid"]:
            assert (after, reward, terminated) == (observation, 0.0, False)
            assert env.clone_state().state == before
        observation = after
        if terminated or truncated:
            observation, info = env.reset()


LETTERS = "abz019 []<>&\"'\\\n\r\t\0{}%\u00e9\u4e2d\U0001f600\ud800searchclick"


def malformed(random: Random, actions: list[str]) -> str:
    """Noise, or an admissible action with one character wrong."""
    if random.random() < 0.5 or not actions:
        noise = "".join(random.choices(LETTERS, k=random.randrange(30)))
        return random.choice(("{}", "search[{}]", "click[{}]")).format(noise.replace("{", "").replace("}", ""))
    action = random.choice(actions)
    place = random.randrange(len(action))
    return action[:place] + random.choice(LETTERS) + action[place + random.randrange(2) :]


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_random_walks_in_hostile_shops_lead_to_the_page_that_was_asked_for(shops, variant):
    env = WebShopEnv("all", data=shops["nasty"], max_steps=25, **VARIANTS[variant])
    random = Random(9)
    over, info = True, {}
    for _ in range(1500):
        if over:
            _, info = env.reset()
        before, action = env.clone_state().state, random.choice(info["admissible_actions"])
        _, _, terminated, truncated, info = env.step(action)
        assert not info["invalid"]
        assert env.clone_state().state[:6] == destination(env, before, action)[:6]
        assert 0.0 <= info["reward_now"] <= 1.0
        assert info["reward_now"] <= info["best_reward"] or "success" in info
        over = terminated or truncated


def destination(env: WebShopEnv, state: State, action: str) -> State:
    """Where an admissible action leads by the rules, read off the data of the shop and not off its pages."""
    products, text = env.game.catalogue.products, action[action.index("[") + 1 : -1]
    if action.startswith("search["):
        return State("results", text)
    here = products[state.product]
    asins = {products[hit].asin.lower(): hit for hit in env.game.hits(state.query)} if state.page == "results" else {}
    details = ("description", "features", "reviews") + ("attributes",) * env.game._show_attributes
    if text == "back to search":
        return State()
    if state.page == "results" and text in asins:
        kept = state.options if asins[text] == state.product else ()
        return state._replace(page="item", product=asins[text], options=kept)
    if state.page == "results":
        return state._replace(number=state.number + {"next >": 1, "< prev": -1}[text])
    if state.page == "detail":
        return {"< prev": state._replace(page="item", detail="")}[text]
    if text in details:
        return state._replace(page="detail", detail=text.capitalize())
    if text == "buy now":
        return state._replace(page="done")
    if text == "< prev":
        keeps = state.options and not env.game.quirks.forget_options
        return state._replace(
            page="results", product=state.product if keeps else -1, options=state.options if keeps else ()
        )
    name = next(name for name, values in reversed(here.options) if text in values)
    return state._replace(options=tuple((dict(state.options) | {name: text}).items()))


def test_best_of_n_folders_hold_one_rollout_of_each_task_per_trial(tmp_path):
    players = [ScriptedExpert(), NoisyExpert(1.0, 0)]
    episodes = [
        episode
        for player in players
        for episode in run_episodes(lambda: gym.make("credit/WebShop-v0"), player, episodes=3, seed=1)
    ]
    paths = write_trials(tmp_path, episodes)
    assert [path.relative_to(tmp_path).as_posix() for path in paths] == ["trial_0/webshop.json", "trial_1/webshop.json"]
    trials = [json.loads(path.read_text(encoding="utf-8"))["simulations"] for path in paths]
    assert [[run["task_id"] for run in trial] for trial in trials] == [[e.task_id for e in episodes[:3]]] * 2
    assert [run["reward_info"]["reward"] for run in trials[0]] == [1.0, 1.0, 1.0]
    first = trials[0][0]["messages"]
    assert [message["role"] for message in first] == ["user", "assistant"] * len(episodes[0]) + ["user"]
    assert [message["content"] for message in first[1::2]] == list(episodes[0].actions)


@pytest.mark.slow
def test_the_baseline_ranks_shoppers_and_judges_scorers(tmp_path):
    command = [sys.executable, "-m", "credit_gym.baselines.tables.webshop", "--episodes", "48", "--manifest-seeds", "0"]
    files = ["--trials", "--runs-dir", str(tmp_path / "runs"), "--json", str(tmp_path / "found.json")]
    subprocess.run([*command, *files], check=True, capture_output=True)
    results = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))["results"]
    shoppers = results["shoppers"]
    assert shoppers["expert"]["score"] == 100.0
    assert shoppers["expert"]["success"] == 1.0
    assert shoppers["expert"]["score"] > shoppers["noisy:0.6"]["score"] > shoppers["random"]["score"]
    assert results["scorers"]["branch_aware"]["top1"] > results["scorers"]["outcome_only"]["top1"]
    assert len(list((tmp_path / "runs").glob("*/trials/trial_*/webshop.json"))) == 8

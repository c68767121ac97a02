"""The telecom domain: its files, how it is played in each mode, and how it grades."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
from builders.phone_company import phone_tasks, write_phone_company

import credit_gym  # noqa: F401 - it registers the ids
from credit_gym import testing
from credit_gym.envs.tau2 import telecom
from credit_gym.envs.tau2.actions import write_call
from credit_gym.envs.tau2.env import Tau2Env
from credit_gym.envs.tau2.folder import read_domain
from credit_gym.envs.tau2.phone_tools import USER_TOOLS
from credit_gym.envs.tau2.replaying import refused_by_tau2
from credit_gym.envs.tau2.results import from_moment, regrade, write_results
from credit_gym.errors import ManifestError
from credit_gym.formats.readers import read_episodes

TASKS = [task["id"] for task in phone_tasks()]


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_phone_company(tmp_path_factory.mktemp("company"))


def played(env: Tau2Env, task: str) -> Iterator[tuple[str, float, dict[str, Any]]]:
    """The expert's actions, each with its reward and the info after it."""
    _, info = env.reset(seed=0, options={"task": [each.id for each in env.tasks].index(task)})
    while "success" not in info:
        action = info["expert_actions"][0]
        _, reward, _, _, info = env.step(action)
        yield action, reward, info


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("solo", [False, True])
def test_the_reference_solution_earns_1_and_every_call_of_it_brings_it_nearer(
    company: Path, task: str, solo: bool
) -> None:
    env = Tau2Env("telecom", data=company, solo=solo)
    steps = list(played(env, task))
    calls = env.task.actions or ()
    actions = [action for action, _, _ in steps]
    assert steps[-1][1] == 1.0
    assert len(set(actions)) == len(actions) == len(calls) + 1  # each is asked for once, and then there is the end
    assert all(info["verifier"] > 0 for _, _, info in steps[: len(calls)])
    assert steps[-1][2]["verifier"] == 0.0
    assert {call.call.name for call in calls} <= {m.call.name for m in env.moment.messages if m.call}
    moment = from_moment(env.domain, env.task, env.moment, id="x")
    plain = read_domain(company, "telecom")
    assert regrade(plain, moment).grade.reward == 1.0
    assert regrade(plain, moment).drifted == ()
    assert refused_by_tau2(plain, env.task, moment.messages) == ()


@pytest.mark.parametrize("task", [task for task in TASKS if task != "locked"])
@pytest.mark.parametrize("solo", [False, True])
def test_whoever_leaves_out_a_call_of_the_solution_earns_nothing(company: Path, task: str, solo: bool) -> None:
    env = Tau2Env("telecom", data=company, solo=solo, task_id=task)
    env.reset(seed=0)
    reward, over = 0.0, False
    for action in (env.task.actions or ())[:-1]:
        asks = action.call.requestor == "user" and not solo
        env.step(f"Please use {write_call(action.call)}." if asks else write_call(action.call))
    while not over:
        _, reward, over, _, info = env.step("done()" if solo else "Goodbye.")
    assert reward == 0.0
    assert info["reward_components"]["ENV_ASSERTION"] == 0.0


def test_each_mode_has_the_tools_of_the_published_domain(company: Path) -> None:
    both, alone = (Tau2Env("telecom", data=company, solo=solo) for solo in (False, True))
    kinds = [[tool.kind for tool in kit.values()] for kit in (telecom.TOOLS, USER_TOOLS)]
    assert [(kind.count("read"), kind.count("write"), kind.count("generic")) for kind in kinds] == [
        (6, 6, 1),
        (15, 15, 0),
    ]
    for env, count in ((both, 14), (alone, 44)):
        _, info = env.reset(seed=0)
        names = [tool["function"]["name"] for tool in info["tools"]]
        assert len(set(names)) == len(names) == count
        assert names[-1] == "done"
    _, _, _, _, info = both.step("toggle_data()")
    assert (info["errors"], info["invalid"]) == (1, True)  # it is the customer's to use


def test_policies_tasks_and_splits_are_those_of_the_files(company: Path, tmp_path: Path) -> None:
    manual = "<main_policy>\nFind out who calls.\n</main_policy>\n<tech_support_policy>\n{}\n</tech_support_policy>"
    assert read_domain(company, "telecom").policy == manual.format("Check, fix, check.")
    assert read_domain(company, "telecom-workflow").policy == manual.format("Step 1.")
    alone = manual.replace("Find out who calls", "Work on the ticket")
    assert read_domain(company, "telecom", solo=True).policy == alone.format("Check, fix, check.")
    assert read_domain(company, "telecom-workflow", solo=True).policy == alone.format("Step 1, alone.")
    splits = read_domain(company, "telecom").splits
    sizes = {name: len(ids) for name, ids in splits.items()}
    count = len(TASKS)
    assert sizes == {"base": count, "train": 5, "test": count - 5, "small": 2, "full": count + 1, "all": count + 1}
    assert Tau2Env("telecom", data=company).num_tasks == count
    place = write_phone_company(tmp_path) / "tau2" / "domains" / "telecom"
    for name in ("tasks.json", "tasks_full.json"):
        (place / name).unlink()
    splits = read_domain(tmp_path, "telecom").splits
    assert {name: len(ids) for name, ids in splits.items()} == dict.fromkeys(("base", "small", "train", "all"), 2)


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("db.toml", "[[plans", "is not TOML"),
        ("db.toml", "[[plans]]\nname = 'x'\n", "has no"),
        ("user_db.toml", "device = 3", "is not the database of telecom"),
        ("main_policy.md", None, "cannot be read"),
        ("tasks.json", "{}", "no list of tasks"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, file: str, content: str | None, said: str) -> None:
    path = write_phone_company(tmp_path) / "tau2" / "domains" / "telecom" / file
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    with pytest.raises(ManifestError, match=said):
        read_domain(tmp_path, "telecom")


def test_a_task_whose_number_nobody_has_is_named(tmp_path: Path) -> None:
    path = write_phone_company(tmp_path) / "tau2" / "domains" / "telecom" / "tasks.json"
    path.write_text(path.read_text().replace("555-010-0003", "555"))
    with pytest.raises(ManifestError, match="Line with phone number 555 not found"):
        Tau2Env("telecom", data=tmp_path, task_id="no_draft").reset(seed=0)


def test_tau2_itself_carries_nothing_over_between_the_calls_of_its_reference(company: Path) -> None:
    """Its evaluator leaves out what the phone feels of the agent's calls, so a graded database never matches."""
    default, upstream = (Tau2Env("telecom", data=company, mode=mode) for mode in ("default", "upstream"))
    for env, reward in ((default, 1.0), (upstream, 0.0)):
        assert list(played(env, "no_draft"))[-1][1] == reward
        assert list(played(env, "unpaid"))[-1][1] == 1.0  # where the database is not graded, nothing is lost


def test_only_what_costs_money_needs_a_yes_and_only_the_books_need_a_name(company: Path) -> None:
    env = Tau2Env("telecom", data=company, task_id="abroad")
    env.reset(seed=0)
    env.step("get_customer_by_phone(phone_number='555-010-0001')")
    assert env.step("enable_roaming(customer_id='C1', line_id='L1')")[4]["breaches"] == 0
    assert env.step("refuel_data(customer_id='C1', line_id='L1', gb_amount=2)")[4]["breaches"] == 1
    alone = Tau2Env("telecom", data=company, task_id="abroad", solo=True)
    alone.reset(seed=0)
    assert alone.step("toggle_roaming()")[4]["breaches"] == 0
    assert alone.step("enable_roaming(customer_id='C1', line_id='L1')")[4]["breaches"] == 1


@pytest.mark.parametrize("solo", [False, True])
def test_a_moment_can_be_kept_pickled_and_continued_elsewhere(company: Path, solo: bool) -> None:
    env, other = (Tau2Env("telecom", data=company, solo=solo) for _ in range(2))
    for task in range(len(TASKS)):
        _, info = env.reset(seed=5, options={"task": task})
        env.step(info["expert_actions"][0])
        kept = pickle.loads(pickle.dumps(env.clone_state()))
        for continued in (other, copy.deepcopy(env)):
            observation, info = continued.restore_state(kept)
            mine_observation, mine = env.restore_state(kept)
            assert (observation, info["state_key"]) == (mine_observation, mine["state_key"])
            while "success" not in info:
                action = info["expert_actions"][0]
                *seen, info = continued.step(action)
                *mine_seen, mine = env.step(action)
                assert seen == mine_seen
                assert (info["state_key"], info["verifier"]) == (mine["state_key"], mine["verifier"])


@pytest.mark.slow
@pytest.mark.parametrize("solo", [False, True])
def test_it_keeps_what_every_environment_promises(company: Path, solo: bool) -> None:
    def make() -> gym.Env[str, str]:
        return gym.make("credit/Tau2-v0", domain="telecom", data=company, solo=solo)

    testing.check_env(make())
    testing.check_fork(make())
    testing.check_seeds(make)
    testing.check_no_leak(make())


@pytest.mark.slow
@pytest.mark.parametrize("solo", [False, True])
def test_conversations_that_were_written_come_back_with_their_verifier(
    company: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, solo: bool
) -> None:
    env = Tau2Env("telecom", data=company, solo=solo)
    readings, ended = {}, []
    for task in TASKS:
        readings[task] = tuple(info["verifier"] for _, _, info in played(env, task))
        ended.append(from_moment(env.domain, env.task, env.moment, id=task))
    write_results(tmp_path / "r.json", env.domain, ended, agent="a")
    monkeypatch.setenv("TAU2_DATA_DIR", str(company))
    episodes, damaged = read_episodes("tau2", tmp_path / "r.json")
    assert damaged == []
    assert {episode.task_id: episode.verifier for episode in episodes} == readings
    assert all(episode.success for episode in episodes)


def test_a_model_may_hold_the_phone(company: Path) -> None:
    def model(chat: Any) -> str:
        heard = chat[-1]["content"]
        if "toggle_data()" in heard:
            return '{"name": "toggle_data", "arguments": {}}'
        return "###STOP###" if "Goodbye" in heard else heard.removeprefix("Your tool answers: ")

    env = Tau2Env("telecom", data=company, user=model)
    steps = list(played(env, "data_off"))
    assert [reward for _, reward, _ in steps] == [0.0, 1.0]
    assert env.moment.messages[-3].content.startswith("Mobile Data is now ON.")  # type: ignore[union-attr]


def test_it_is_made_by_its_id(company: Path) -> None:
    env = gym.make("credit/Tau2-v0", domain="telecom", data=company, solo=True)
    observation, info = env.reset(seed=1)
    again, _ = env.reset(seed=1)
    assert observation == again
    assert observation.startswith("ticket: ")
    assert info["task"]["split"] == "base"

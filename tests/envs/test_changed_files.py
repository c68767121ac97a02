"""Files that change within a process are read anew, whatever family reads them."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import gymnasium as gym
import pytest
from builders.shops import save

from credit_gym.envs.alfworld.env import ALFWorldEnv
from credit_gym.envs.alfworld.games import write_game
from credit_gym.envs.alfworld.generate import generate_game
from credit_gym.envs.alfworld.vector import ALFWorldVectorEnv
from credit_gym.envs.file_stamp import stamp
from credit_gym.envs.information.guess_my_city import GuessMyCityEnv
from credit_gym.envs.tabular.env import webshop_manifest
from credit_gym.envs.tau2.env import Tau2Env
from credit_gym.envs.team.env import MultiAgentMath
from credit_gym.envs.webshop.env import WebShopEnv
from credit_gym.envs.webshop.generate import generate
from credit_gym.envs.who_and_when.env import WhoAndWhenEnv
from credit_gym.envs.who_and_when.logs import write_log
from credit_gym.envs.who_and_when.planted import generate_log
from credit_gym.errors import ManifestError

Seen = Callable[[Path], str]
Write = Callable[[Path, int], object]


def _goal(env: gym.Env[str, str]) -> str:
    return str(env.reset(seed=0, options={"task": 0})[1]["task"]["goal"])


def _who(folder: Path, version: int) -> None:
    write_log(folder / "1.json", replace(generate_log("train", 0), question=f"What is {version}?"))


def _alfworld(folder: Path, version: int) -> None:
    write_game(replace(generate_game("train", 0), goal=f"version {version}"), folder)


def _tau2(folder: Path, version: int) -> None:
    place = folder / "mock"
    place.mkdir(exist_ok=True)
    (place / "policy.md").write_text(f"Policy {version}")
    row = {"task_id": "task_1", "title": "a", "description": None, "status": "pending"}
    user = {"user_id": "user_1", "name": "Ann", "tasks": ["task_1"]}
    (place / "db.json").write_text(json.dumps({"users": {"user_1": user}, "tasks": {"task_1": row}}))
    scenario = {"persona": None, "instructions": "Say hello."}
    criteria = {"actions": [], "communicate_info": [], "nl_assertions": []}
    (place / "tasks.json").write_text(
        json.dumps([{"id": "t", "user_scenario": scenario, "evaluation_criteria": criteria}])
    )


def _manifest(file: Path, version: int) -> None:
    task = {
        "id": "t",
        "goal": f"Goal {version}",
        "start": "a",
        "horizon": 3,
        "states": {
            "a": {"observation": "A", "actions": {"go": {"outcomes": [{"to": "b"}]}}},
            "b": {"observation": "B", "success": True},
        },
    }
    (file / "m.json").write_text(json.dumps({"version": 1, "tasks": [task]}))


FAMILIES: dict[str, tuple[Write, Seen]] = {
    "who and when": (_who, lambda folder: _goal(WhoAndWhenEnv("Algorithm-Generated", data=folder))),
    "alfworld": (_alfworld, lambda folder: _goal(ALFWorldEnv(data=folder))),
    "alfworld vector": (
        _alfworld,
        lambda folder: str(ALFWorldVectorEnv(1, data=folder).reset(seed=0)[1]["task"]["goal"][0]),
    ),
    "webshop": (
        lambda folder, version: save(generate(12, seed=version), folder),
        lambda folder: _goal(WebShopEnv("all", data=folder)),
    ),
    "tau2": (_tau2, lambda folder: _goal(Tau2Env("mock", data=folder))),
    "manifest": (_manifest, lambda folder: _goal(webshop_manifest(path=folder / "m.json"))),
    "problems": (
        lambda folder, version: (folder / "gsm8k.jsonl").write_text(
            json.dumps({"question": f"What is {version}?", "answer": f"#### {version}"})
        ),
        lambda folder: _goal(MultiAgentMath(problems=folder / "gsm8k.jsonl")),
    ),
    "secrets": (
        lambda folder, version: (folder / "cities.txt").write_text(("Paris, France", "Lima, Peru")[version - 1]),
        lambda folder: GuessMyCityEnv(words=folder / "cities.txt").tasks[0].secret,
    ),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_new_environment_plays_what_the_files_say_now(family: str, tmp_path: Path) -> None:
    write, seen = FAMILIES[family]
    write(tmp_path, 1)
    before = seen(tmp_path)
    assert seen(tmp_path) == before
    write(tmp_path, 2)
    after = seen(tmp_path)
    assert after != before
    write(tmp_path, 1)
    assert seen(tmp_path) == before


def test_a_log_added_or_taken_away_counts(tmp_path: Path) -> None:
    for number in range(3):
        write_log(tmp_path / f"{number}.json", generate_log("train", number))
        assert WhoAndWhenEnv("Hand-Crafted", data=tmp_path).num_tasks == number + 1
    (tmp_path / "1.json").unlink()
    assert [log.id for log in WhoAndWhenEnv("Hand-Crafted", data=tmp_path).logs] == ["0", "2"]


def test_another_folder_in_the_variable_is_another_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for version in (1, 2):
        folder = tmp_path / str(version)
        folder.mkdir()
        _who(folder, version)
        monkeypatch.setenv("WHO_AND_WHEN_DIR", str(folder))
        assert f"What is {version}?" in _goal(WhoAndWhenEnv("Algorithm-Generated"))


@pytest.mark.parametrize("damage", ["", "{", "[]", "null", '{"mistake_step": 99, "history": []}', "\xff"])
def test_one_damaged_log_costs_that_log_and_a_warning_names_it(damage: str, tmp_path: Path) -> None:
    for number in range(3):
        write_log(tmp_path / f"{number}.json", generate_log("train", number))
    (tmp_path / "1.json").write_bytes(damage.encode("latin-1"))
    with pytest.warns(UserWarning, match=r"1\.json .*It is left out\."):
        env = WhoAndWhenEnv("Algorithm-Generated", data=tmp_path)
    assert [log.id for log in env.logs] == ["0", "2"]
    env.reset(seed=0)
    write_log(tmp_path / "1.json", generate_log("train", 1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert WhoAndWhenEnv("Algorithm-Generated", data=tmp_path).num_tasks == 3
    for number in range(3):
        (tmp_path / f"{number}.json").write_text("{")
    with pytest.raises(ManifestError, match=r"0\.json"):
        WhoAndWhenEnv("Algorithm-Generated", data=tmp_path)


def test_one_damaged_game_costs_its_own_task(tmp_path: Path) -> None:
    for index in (0, 6, 12):
        write_game(generate_game("train", index), tmp_path)
    env = ALFWorldEnv(data=tmp_path)
    paths = sorted(tmp_path.rglob("game.tw-pddl"))
    paths[1].write_text("{")
    for task in (0, 2):
        env.reset(seed=0, options={"task": task})
    with pytest.raises(ManifestError, match="damaged"):
        env.reset(seed=0, options={"task": 1})
    env.reset(seed=0, options={"task": 2})


def test_a_stamp_changes_with_the_content_of_equal_length_and_reads_nothing(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("one")
    before = stamp(tmp_path)
    assert stamp(tmp_path) == before
    file.chmod(0o000)
    assert [entry[:3] for entry in stamp(tmp_path)] == [entry[:3] for entry in before]
    file.chmod(0o644)
    (tmp_path / "b").write_text("two")
    (tmp_path / "b").replace(file)
    assert stamp(tmp_path) != before
    assert stamp(tmp_path / "missing") == ()

"""Published result files: steps in every form become episodes, and what is written is read back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from builders.small_bfcl import small_bfcl, write_rows
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from credit_gym.cli.app import app
from credit_gym.envs.function_calls.env import FunctionCallsEnv
from credit_gym.envs.function_calls.results import from_actions, to_episode, write_results
from credit_gym.errors import StoreError
from credit_gym.formats.readers import read_episodes
from credit_gym.formats.recognise import recognise

MADE = [
    [{"mkdir": '{"dir_name": "new"}'}, {"cd": {"folder": "new"}}],
    "[echo(content='two', file_name='b.txt')]",
    "The folder is there.",
]
POSTED = [["post('hello', ['x'])"], "tag(number=0, tag='y')"]
LOOKED: list[Any] = [[{"cd": {"folder": ".."}}], [{"cat": '{"file_name": "a.txt"}'}], "It says one."]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_bfcl(tmp_path_factory.mktemp("bfcl"))


@pytest.fixture
def known(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BFCL_DIR", str(folder))


def row(turns: Any, task: str = "multi_turn_base_0") -> dict[str, Any]:
    return {"id": task, "result": turns, "latency": [[0.5]]}


@pytest.mark.usefixtures("known")
def test_steps_in_every_form_become_an_episode_that_is_graded_anew(tmp_path: Path) -> None:
    path = tmp_path / "result" / "some-model" / "multi_turn" / "BFCL_v4_multi_turn_base_result.json"
    path.parent.mkdir(parents=True)
    write_rows(path, [row([MADE, POSTED, LOOKED]), row([MADE, POSTED[:1], LOOKED]), row([MADE])])
    assert recognise(path) == "bfcl"
    won, lost, cut = read_episodes("auto", path).episodes
    assert (won.success, won.rewards[-1], won.agent_id, len(won)) == (True, 1.0, "some-model", 9)
    assert won.actions[0] == "[mkdir(dir_name='new'), cd(folder='new')]"
    assert won.actions[2] == "The folder is there."
    assert won.actions[5] == "done()"
    assert won.observations[3] == "user: post it"
    assert sum(won.verifier or ()) == pytest.approx(1.0)
    assert (lost.success, (lost.verifier or ())[4]) == (False, -1.0)
    assert (cut.success, cut.terminated, cut.truncated) == (False, False, True)
    assert {each.group_id for each in (won, lost, cut)} == {"bfcl-multi_turn_base_0"}


@pytest.mark.usefixtures("known")
def test_a_tool_that_was_withheld_may_be_called_as_in_the_published_check(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    write_rows(path, [row([MADE, POSTED, POSTED[:0]], "multi_turn_miss_func_0")])
    (episode,) = read_episodes("bfcl", path).episodes
    assert not episode.success  # no call was made in the last turn
    write_rows(path, [row([MADE, POSTED[:1], POSTED[1:]], "multi_turn_miss_func_0")])
    assert read_episodes("bfcl", path).episodes[0].success


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize(
    "damage",
    [row("failed"), row([1, 2]), row([]), row([[], [], [], []]), row([MADE], "nobody_0"), {"id": 3, "result": [[]]}],
)
def test_a_line_that_cannot_be_read_is_told_and_the_others_are_read(tmp_path: Path, damage: Any) -> None:
    path = tmp_path / "result.json"
    write_rows(path, [damage, row([MADE, POSTED, LOOKED])])
    found = read_episodes("bfcl", path)
    assert [len(found.damaged), len(found.episodes)] == [1, 1]
    assert found.damaged[0].startswith("Line 1")


def test_without_the_published_tasks_the_error_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BFCL_DIR", raising=False)
    write_rows(tmp_path / "result.json", [row([MADE])])
    with pytest.raises(StoreError, match="pip download"):
        read_episodes("bfcl", tmp_path / "result.json")


@pytest.mark.usefixtures("known")
def test_the_command_imports_a_file(tmp_path: Path) -> None:
    write_rows(tmp_path / "result.json", [row([MADE, POSTED, LOOKED])])
    shown = CliRunner().invoke(
        app, ["import", str(tmp_path / "result.json"), "--from", "bfcl", "--runs-dir", str(tmp_path)]
    )
    assert shown.exit_code == 0, shown.output


@given(st.sampled_from(["base", "long_context", "miss_func", "miss_param"]), st.lists(st.integers(0, 40), max_size=12))
@settings(max_examples=60, deadline=None)
def test_what_is_written_of_an_episode_is_rewarded_as_the_episode_was(
    folder: Path, category: str, choices: list[int]
) -> None:
    env = FunctionCallsEnv(folder=folder, category=category, max_steps=6)
    _, info = env.reset(seed=0)
    actions, over, reward = [], False, 0.0
    while not over:
        menu = [*info["expert_actions"] * 3, *info["admissible_actions"], "Sure.", "", "post(text='a', tags=[])"]
        actions.append(menu[choices[len(actions)] % len(menu)] if len(actions) < len(choices) else menu[0])
        _, reward, terminated, truncated, info = env.step(actions[-1])
        over = terminated or truncated
    plan = env.conversation.plan
    result = from_actions(plan, actions)
    written = json.loads(json.dumps(result.turns))
    assert to_episode(plan, result._replace(turns=written)).success == (reward == 1.0)


def test_a_file_is_one_line_a_task(folder: Path, tmp_path: Path) -> None:
    env = FunctionCallsEnv(folder=folder, category="base")
    env.reset(seed=0)
    result = from_actions(env.conversation.plan, ["mkdir('new')", "Done.", "[ls(), cat('a.txt')]", "done()"])
    write_results(tmp_path / "out.json", [result, result])
    lines = [json.loads(line) for line in (tmp_path / "out.json").read_text().splitlines()]
    step = [{"ls": "{}"}, {"cat": '{"file_name": "a.txt"}'}]
    assert (
        lines
        == [{"id": "multi_turn_base_0", "result": [[[{"mkdir": '{"dir_name": "new"}'}], "Done."], [step, ""], []]}] * 2
    )

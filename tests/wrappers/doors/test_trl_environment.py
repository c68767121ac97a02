"""Environments as TRL's classes: their tools play the game that anybody else plays, and errors are sentences."""

from __future__ import annotations

import inspect
import math
import typing
from typing import Any

import gymnasium as gym
import pytest

from credit_gym import rng
from credit_gym.data.action_format import declared_format, families
from credit_gym.data.call_dialects import read_calls
from credit_gym.data.calls import write_calls
from credit_gym.data.episode import Episode
from credit_gym.errors import CreditGymError, UnknownNameError
from credit_gym.registration import ENVIRONMENTS
from credit_gym.wrappers import RecordEpisodes, RecordVerifier
from credit_gym.wrappers.doors.trl_environment import INSTRUCTION, environment, row_dataset

IDS = [spec.id for spec in ENVIRONMENTS]


def tools(kind: type) -> set[str]:
    """As TRL finds them."""
    found = (name for name, _ in inspect.getmembers(kind, inspect.isfunction))
    return {name for name in found if not name.startswith("_") and name not in ("reset", "get_reward")}


def called(env_id: str, action: str) -> tuple[str, dict[str, str]]:
    """The call of a tool that is an action; the first family that can say it."""
    if calls := read_calls(action, {}):
        (call,) = calls
        return call["name"], dict(call["arguments"])
    for family in families(declared_format(env_id)):
        before, *rest = family.form.replace("}", "{").split("{")[::2]
        names, values, text = [name for name, _ in family.arguments], [], action.removeprefix(before)
        if not action.startswith(before):
            continue
        for end in rest:
            value, found, text = text.partition(end) if end else (text, " ", "")
            values.append(value if found else None)
        if None not in values and not text:
            return family.name, dict(zip(names, values, strict=True))
    raise AssertionError(f"{action} is no call")


@pytest.mark.parametrize("env_id", IDS)
def test_calls_of_tools_make_the_episode_that_actions_make(env_id: str) -> None:
    env = RecordEpisodes(RecordVerifier(gym.make(env_id)))
    kind = environment(env_id)
    played: Any = kind()
    _, info = env.reset(seed=11)
    said = played.reset(seed=11, prompt=[{"role": "user", "content": "Play."}], answer=None)
    assert said.startswith(info["task"]["goal"][:40])
    done: list[str] = []
    for step in range(60):
        offered = [action for action in info.get("admissible_actions") or ["look"] if action != "help"]
        action = offered[rng.derive(3, step) * len(offered) >> 64]
        calls = read_calls(action, {})
        action = write_calls(calls) if calls else action  # type: ignore[arg-type]
        name, arguments = called(env_id, action)
        done.append(action)
        observation, _, terminated, truncated, info = env.step(action)
        answer = getattr(played, name)(**arguments)
        assert observation.removeprefix("tool: ") in answer
        if terminated or truncated:
            assert answer.endswith("The game is over.")
            break
    reference: Episode | None = info.get("episode")
    if reference is None:
        assert played.episode.truncated
        assert played.episode.actions == tuple(done)
        return
    for column in ("actions", "observations", "rewards", "state_keys", "verifier", "success", "task_id", "goal"):
        assert getattr(played.episode, column) == getattr(reference, column), column
    assert played.get_reward() == reference.episode_return


def test_alfworld_shop_and_desk_have_the_tools_that_their_actions_are() -> None:
    assert tools(environment("credit/ALFWorld-v0")) == {
        *("go_to", "take", "move", "open", "close", "heat", "cool", "clean", "slice", "use", "examine", "look"),
        "inventory",
    }
    assert tools(environment("credit/WebShop-v0")) == {"search", "click"}
    desk = tools(environment("credit/Tau2-v0"))
    assert {"find_member_by_email", "take_payment", "done", "say"} < desk
    assert "say" not in tools(environment("credit/Tau2-v0", solo=True))


@pytest.mark.parametrize("env_id", IDS)
def test_every_tool_has_types_and_a_docstring_that_transformers_reads(env_id: str) -> None:
    utils = pytest.importorskip("transformers.utils")
    kind: Any = environment(env_id)
    for name in sorted(tools(kind)):
        method = getattr(kind(), name)
        schema = utils.get_json_schema(method)["function"]
        assert schema["name"] == name
        assert schema["description"]
        arguments = inspect.signature(method).parameters
        assert schema["parameters"]["properties"].keys() == arguments.keys()
        assert arguments.keys() <= typing.get_type_hints(method).keys()
        assert name not in ("step", "act"), "TRL asks for no generic tool"


def test_what_a_model_gets_wrong_is_a_sentence_and_costs_nothing_else() -> None:
    played: Any = environment("credit/ALFWorld-v0")()
    with pytest.raises(CreditGymError, match="The game is over"):
        played.look()
    assert math.isnan(played.get_reward())
    played.reset(seed=0)
    with pytest.raises(TypeError, match="missing a required"):
        played.go_to()
    with pytest.raises(CreditGymError, match="The argument place of go_to must be text"):
        played.go_to(place=["cabinet 1"])
    assert played.go_to(place="nowhere") == "Nothing happens."
    assert played.get_reward() == 0.0
    assert played.episode.actions == ("go to nowhere",)
    assert played.episode.truncated
    with pytest.raises(CreditGymError, match="The game is over"):
        played.look()


def test_a_row_names_the_task_the_split_and_the_group() -> None:
    played: Any = environment("credit/ALFWorld-v0")()
    env = gym.make("credit/ALFWorld-v0", split="valid_seen")
    _, info = env.reset(seed=4, options={"task": 2})
    said = played.reset(seed=4, task=2, split="valid_seen", group="g")
    assert said.startswith(info["task"]["goal"])
    assert (played.episode.task_id, played.episode.group_id, played.episode.seed) == (info["task"]["id"], "g", 4)
    played.reset(seed=4, task=info["task"]["id"], split="valid_seen")
    assert played.episode.task_id == info["task"]["id"]
    with pytest.raises(UnknownNameError, match="split"):
        played.reset(seed=0, split="nowhere")
    with pytest.raises(gym.error.Error, match="must be"):
        played.reset(seed=0, task=10**6)


def test_objects_of_one_class_play_apart() -> None:
    kind: Any = environment("credit/Stochastic-v0")
    one, other = kind(), kind()
    assert one.reset(seed=1) == other.reset(seed=1)
    one.choose(action="nothing of the kind")
    assert len(one.episode) == 1
    assert len(other.episode) == 0


def test_an_environment_that_fails_has_no_reward(monkeypatch: pytest.MonkeyPatch) -> None:
    from credit_gym.envs.webshop.env import WebShopEnv

    def broken(self: Any, action: str) -> Any:
        raise OSError("the disk is gone")

    played: Any = environment("credit/WebShop-v0")()
    played.reset(seed=0)
    monkeypatch.setattr(WebShopEnv, "step", broken)
    with pytest.raises(OSError, match="the disk is gone"):
        played.search(words="chair")
    assert math.isnan(played.get_reward())
    assert played.episode.error == "OSError: the disk is gone"


def test_an_unknown_id_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean credit/ALFWorld-v0"):
        environment("credit/AlfWorld-v0")


def test_rows_of_a_dataset_begin_the_games_they_say() -> None:
    pytest.importorskip("datasets")
    rows = row_dataset("credit/ALFWorld-v0", 5, seed=3, split="valid_seen", num_tasks=3)
    assert rows.column_names == ["prompt", "seed", "group", "task", "split"]
    assert rows["task"] == [0, 1, 2, 0, 1]
    assert rows[0]["prompt"] == [{"role": "user", "content": INSTRUCTION}]
    assert len(set(rows["seed"])) == 5
    assert rows["seed"] == row_dataset("credit/ALFWorld-v0", 5, seed=3, num_tasks=3)["seed"]
    played: Any = environment("credit/ALFWorld-v0", num_tasks=3)()
    played.reset(**rows[4])
    assert (played.episode.seed, played.episode.group_id) == (rows[4]["seed"], "4")

"""How long an action is, as every environment says it, and what others make of it."""

from typing import Any, get_args

import gymnasium as gym
import pytest
from typer.testing import CliRunner

from credit_gym.agents.replay.tree import ReplayTree
from credit_gym.agents.rollout.turns import episode_turns
from credit_gym.cli.app import app
from credit_gym.data.action_format import FORMATS, LINE, ActionFormat, Kind, declared_format, describe, format_at
from credit_gym.errors import CreditGymError, UnknownNameError
from credit_gym.registration import ENVIRONMENTS

KINDS = {
    "credit/AgentDojo-v0": "tool_call",
    "credit/FunctionCalls-v0": "tool_call",
    "credit/Tau2-v0": "tool_call",
    "credit/MultiAgentMath-v0": "message",
    "credit/MultiAgentCode-v0": "program",
}


@pytest.mark.parametrize("env_id", [spec.id for spec in ENVIRONMENTS])
def test_every_environment_says_what_to_write_and_the_command_line_shows_it(env_id: str) -> None:
    form = gym.make(env_id).unwrapped.action_format
    assert form.kind == KINDS.get(env_id, "line")
    assert form.how.endswith((".", "block."))
    assert form.kind != "line" or not any("\n" in example for example in form.examples)
    assert declared_format(env_id) == form
    shown = CliRunner().invoke(app, ["envs", env_id])
    assert describe(form) in shown.output


def test_every_kind_has_a_format_that_says_no_more() -> None:
    assert {kind: form.kind for kind, form in FORMATS.items()} == {kind: kind for kind in get_args(Kind)}


class Stranger(gym.Env[str, str]):
    """A third party's environment, which declares nothing."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
        return "", {}


def test_what_declares_nothing_takes_lines() -> None:
    assert declared_format("test/Unknown-v0") == LINE
    assert format_at(Stranger(), {}) == LINE
    assert next(episode_turns(Stranger(), agent_id="", seed=0, episode_id="", group_id="")).action_format == LINE


def test_the_kind_in_the_info_takes_the_place_of_what_is_declared() -> None:
    declared = ActionFormat("program", "Write it in Python.")
    env = Stranger()
    env.action_format = declared  # type: ignore[attr-defined]
    assert format_at(env, {}) == declared
    assert format_at(env, {"action_format": "message"}) == FORMATS["message"]
    with pytest.raises(UnknownNameError, match="did you mean message"):
        format_at(env, {"action_format": "mesage"})
    with pytest.raises(CreditGymError, match="must be a kind of action"):
        format_at(env, {"action_format": 5})
    with pytest.raises(UnknownNameError):
        ActionFormat("haiku")  # type: ignore[arg-type]


def test_a_role_whose_message_is_not_graded_writes_a_message_and_the_last_one_the_program() -> None:
    turns = episode_turns(gym.make("credit/MultiAgentCode-v0"), agent_id="", seed=0, episode_id="", group_id="")
    assert next(turns).action_format.kind == "message"
    assert turns.send("I have nothing to add.").action_format.kind == "program"


def test_in_a_replay_an_action_is_as_long_as_in_the_game() -> None:
    kinds: list[list[str]] = []

    class Asked:
        name = "asked"

        def act(self, contexts: Any, /) -> list[str]:
            kinds.append([context.action_format.kind for context in contexts])
            return ["I have nothing to add."] * len(contexts)

    ReplayTree(gym.make("credit/MultiAgentCode-v0"), Asked(), merge_duplicates=True).grow(0)
    assert set(kinds[0]) == {"message"}
    assert set(kinds[-1]) == {"program"}

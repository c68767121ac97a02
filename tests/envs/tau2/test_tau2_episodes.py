"""tau2's results files as episodes: what becomes of a conversation, and that damage costs nothing that can be read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders.conversations import played
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import credit_gym.cli.imports
import credit_gym.cli.rescore
import credit_gym.cli.targets  # noqa: F401 - registers its command
from credit_gym.cli import app
from credit_gym.data.batch import EpisodeBatch
from credit_gym.envs.tau2.actions import Calls, ToolCall, parse_action, write_call
from credit_gym.envs.tau2.results import write_results
from credit_gym.envs.tau2.toolkit import Toolkit
from credit_gym.errors import StoreError
from credit_gym.formats.readers import Imported, read_episodes
from credit_gym.scorers import score

LOOK_UP = {"id": "c1", "name": "find_order", "arguments": {"order_id": "#1"}, "requestor": "assistant"}
TOGGLE = {"id": "c2", "name": "toggle_wifi", "arguments": {}, "requestor": "user"}


def simulation(**changes: Any) -> dict[str, Any]:
    """A conversation of a domain that nobody here has, in which the customer uses a tool too."""
    messages: list[dict[str, Any]] = [
        {"role": "assistant", "content": "Hi! How can I help you today?", "tool_calls": None},
        {"role": "user", "content": "Where is my order?", "tool_calls": None},
        {"role": "assistant", "content": "Let me look.", "tool_calls": [LOOK_UP]},
        {"role": "tool", "id": "c1", "content": "Error: none", "requestor": "assistant", "error": True},
        {"role": "assistant", "content": "Is your wifi on?", "tool_calls": None},
        {"role": "user", "content": None, "tool_calls": [TOGGLE]},
        {"role": "tool", "id": "c2", "content": "secret", "requestor": "user", "error": False},
        {"role": "user", "content": "Now it is. ###STOP###", "tool_calls": None},
    ]
    base = {"id": "a", "task_id": 3, "trial": 0, "seed": 5, "messages": messages, "termination_reason": "user_stop"}
    return {**base, "reward_info": {"reward": 1.0}, "agent_cost": 0.25, **changes}


def results(*simulations: Any) -> dict[str, Any]:
    info = {
        "agent_info": {"implementation": "llm_agent", "llm": "some-model"},
        "environment_info": {"domain_name": "telecom", "policy": "Be kind."},
    }
    return {"timestamp": "now", "info": info, "tasks": [], "simulations": list(simulations)}


def read(path: Path, document: Any) -> Imported:
    path.write_bytes(document if isinstance(document, bytes) else json.dumps(document).encode())
    return read_episodes("tau2", path)


def test_a_message_of_the_agent_is_a_step_and_the_customers_tools_stay_unseen(tmp_path: Path) -> None:
    (episode,), damaged = read(tmp_path / "r.json", results(simulation()))
    call = '{"name": "find_order", "arguments": {"order_id": "#1"}}'
    assert damaged == []
    assert episode.actions == (call, "Is your wifi on?")
    assert episode.observations == ("user: Where is my order?", "tool: Error: none", "user: Now it is. ###STOP###")
    assert episode.state_keys == episode.observations
    assert episode.rewards == (0.0, 1.0)
    assert episode.invalid == (True, False)
    assert (episode.group_id, episode.task_id, episode.agent_id, episode.seed) == ("telecom-3", "3", "some-model", 5)
    assert (episode.success, episode.error, episode.verifier) == (True, None, None)
    assert episode.usage["dollars"] == 0.25
    assert episode.messages is not None
    assert episode.messages[1] == (
        {"role": "system", "content": "Be kind."},
        {"role": "assistant", "content": "Hi! How can I help you today?"},
        {"role": "user", "content": "Where is my order?"},
        {"role": "assistant", "content": f"Let me look.\n{call}"},
        {"role": "tool", "content": "Error: none"},
    )


def test_an_imported_action_is_the_one_that_is_played_and_its_calls_are_kept(tmp_path: Path) -> None:
    first = {"id": "c1", "name": "move", "arguments": {"to": "é", "from": 1}, "requestor": "assistant"}
    second = {"id": "c3", "name": "look", "arguments": {}, "requestor": "assistant"}
    messages = simulation()["messages"]
    messages[2] = {**messages[2], "tool_calls": [first, second]}
    messages.insert(4, {**messages[3], "id": "c3", "content": "nothing", "error": False})
    (episode,), _ = read(tmp_path / "r.json", results(simulation(messages=messages)))
    calls = ToolCall("move", {"to": "é", "from": 1}), ToolCall("look", {})
    assert episode.actions[0] == f"[{write_call(calls[0])}, {write_call(calls[1])}]"
    assert '"arguments": {"from": 1, "to": "é"}' in episode.actions[0]
    assert parse_action(episode.actions[0], Toolkit()) == Calls(calls)
    kept = [{"id": each["id"], "name": each["name"], "arguments": each["arguments"]} for each in (first, second)]
    assert episode.tool_calls is not None
    assert [list(map(dict, step)) for step in episode.tool_calls] == [kept, []]
    (silent,), _ = read(tmp_path / "s.json", results(simulation(messages=[*messages[:2], messages[5], messages[-1]])))
    assert silent.tool_calls is None


def test_an_agent_that_begins_by_itself_loses_no_message(tmp_path: Path) -> None:
    """Nobody greets on a ticket, nor where the environment speaks first."""
    messages = simulation()["messages"]
    ticket, game = simulation(id="t", messages=messages[2:5]), simulation(id="g", messages=messages[1:3])
    first, second = read(tmp_path / "r.json", results(ticket, game)).episodes
    assert [len(first), len(second)] == [2, 1]
    assert (first.observations[0], second.observations[0]) == ("", "user: Where is my order?")


@pytest.mark.parametrize("given", [None, {}, {"reward": None}])
def test_what_was_never_graded_has_no_outcome(tmp_path: Path, given: Any) -> None:
    document = results(
        simulation(), simulation(id="b", reward_info=given), simulation(id="c", reward_info={"reward": 0})
    )
    episodes, damaged = read(tmp_path / "r.json", document)
    assert damaged == []
    assert [e.error for e in episodes] == [None, "The conversation was never graded.", None]
    broken = simulation(reward_info={"reward": 0.0}, termination_reason="infrastructure_error")
    assert read(tmp_path / "i.json", results(broken)).episodes[0].error is not None
    limit = read(tmp_path / "l.json", results(simulation(termination_reason="max_steps"))).episodes[0]
    assert (limit.truncated, limit.terminated, limit.error) == (True, False, None)


def test_a_domain_that_is_not_at_hand_is_said_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAU2_DATA_DIR", str(tmp_path))
    document = {**results(simulation()), "info": {"environment_info": {"domain_name": "retail"}}}
    with pytest.raises(StoreError, match=r"cannot be imported: There is no tau2 domain 'retail' in .* TAU2_DATA_DIR"):
        read(tmp_path / "results.json", document)


@pytest.mark.parametrize("folder", [False, True])
def test_our_own_export_comes_back_with_states_and_verifier(tmp_path: Path, folder: bool) -> None:
    env, episodes, simulations = played(20, 0.1)
    path = tmp_path / "results.json"
    write_results(path, env.domain, simulations, agent="noisy")
    if folder:
        document = json.loads(path.read_text())
        (tmp_path / "simulations").mkdir()
        for number, value in enumerate(document.pop("simulations")):
            (tmp_path / "simulations" / f"{number:02d}.json").write_text(json.dumps(value))
        path.write_text(json.dumps(document))
    found, damaged = read_episodes("tau2", tmp_path if folder else path)
    assert damaged == []
    for back, episode in zip(found, episodes, strict=True):
        assert (back.episode_id, back.seed, back.task_id) == (episode.episode_id, episode.seed, episode.task_id)
        assert (back.rewards, back.success, back.truncated) == (episode.rewards, episode.success, episode.truncated)
        assert back.verifier == pytest.approx(episode.verifier)
        assert back.observations == episode.observations
    assert {back.success for back in found} == {True, False}
    assert len({key for back in found for key in back.state_keys}) > len(found)
    assert np.isfinite(score(EpisodeBatch.from_episodes(found), "branch_aware")).all()


@pytest.mark.slow
def test_a_file_that_breaks_off_loses_nothing_before_the_break(tmp_path: Path) -> None:
    document = results(simulation(mode="é"), simulation(id="b", mode="é" * 9), simulation(id="c"))
    text = json.dumps(document, ensure_ascii=False).encode()
    ends = [text.index(f', {{"id": "{name}"'.encode()) for name in "bc"] + [text.rindex(b"]")]
    accents = text.rindex("é".encode())  # cut in the middle of a character too
    for cut in (*range(text.index(b'"simulations"') + 20, len(text) - 1, 7), *ends, accents + 1):
        episodes, (said,) = read(tmp_path / "r.json", text[:cut])
        assert [e.episode_id for e in episodes] == ["a", "b", "c"][: sum(cut >= end for end in ends)]
        assert f"breaks off after {len(episodes)} whole conversations" in said
        assert all(e.agent_id == "some-model" for e in episodes)


DAMAGED = [
    1,
    {"task_id": 1},
    simulation(messages=3),
    simulation(messages=[3]),
    simulation(messages=[{"role": "user", "content": "x"}]),
    simulation(messages=[{"role": "user", "content": {"a": 1}}, {"role": "assistant", "content": [1]}]),
    simulation(messages=[{"role": "assistant", "content": "x", "tool_calls": [1]}]),
    simulation(reward_info={"reward": "much"}),
    simulation(reward_info={"reward": float("inf")}),
    simulation(reward_info=[1]),
    simulation(seed="x"),
    simulation(seed=float("inf")),
    simulation(messages=[*simulation()["messages"][:3], {"role": "user", "content": 5}]),
    simulation(agent_cost="x"),
    simulation(id="whole"),
]


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_conversation_costs_no_other(tmp_path: Path, damage: Any) -> None:
    document = results(simulation(id="whole"), damage, simulation(id="later"))
    episodes, (said,) = read(tmp_path / "r.json", document)
    assert [e.episode_id for e in episodes] == ["whole", "later"]
    assert "r.json" in said
    assert said.count("\n") == 0


@pytest.mark.parametrize("content", ["", "[]", "3", '"simulations"', '{"simulations": 3}', '{"info": 3}', "\udc80"])
def test_what_is_no_results_file_is_refused_in_a_sentence(tmp_path: Path, content: str) -> None:
    (tmp_path / "r.json").write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(StoreError, match=r"r\.json"):
        read_episodes("tau2", tmp_path / "r.json")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["role", "reward"]), inner, max_size=2),
    max_leaves=5,
)


@pytest.mark.slow
@given(st.data())
@settings(max_examples=100, deadline=None)
def test_whatever_a_field_holds_the_other_conversations_are_read(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    bad = simulation(id="bad")
    place = bad if data.draw(st.booleans()) else data.draw(st.sampled_from(bad["messages"]))
    place[data.draw(st.sampled_from(sorted(place)))] = data.draw(JSON)
    path = tmp_path_factory.mktemp("any") / "r.json"
    episodes, damaged = read(path, results(simulation(), bad, simulation(id="c")))
    assert {"a", "c"} <= {episode.episode_id for episode in episodes}
    assert len(episodes) + len(damaged) == 3


def test_an_imported_run_is_scored_and_exported_from_the_command_line(tmp_path: Path) -> None:
    def call(code: int, *arguments: str) -> str:
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == code, result.output
        return result.stdout.strip()

    lost = simulation(id="b", seed=-1, reward_info={"reward": 0.0})
    (tmp_path / "r.json").write_text(json.dumps(results(simulation(), lost, 3, simulation(id="c", reward_info=None))))
    runs = ("--runs-dir", str(tmp_path / "runs"))
    run = call(1, "import", str(tmp_path / "r.json"), "--from", "tau2", *runs)
    assert "grpo" in call(0, "score", run, "--scorer", "grpo", *runs)
    path = call(0, "targets", run, "--scorer", "grpo", "--to", "trl-kto", *runs)
    rows = [json.loads(line) for line in Path(path).read_text().splitlines()]
    assert [row["label"] for row in rows] == [True, True, False, False]
    assert rows[0]["prompt"][0] == {"role": "system", "content": "Be kind."}

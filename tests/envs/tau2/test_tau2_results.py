"""tau2's results files: what was played is written, read, graded and credited."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders.conversations import lamps, played

from credit_gym.agents.likelihood.transcripts import read_simulations
from credit_gym.data.batch import EpisodeBatch
from credit_gym.envs.tau2.actions import Message, ToolCall
from credit_gym.envs.tau2.env import Tau2Env
from credit_gym.envs.tau2.episodes import read_episodes, to_episode
from credit_gym.envs.tau2.replaying import refused_by_tau2
from credit_gym.envs.tau2.results import (
    Simulation,
    from_episode,
    from_moment,
    read_results,
    regrade,
    replay,
    write_results,
)
from credit_gym.errors import BatchError, ManifestError, UnknownNameError
from credit_gym.scorers import score


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    env, _, simulations = played()
    path = tmp_path / "runs" / "results.json"
    write_results(path, env.domain, simulations, agent="noisy")
    again = read_results(path)
    assert [s.messages for s in again] == [s.messages for s in simulations]
    assert [s._replace(messages=()) for s in again] == [s._replace(messages=()) for s in simulations]
    folder = tmp_path / "split"
    (folder / "simulations").mkdir(parents=True)
    document = json.loads(path.read_text())
    for number, value in enumerate(document.pop("simulations")):
        (folder / "simulations" / f"{number:02d}.json").write_text(json.dumps(value))
    (folder / "results.json").write_text(json.dumps(document))
    assert read_results(folder) == again


def test_the_file_has_what_tau2_asks_of_it(tmp_path: Path) -> None:
    env, _, simulations = played(3)
    write_results(tmp_path / "r.json", env.domain, simulations, agent="noisy")
    document = json.loads((tmp_path / "r.json").read_text())
    assert document.keys() >= {"timestamp", "info", "tasks", "simulations"}
    assert document["info"]["environment_info"]["policy"] == env.domain.policy
    for simulation in document["simulations"]:
        assert simulation.keys() >= {"id", "task_id", "start_time", "end_time", "duration", "termination_reason"}
        times = [message["timestamp"] for message in simulation["messages"]]
        assert times == sorted(times)
        assert len(set(times)) == len(times)
        calls = [call["id"] for message in simulation["messages"] for call in message.get("tool_calls") or ()]
        answers = [message["id"] for message in simulation["messages"] if message["role"] == "tool" and message["id"]]
        assert calls == answers  # every call is followed by its answer
        assert simulation["reward_info"]["reward_breakdown"].keys() <= set(simulation["reward_info"]["reward_basis"])


def test_what_was_played_is_graded_the_same_from_the_file() -> None:
    env, episodes, simulations = played(30, 0.1)
    assert 0 < sum(episode.success for episode in episodes) < 30
    for episode, simulation in zip(episodes, simulations, strict=True):
        again = regrade(env.domain, simulation)
        assert again.grade.reward == simulation.reward == episode.episode_return
        assert again.drifted == ()


def test_an_episode_holds_the_conversation() -> None:
    env, episodes, simulations = played(30, 0.1)
    for episode, simulation in zip(episodes, simulations, strict=True):
        rebuilt = from_episode(env.domain, episode)
        assert rebuilt.messages == simulation.messages
        assert (rebuilt.termination, rebuilt.reward) == (simulation.termination, simulation.reward)


def test_a_trajectory_is_credited_as_if_it_were_played_here() -> None:
    env, episodes, simulations = played(30, 0.1)
    for episode, simulation in zip(episodes, simulations, strict=True):
        again = to_episode(env.domain, simulation)
        assert len(again) == len(episode)
        assert again.verifier == pytest.approx(episode.verifier)
        assert again.rewards == episode.rewards
        assert again.invalid == episode.invalid
        assert (again.success, again.terminated, again.truncated) == (
            episode.success,
            episode.terminated,
            episode.truncated,
        )
    batch = EpisodeBatch.from_episodes([to_episode(env.domain, simulation) for simulation in simulations])
    assert np.isfinite(score(batch, "branch_aware")).all()


def test_an_action_that_means_nothing_leaves_no_answer_without_a_call() -> None:
    env = Tau2Env(task_id="library-3")
    env.reset(seed=0)
    for action in ("", "get_member(member_id='M001')", '{"name": "x"}', "done()"):
        env.step(action)
    roles = [m.role for m in from_moment(env.domain, env.task, env.moment, id="x").messages]
    assert roles == ["assistant", "user", "assistant", "tool", "assistant"]


def breach() -> tuple[Tau2Env, Simulation]:
    """A conversation in which a member's address is changed unasked."""
    env = Tau2Env(task_id="library-3")
    env.reset(seed=0)
    env.step("change_email(member_id='M001', email='a@b')")
    env.step("done()")
    return env, from_moment(env.domain, env.task, env.moment, id="x")


def test_breaches_are_seen_in_a_recorded_conversation() -> None:
    env, simulation = breach()
    assert replay(env.domain, simulation).breaches == env.moment.breaches != ()
    assert simulation.reward == 0.0


def test_an_answer_that_is_no_longer_given_is_noticed() -> None:
    env, simulation = breach()
    at = next(n for n, message in enumerate(simulation.messages) if message.role == "tool")
    spoilt = [m._replace(content="{}") if n == at else m for n, m in enumerate(simulation.messages)]
    assert regrade(env.domain, simulation._replace(messages=tuple(spoilt))).drifted == (at,)


def test_several_calls_in_one_message_are_made_in_order() -> None:
    """Published agents may call in parallel; the environment here never does."""
    env = Tau2Env(task_id="library-3")
    member = {"member_id": "M001"}
    calls = (
        ToolCall("change_email", {**member, "email": "a@b"}, id="1"),
        ToolCall("change_email", {**member, "email": "c@d"}, id="2"),
    )
    first = env.domain.call(env.domain.begin(env.tasks[0]), calls[0])
    second = env.domain.call(first.database, calls[1])
    messages = (
        Message("assistant", "Hi!"),
        Message("user", "Hello."),
        Message("assistant", call=calls[0], calls=calls[1:]),
        Message("tool", first.content, id="1"),
        Message("tool", second.content, id="2"),
        Message("user", "Bye. ###STOP###"),
    )
    simulation = Simulation("s", "library-3", 0, messages, "user_stop", {"reward": 0.0})
    assert regrade(env.domain, simulation).drifted == ()
    episode = to_episode(env.domain, simulation)
    assert len(episode) == 1
    assert episode.actions[0].count("change_email") == 2
    assert dict(replay(env.domain, simulation).database.get("members", "M001") or {})["email"] == "c@d"


BAD_CALL = '{"simulations": [{"task_id": 1, "messages": [{"role": "user", "tool_calls": [1]}]}]}'


def test_a_spoken_conversation_is_said_to_be_one(tmp_path: Path) -> None:
    for spoken in ({"ticks": [{}]}, {"messages": None, "ticks": []}, {"messages": [], "mode": "full_duplex"}):
        (tmp_path / "r.json").write_text(json.dumps({"simulations": [{"id": "v", "task_id": "1", **spoken}]}))
        for read in (read_results, read_simulations):
            with pytest.raises(ManifestError, match="'v' is a spoken conversation"):
                read(tmp_path / "r.json")
        (refused,) = read_episodes(tmp_path / "r.json")
        assert "'v' is a spoken conversation" in str(refused)


def modified(mode: str, folder: Path, task: str, action: str) -> tuple[Tau2Env, Simulation]:
    env = Tau2Env("retail", data=folder, mode=mode, task_id=task)
    env.reset(seed=0)
    env.step(action)
    env.step("done()")
    return env, from_moment(env.domain, env.task, env.moment, id=task)


BOTH = "modify_pending_order_items(order_id='#W1', item_ids=['a', 'b'], new_item_ids=['c', 'd'], payment_method_id='p')"
ONE = "modify_pending_order_items(order_id='#W1', item_ids=['a'], new_item_ids=['c'], payment_method_id='p')"
REWORDED = "cancel_pending_order(order_id='#W1', reason=3)"
REFUSED = "cancel_pending_order(order_id='#W2', reason='no longer needed')"


@pytest.mark.parametrize(
    ("mode", "action", "refused"),
    [
        ("default", BOTH, True),
        ("upstream", BOTH, False),
        ("default", ONE, False),
        ("default", REFUSED, False),  # in tau2's own words
        ("upstream", REWORDED, True),
        ("default", "get_order_details(order_id=3)", False),  # what only reads is not made again
    ],
)
def test_results_that_tau2_would_refuse_to_grade_are_said(
    tmp_path: Path, mode: str, action: str, refused: bool, recwarn: pytest.WarningsRecorder
) -> None:
    env, simulation = modified(mode, lamps(tmp_path), "both", action)
    at = refused_by_tau2(env.domain, env.task, simulation.messages)
    assert [simulation.messages[index].role for index in at] == ["tool"] * refused
    write_results(tmp_path / "r.json", env.domain, [simulation, simulation], agent="a")
    said = [str(warning.message) for warning in recwarn]
    assert len(said) == refused
    if refused:
        assert "would refuse 2 of these 2 results" in said[0]


@pytest.mark.parametrize("content", ["", "[]", '{"simulations": [{}]}', BAD_CALL])
def test_a_file_that_is_none_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "results.json"
    path.write_text(content)
    with pytest.raises(ManifestError, match="results"):
        read_results(path)
    with pytest.raises(ManifestError):
        read_results(tmp_path / "missing.json")


def test_a_simulation_of_nothing_is_refused() -> None:
    env = Tau2Env()
    messages: tuple[Any, ...] = (Message("assistant", "Hi!"), Message("user", "###STOP###"))
    with pytest.raises(BatchError, match="never acts"):
        to_episode(env.domain, Simulation("s", "library-3", 0, messages, "user_stop", {}))
    with pytest.raises(UnknownNameError, match="task"):
        regrade(env.domain, Simulation("s", "other", 0, messages, "user_stop", {}))

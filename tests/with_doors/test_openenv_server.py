"""A server of ours, played by OpenEnv's own client: the same episodes, nothing of the answer, hostile clients."""

from __future__ import annotations

import asyncio
import gc
import json
import random
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import gymnasium as gym
import httpx
import pytest
from builders.served import OnlyTold, RemoteEnv, serving, until, written
from openenv import GenericEnvClient
from websockets.asyncio.client import connect as connect_later
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

import credit_gym as cg
from credit_gym.agents.rollout.runner import play_episode
from credit_gym.agents.scripted import RandomAgent
from credit_gym.cli.serve import application
from credit_gym.registration import ENVIRONMENTS
from credit_gym.wrappers.doors import guard, listening
from credit_gym.wrappers.doors.served_session import ServedSession

IDS = [spec.id for spec in ENVIRONMENTS]
STOCHASTIC = "credit/Stochastic-v0"
SECRET = ('"verifier"', '"expert_actions"', '"state_key"', '"distance"', '"exact_verifier"', '"best_reward"')


def named(env_id: str) -> str:
    return env_id.removeprefix("credit/").rpartition("-v")[0]


@pytest.fixture(scope="module")
def everything() -> Any:
    """The URL of a server of every id."""
    with serving(application(IDS, {}, sessions=80)) as url:
        yield url


@pytest.fixture(scope="module")
def revealing() -> Any:
    """The URL of a server of every id that tells everything."""
    with serving(application(IDS, {}, reveal=True)) as url:
        yield url


def in_process(env_id: str, seed: int, options: dict[str, Any] | None = None) -> str:
    env = OnlyTold(gym.make(env_id))
    names = {"episode_id": "e", "group_id": "g"}
    return written(play_episode(env, RandomAgent(), seed=seed, options=options, **names))


def over_the_wire(env: RemoteEnv, seed: int, options: dict[str, Any] | None = None) -> str:
    return written(play_episode(env, RandomAgent(), seed=seed, options=options, episode_id="e", group_id="g"))


@pytest.mark.parametrize("env_id", IDS)
def test_a_published_client_plays_every_id_to_the_byte_as_in_process(everything: str, env_id: str) -> None:
    env = RemoteEnv(f"{everything}/{named(env_id)}", env_id)
    try:
        for seed, options in ((0, None), (1, {"task": 1})):
            here = in_process(env_id, seed, options)
            there = over_the_wire(env, seed, options)
            assert json.loads(here)["error"] is None
            assert there == here
    finally:
        env.close()


@pytest.mark.slow
def test_64_sessions_of_one_task_at_once_play_what_they_play_alone(everything: str) -> None:
    options = {"task": 2}

    def play(seed: int) -> str:
        env = RemoteEnv(f"{everything}/ALFWorld", "credit/ALFWorld-v0")
        together.wait()
        try:
            return over_the_wire(env, seed, options)
        finally:
            env.close()

    together = threading.Barrier(64, timeout=120)
    with ThreadPoolExecutor(64) as pool:
        there = list(pool.map(play, range(64)))
    assert there == [in_process("credit/ALFWorld-v0", seed, options) for seed in range(64)]
    assert len(set(there)) == 64


@pytest.mark.parametrize("env_id", IDS)
def test_nothing_of_the_answer_is_in_any_frame(everything: str, env_id: str) -> None:
    game = gym.make(env_id)
    _, info = game.reset(seed=5)
    with connect(f"{everything}/{named(env_id)}/ws".replace("http", "ws"), proxy=None) as session:
        frames = [said(session, "reset", {"seed": 5})]
        keys = {info["state_key"]}
        over = False
        for step in range(6):
            if over:
                break
            action = (info.get("admissible_actions") or ["look"])[step % 2 - 1]
            _, _, terminated, truncated, info = game.step(action)
            over = terminated or truncated
            keys.add(info["state_key"])
            frames += [said(session, "step", {"text": action}), said(session, "state")]
        frames.append(said(session, "step", {"text": "", "metadata": {"clone": True}}))
    for frame in frames:
        assert not [word for word in SECRET if word in frame]
        assert not [key for key in keys if key in frame]


def said(session: Any, kind: str, data: dict[str, Any] | None = None) -> str:
    """The frame that answers a message."""
    session.send(json.dumps({"type": kind} if data is None else {"type": kind, "data": data}))
    frame: str = session.recv(timeout=60)
    return frame


def test_who_connects_and_asks_nothing_keeps_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "PATIENCE", 0.3)
    monkeypatch.setattr(guard, "PATIENCE", 0.3)
    with serving(application([STOCHASTIC], {}), http=listening.impatient(), limit_concurrency=4) as url:
        address = ("127.0.0.1", httpx.URL(url).port)
        with connect(f"{url}/ws".replace("http", "ws"), proxy=None) as session, ExitStack() as held:
            said(session, "reset", {"seed": 1})
            for begun in (b"", b"GET /hea", b"GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n", b"x"):
                held.enter_context(socket.create_connection(address)).sendall(begun)
            until(lambda: httpx.get(f"{url}/health").status_code == 200)
            assert '"step_count":0' in said(session, "state")


def test_a_fork_is_two_messages_and_the_snapshot_stays_on_the_server(everything: str) -> None:
    with GenericEnvClient(base_url=everything).sync() as client:
        begun = client.reset(seed=7)
        actions = begun.observation["admissible_actions"]
        client.step({"text": actions[0]})
        for odd in ("yes", 1, None):
            with pytest.raises(RuntimeError, match="is true or false"):
                client.step({"text": actions[0], "metadata": {"clone": odd}})
        kept = client.step({"text": "", "metadata": {"clone": True}})
        assert kept.metadata.keys() == {"snapshot"}
        assert len(kept.metadata["snapshot"]) < 10
        assert client.state()["step_count"] == 1
        ends = []
        for _ in range(2):
            again = client.reset(snapshot=kept.metadata["snapshot"])
            assert again.observation["text"] == kept.observation["text"]
            assert client.state()["step_count"] == 1
            ends.append(client.step({"text": again.observation["admissible_actions"][-1]}).observation)
        assert ends[0] == ends[1]


def test_terminated_and_truncated_are_told_apart_and_the_state_says_how_to_play_it_again(everything: str) -> None:
    with GenericEnvClient(base_url=everything).sync() as client:
        result = client.reset(episode_id="mine", index=3)
        first = result.observation["text"]
        state = client.state()
        assert (state["episode_id"], state["step_count"], state["env"]) == ("mine", 0, STOCHASTIC)
        while not result.done:
            result = client.step({"text": "no such thing"})
        assert result.observation["truncated"]
        assert not result.observation["terminated"]
        assert result.observation["success"] is False
        assert client.state()["step_count"] == begin_limit(everything, state)
        assert client.reset(seed=state["seed"], index=3).observation["text"] == first


def begin_limit(url: str, state: dict[str, Any]) -> int:
    with GenericEnvClient(base_url=url).sync() as client:
        limit: int = client.reset(seed=state["seed"], index=3).observation["step_limit"]
        return limit


def test_tasks_are_listed_as_openenv_lists_them(everything: str) -> None:
    assert httpx.get(f"{everything}/list_environments").json() == [named(env_id) for env_id in IDS]
    for base in (everything, f"{everything}/ALFWorld"):
        assert httpx.get(f"{base}/ALFWorld/splits").json() == [{"name": "train", "type": "train"}]
        count = httpx.post(f"{base}/ALFWorld/num_tasks", json={"split": "train"}).json()["num_tasks"]
        task = httpx.post(f"{base}/ALFWorld/task", json={"split": "train", "index": count - 1}).json()["task"]
        assert task["index"] == count - 1
        outside = httpx.post(f"{base}/ALFWorld/task", json={"split": "train", "index": count})
        assert outside.status_code == 400
    other = httpx.post(f"{everything}/ALFWorld/num_tasks", json={"split": "secret"})
    assert other.status_code == 400
    assert "Only the split 'train' is served" in other.json()["detail"]


def test_a_full_server_says_so_and_a_session_that_dies_frees_its_place() -> None:
    with serving(application([STOCHASTIC], {}, sessions=2)) as url:
        ws = url.replace("http", "ws") + "/ws"

        def free() -> bool:
            with connect(ws, proxy=None) as session:
                return json.loads(said(session, "reset"))["type"] == "observation"

        with connect(ws, proxy=None) as one, connect(ws, proxy=None) as two:
            for session in (one, two):
                said(session, "reset")
            with connect(ws, proxy=None) as third:
                refused = json.loads(third.recv(timeout=30))
                assert refused["data"]["code"] == "CAPACITY_REACHED"
                assert "2/2" in refused["data"]["message"]
            one.socket.close()  # no close frame, as when a process dies
            until(free)
            assert json.loads(said(two, "state"))["type"] == "state"


def test_a_session_that_is_idle_ends_and_says_so() -> None:
    with serving(application([STOCHASTIC, "credit/Diagnostic-v0"], {}, sessions=1, session_timeout=1.0)) as url:
        for name in ("Stochastic", "Diagnostic"):
            with connect(url.replace("http", "ws") + f"/{name}/ws", proxy=None) as session:
                said(session, "reset", {"seed": 1})
                frame = json.loads(session.recv(timeout=30))
                assert frame["data"]["message"] == "The session was idle for 1 s and has ended: connect again."
                with pytest.raises(ConnectionClosed):
                    session.recv(timeout=30)
            until(lambda: not living())


def test_a_session_that_no_connection_holds_ends_too() -> None:
    with serving(application([STOCHASTIC, "credit/Diagnostic-v0"], {}, sessions=1, session_timeout=1.0)) as url:
        create = {"jsonrpc": "2.0", "id": 1, "method": "openenv/session/create", "params": {}}
        for path in ("/mcp", "/Diagnostic/mcp"):
            assert "session_id" in httpx.post(url + path, json=create).json()["result"]
            assert "error" in httpx.post(url + path, json=create).json()
            until(lambda path=path: httpx.post(url + path, json=create).json().get("result"), 30)


@pytest.mark.parametrize("env_id", IDS)
def test_what_is_revealed_can_be_sent(env_id: str, revealing: str) -> None:
    with connect(f"{revealing}/{named(env_id)}/ws".replace("http", "ws"), proxy=None) as session:
        frame = json.loads(said(session, "reset", {"seed": 5}))
        assert "state_key" in frame["data"]["observation"]["revealed"]
        while not frame["data"]["done"]:
            seen = frame["data"]["observation"]
            action = (seen["revealed"].get("expert_actions") or seen["admissible_actions"])[0]
            frame = json.loads(said(session, "step", {"text": action}))
            assert frame["type"] == "observation", frame
            assert -1.0 <= frame["data"]["reward"] <= 1.0  # what a package says of rewards
        assert "verifier" in frame["data"]["observation"]["revealed"]


def living() -> list[ServedSession]:
    """Sessions of this process that hold an environment."""
    return [each for each in gc.get_objects() if type(each) is ServedSession and each._env is not None]


@pytest.mark.slow
def test_a_thousand_random_disconnects_leave_nothing_behind() -> None:
    draw = random.Random(0)
    with serving(application([STOCHASTIC], {}, sessions=16)) as url:
        ws = url.replace("http", "ws") + "/ws"

        async def leave(how: int) -> None:
            try:
                session = await connect_later(ws, proxy=None, close_timeout=1)
                for message in [{"type": "reset", "data": {"seed": how}}] + [
                    {"type": "step", "data": {"text": "x"}}
                ] * 3:
                    if how % 7 == 0:
                        break
                    await session.send(json.dumps(message))
                    if how % 3:
                        await session.recv()
                    if how % 5 == 0:
                        break
                if how % 2:
                    session.transport.abort()
                else:
                    await session.close()
            except ConnectionClosed:
                pass  # there was no place

        async def many(count: int) -> None:
            for start in range(0, count, 20):
                await asyncio.gather(*(leave(draw.randrange(10**6)) for _ in range(start, start + 20)))

        def settled() -> bool:
            gc.collect()
            return not living() and threading.active_count() <= before

        before = threading.active_count()
        asyncio.run(many(500))
        until(settled, 60)
        held = memory()
        asyncio.run(many(1000))
        until(settled, 60)
        assert memory() - held < 20
        with connect(ws, proxy=None) as session:
            assert json.loads(said(session, "reset"))["type"] == "observation"


def memory() -> float:
    """Resident memory of this process, MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


HOSTILE = {
    "oversized": json.dumps({"type": "step", "data": {"text": "x" * (1 << 21)}}),
    "deep": "[" * 100_000,
    "no JSON": "pickle",
    "wrong type": '{"type": "step", "data": {"text": 3}}',
    "unknown type": '{"type": "eval", "data": {"code": "1"}}',
    "a list": "[]",
    "binary": b"\x80\x04\x95",
    "half a character": '{"type": "step", "data": {"text": "\\ud800"}}',
    "an unknown option": '{"type": "reset", "data": {"path": "/etc/passwd"}}',
    "a state with data": '{"type": "state", "data": {"a": 1}}',
    "a call that is none": '{"type": "mcp", "data": {}}',
    "a step too early": '{"type": "step", "data": {"text": "x"}}',
}


def test_hostile_messages_are_a_sentence_each_and_the_server_lives(everything: str) -> None:
    with connect(everything.replace("http", "ws") + "/ws", proxy=None) as session:
        for name, message in HOSTILE.items():
            session.send(message)
            frame = json.loads(session.recv(timeout=60))
            assert frame["type"] == "error", name
            sentence = frame["data"]["message"]
            assert "\n" not in sentence, name
            assert len(sentence) < 300, name
        assert json.loads(said(session, "reset", {"seed": 1}))["type"] == "observation"
    with connect(everything.replace("http", "ws") + "/ws", proxy=None) as session:
        with suppress(ConnectionClosed):  # what is far too large is not even read
            session.send("x" * (40 << 20))
        with pytest.raises(ConnectionClosed):
            session.recv(timeout=60)
    assert httpx.get(f"{everything}/health").json() == {"status": "healthy"}


def test_requests_of_the_wrong_kind_are_a_sentence_each(everything: str) -> None:
    for path, body in (
        ("/reset", {"seed": "one"}),
        ("/reset", {"seed": -1}),
        ("/reset", {"path": "/etc/passwd"}),
        ("/step", {"action": 3}),
        ("/step", {"action": {}}),
        ("/step", {"action": {"text": 3}}),
        ("/step", {"action": {"text": "x", "more": 1}}),
        ("/step", {"action": {"text": "x"}}),
        ("/ALFWorld/task", {"split": "train"}),
    ):
        answer = httpx.post(f"{everything}{path}", json=body)
        assert 400 <= answer.status_code < 500, path
        assert isinstance(answer.json()["detail"], str)
        assert "\n" not in answer.json()["detail"]
    httpx.post(f"{everything}/reset", json={"seed": 1})
    alone = httpx.post(f"{everything}/step", json={"action": {"text": "x"}}).json()["detail"]
    assert "WebSocket at /ws" in alone  # to reset by another request would not help
    for call in ({}, {"jsonrpc": "2.0"}, {"jsonrpc": "2.0", "method": "a\nb"}, [], {"jsonrpc": "2.0", "method": "x"}):
        error = httpx.post(f"{everything}/mcp", json=call).json()["error"]
        assert error["message"].strip()
        assert "\n" not in error["message"]


def test_a_token_is_wanted_of_sessions_and_requests_alike() -> None:
    with serving(application([STOCHASTIC], {}, token="right")) as url:
        assert httpx.get(f"{url}/schema").status_code == 401
        assert httpx.get(f"{url}/health").status_code == 200
        for headers in ({}, {"Authorization": "Bearer wrong"}):
            with pytest.raises(InvalidStatus, match="401"):
                connect(url.replace("http", "ws") + "/ws", proxy=None, additional_headers=headers)
        headers = {"Authorization": "Bearer right"}
        assert httpx.get(f"{url}/schema", headers=headers).status_code == 200
        with GenericEnvClient(base_url=url, headers=headers).sync() as client:
            assert client.reset(seed=1).observation["goal"]


def test_an_action_has_exactly_one_field_that_must_be_given(everything: str) -> None:
    action = httpx.get(f"{everything}/schema").json()["action"]
    assert action["required"] == ["text"]
    assert action["title"] not in {"Action", "CallToolAction", "ListToolsAction"}


def test_the_credits_of_a_group_come_with_its_sessions_and_are_those_in_process() -> None:
    options = {"discount": 0.9}
    with serving(application([STOCHASTIC], {}, scorer="gigpo", options=options)) as url:
        clients = [GenericEnvClient(base_url=url).sync() for _ in range(4)]
        for number, client in enumerate(clients):
            result = client.reset(seed=number, index=4)
            step = 0
            while not result.done:
                offered = result.observation["admissible_actions"]
                result = client.step({"text": offered[(5 * step + number) % len(offered)]})
                step += 1
            assert len(result.metadata["credits"]) == step
            assert result.metadata["scorer"] == "gigpo"
        told = [credit for client in clients for credit in client.state()["credits"]]
        for client in clients:
            client.close()
    episodes = []
    env = cg.RecordVerifier(gym.make(STOCHASTIC))
    for number in range(4):
        recorder = cg.wrappers.Recorder.of(env)
        text, info = env.reset(seed=number, options={"task": 4})
        recorder.start(text, info, seed=number)
        step, over = 0, False
        while not over:
            offered = info["admissible_actions"]
            action = offered[(5 * step + number) % len(offered)]
            text, reward, terminated, truncated, info = env.step(action)
            recorder.add(action, text, reward, info, terminated=terminated, truncated=truncated)
            step, over = step + 1, terminated or truncated
        episodes.append(recorder.finish(episode_id=str(number), group_id="g"))
    assert told == [target.credit for target in cg.build_targets(episodes, "gigpo", **options)]
    assert len(set(told)) > 2


def test_a_scorer_that_lacks_something_costs_no_observation() -> None:
    with (
        serving(application([STOCHASTIC], {}, scorer="progress_advantage")) as url,
        GenericEnvClient(base_url=url).sync() as client,
    ):
        result = client.reset(seed=1)
        while not result.done:
            result = client.step({"text": "x"})
        assert result.observation["truncated"]
        assert "\n" not in result.metadata["credits_error"]
        assert client.state()["credits"] is None


def test_what_one_session_sends_is_no_other_s_business(everything: str) -> None:
    env = RemoteEnv(everything, STOCHASTIC)
    with connect(everything.replace("http", "ws") + "/ws", proxy=None) as hostile:
        for message in HOSTILE.values():
            hostile.send(message)
        assert over_the_wire(env, seed=3) == in_process(STOCHASTIC, 3)
    env.close()

"""The server of the viewer: it shows what the store has by now, to whoever has the token, and writes nothing."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from builders.episodes import walk

from credit_gym.errors import CreditGymError
from credit_gym.report.viewer.live_view import LiveRuns, live_server
from credit_gym.report.viewer.shown_run import scored_run
from credit_gym.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path) as opened:
        opened.start_run(env_id="credit/Test-v0", agent_id="a", run_id="run_a")
        opened.add_episodes("run_a", [walk("0"), walk("1", success=False, rewards=(0.0,) * 3)])
        yield opened


@pytest.fixture
def address(store: Store) -> Iterator[str]:
    runs = LiveRuns(
        lambda: len(store.episodes("run_a")),
        lambda: [scored_run("run_a", "a", store.episodes("run_a"), [("grpo", {})])],
    )
    server, address = live_server("<title>", runs)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield address
    server.shutdown()
    server.server_close()
    thread.join()


def get(address: str, path: str = "", *, method: str = "GET", host: str | None = None) -> tuple[int, dict, bytes]:
    parts = urlsplit(address)
    connection = HTTPConnection(parts.hostname, parts.port, timeout=10)
    connection.request(method, parts.path + path, headers={} if host is None else {"Host": host})
    answer = connection.getresponse()
    found = answer.status, dict(answer.getheaders()), answer.read()
    connection.close()
    return found


def test_the_page_and_its_data_are_there_under_a_strict_policy(address: str) -> None:
    status, headers, page = get(address)
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert "connect-src 'self'" in headers["Content-Security-Policy"]
    assert b"<title>&lt;title&gt;</title>" in page
    _, _, found = get(address, "overview.json")
    assert json.loads(found)["credits"] == [[1, 1, 1, -1, -1, -1]]
    for kind in ("steps", "model", "why"):
        assert get(address, f"leaves/{kind}/0.json?of=2")[0] == 200


@pytest.mark.parametrize("path", ["leaves/steps/1.json", "leaves/other/0.json", "../", "leaves/steps/0", "x"])
def test_nothing_else_lies_there(address: str, path: str) -> None:
    assert get(address, path)[0] == 404


def test_without_the_token_or_under_another_host_s_name_there_is_nothing(address: str) -> None:
    bare = address[: address.rindex("/", 0, -1) + 1]
    for wrong in (bare, f"{bare}x/", f"{address[:-2]}/", f"{bare}%C3%A9/"):
        assert get(wrong)[0] == 403
    port = urlsplit(address).port
    assert get(address, host=f"evil.example:{port}")[0] == 403
    assert get(address, host=f"localhost:{port}")[0] == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_it_takes_nothing(address: str, method: str) -> None:
    assert get(address, method=method)[0] == 501


def test_new_episodes_appear_and_the_store_is_as_it_was(address: str, store: Store) -> None:
    before = (store.folder / "store.sqlite").read_bytes()
    assert json.loads(get(address, "state.json")[2]) == {"version": 2}
    assert (store.folder / "store.sqlite").read_bytes() == before
    assert store.target_sets("run_a") == []
    store.add_episode("run_a", walk("2"))
    for _ in range(100):
        if json.loads(get(address, "state.json")[2]) == {"version": 3}:
            break
        time.sleep(0.05)
    found = json.loads(get(address, "overview.json")[2])
    assert (found["version"], len(found["episodes"]["steps"])) == (3, 3)


def test_a_crowd_that_hangs_up_is_answered_past_and_nothing_is_said_of_it(address: str, capfd) -> None:
    parts = urlsplit(address)
    began = time.monotonic()
    crowd = [socket.create_connection((parts.hostname, parts.port), timeout=10) for _ in range(100)]
    for each in crowd:
        each.sendall(b"GET / HTTP/1.1\r\nHost: evil\r\n\r\nGET")
        each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset, not a farewell
        each.close()
    assert get(address, "state.json")[0] == 200
    assert time.monotonic() - began < 30
    time.sleep(0.3)
    assert capfd.readouterr().err == ""


def test_a_taken_port_is_one_sentence(address: str) -> None:
    with pytest.raises(CreditGymError, match="choose another --port"):
        live_server("", LiveRuns(lambda: 0, list), port=urlsplit(address).port)

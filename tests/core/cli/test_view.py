"""`credit-gym view`: a file of small runs, a server of large ones, and nothing opened where there is no display."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import webbrowser
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from builders.commands import call, good, opened
from builders.episodes import walk

from credit_gym.cli import view
from credit_gym.store import new_run


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)


def stored(count: int = 2, **changes: object) -> str:
    store, run_id = new_run("runs", env_id="credit/Test-v0", agent_id="a", config={"n": count}, seed=None)
    with store:
        store.add_episodes(run_id, [walk(f"{i}", **changes) for i in range(count)])
        store.finish_run(run_id)
    return run_id


def test_some_runs_are_one_file_and_their_stores_stay_as_they_were() -> None:
    first, second = stored(2), stored(3, goal="elsewhere")
    path = Path(good("view", first, second, "--scorer", "grpo", "--scorer", "gigpo").strip())
    assert path == Path("runs") / first / "view.html"
    text = path.read_text("utf-8")
    assert f'"name":"{first}"' in text
    assert f'"name":"{second}"' in text
    assert '"name":"gigpo"' in text
    assert opened(first).target_sets(first) == []


def test_a_browser_is_opened_only_where_there_is_a_display(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses: list[str] = []
    monkeypatch.setattr(webbrowser, "open_new_tab", addresses.append)
    run_id = stored()
    good("view", run_id, "--scorer", "grpo")
    assert addresses == []
    monkeypatch.setenv("DISPLAY", ":0")
    good("view", run_id, "--scorer", "grpo", "--no-open")
    assert addresses == []
    good("view", run_id, "--scorer", "grpo", "--out", "x.html")
    assert addresses == [Path("x.html").resolve().as_uri()]


def test_what_cannot_be_looked_at_is_one_sentence() -> None:
    run_id = stored()
    assert call("view", run_id, "group_x").exit_code == 2
    missing = call("view", run_id, "--tokenizer", "nowhere", "--no-open")
    assert (missing.exit_code, "give the folder of a model" in missing.output) == (2, True)
    left_out = call("view", run_id, "--scorer", "branch_aware", "--scorer", "grpo", "--no-open")
    assert left_out.exit_code == 0
    assert "branch_aware is left out of" in left_out.stderr


def test_a_large_run_is_served_until_it_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = stored(3)
    served: list[str] = []
    monkeypatch.setattr(view, "FILE_EPISODES", 2)
    monkeypatch.setattr(view, "_serve", lambda title, *_, **__: served.append(title))
    good("view", run_id, "--scorer", "grpo")
    assert served == [run_id]
    good("view", run_id, "--scorer", "grpo", "--file", "--out", "x.html")
    good("view", run_id, "--scorer", "grpo", "--out", "y.html")
    assert served == [run_id]


@pytest.mark.slow
def test_a_server_says_where_it_is_and_ends_with_ctrl_c() -> None:
    command = [sys.executable, "-m", "credit_gym.cli", "view", stored(), "--scorer", "grpo", "--serve"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    started = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    with started as process:
        address = process.stdout.readline().strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{20,}/", address)
        parts = urlsplit(address)
        connection = HTTPConnection(parts.hostname, parts.port, timeout=30)
        connection.request("GET", f"{parts.path}overview.json")
        assert connection.getresponse().status == 200
        connection.close()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0

"""`credit-gym view`: a file of small runs, a server of large ones, and nothing opened where there is no display."""

from __future__ import annotations

import json
import math
import os
import re
import signal
import socket
import subprocess
import sys
import webbrowser
from collections.abc import Callable
from http.client import HTTPConnection
from http.server import ThreadingHTTPServer
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


def test_a_run_that_is_still_played_is_served_and_a_sentence_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ThreadingHTTPServer, "serve_forever", lambda _: None)
    first, second = stored(2), stored(3)
    opened(second).finish_run(second, "running")
    said = good("view", first, second, "--scorer", "grpo").split("\n")
    assert said[0].startswith("http://127.0.0.1:")
    assert said[1].startswith(f"{second} is not finished: this is a server, --file writes a file")
    path = good("view", second, "--scorer", "grpo", "--file").strip()
    assert path == str(Path("runs") / second / "view.html")
    for status in ("stopped", "interrupted", "finished"):
        opened(second).finish_run(second, status)
        assert good("view", second, "--scorer", "grpo").strip() == path


def test_many_episodes_or_steps_are_served_and_a_sentence_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ThreadingHTTPServer, "serve_forever", lambda _: None)
    run_id = stored(3)
    monkeypatch.setattr(view, "FILE_STEPS", 8)
    assert "\nThere are 9 steps, more than 8: this is a server" in good("view", run_id, "--scorer", "grpo")
    monkeypatch.setattr(view, "FILE_EPISODES", 2)
    assert "\nThere are 3 episodes, more than 2: this is a server" in good("view", run_id, "--scorer", "grpo")
    assert good("view", run_id, "--scorer", "grpo", "--serve").split("\n")[1] == "Ctrl-C ends it."


def labelled(**fields: object) -> dict[str, object]:
    talk = [{"role": role, "content": "x"} for _ in range(3) for role in ("user", "assistant")]
    return {"messages": talk, "final_label": 1, "step_labels": {"1": 1, "5": -1}, **fields}


def test_labels_of_a_file_reach_the_page_beside_the_steps_they_are_of(tmp_path: Path) -> None:
    run_id = stored(3)
    rows = [labelled(run_id=run_id, episode_id="0"), labelled(total_index=2), labelled(run_id="run_b", episode_id="1")]
    file = tmp_path / "labels.jsonl"
    file.write_text("\n".join(map(json.dumps, [*rows, {}])), encoding="utf-8")
    done = call("view", run_id, "--scorer", "grpo", "--labels", str(file))
    assert "Line 4" in done.stderr
    text = Path(done.stdout.strip()).read_text("utf-8")
    assert '"human labels":[1,null,-1,null,null,null,1,null,-1]' in text
    file.write_text(json.dumps(rows[2]), encoding="utf-8")
    refused = call("view", run_id, "--scorer", "grpo", "--labels", str(file))
    assert (refused.exit_code, "labels no episode of" in refused.output) == (2, True)


def test_labels_of_an_imported_file_are_with_the_run(tmp_path: Path) -> None:
    file = tmp_path / "hotpotqa.jsonl"
    file.write_text("\n".join(json.dumps(labelled(total_index=i)) for i in range(2)), encoding="utf-8")
    good("import", str(file))
    (run_id,) = [path.name for path in Path("runs").iterdir()]
    assert [e.human_labels for e in opened(run_id).episodes(run_id)] == [
        pytest.approx((1, math.nan, -1), nan_ok=True)
    ] * 2
    text = Path(good("view", run_id, "--scorer", "grpo").strip()).read_text("utf-8")
    assert '"human labels":[1,null,-1,1,null,-1]' in text


def test_a_server_has_the_same_port_each_time_unless_it_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ThreadingHTTPServer, "serve_forever", lambda _: None)
    run_id = stored(1)
    ports = {urlsplit(good("view", run_id, "--scorer", "grpo", "--serve").split()[0]).port for _ in range(2)}
    assert len(ports) == 1
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", *ports))
        holder.listen()
        other = urlsplit(good("view", run_id, "--scorer", "grpo", "--serve").split()[0]).port
    assert other not in ports


def test_a_run_is_looked_at_before_its_first_episode(monkeypatch: pytest.MonkeyPatch) -> None:
    pages: list[int] = []

    def serve(_: str, found: list, read: Callable[[], list], **__: object) -> None:
        pages.append(sum(len(run.credits) for run in read()))
        ((store, run_id),) = found
        store.add_episodes(run_id, [walk("0")])
        pages.append(sum(len(run.credits) for run in read()))

    monkeypatch.setattr(view, "_serve", serve)
    store, run_id = new_run("runs", env_id="credit/Test-v0", agent_id="a", config={}, seed=None)
    with store:
        good("view", run_id, "--scorer", "grpo")
    assert pages == [0, 1]


def test_the_page_of_two_runs_has_the_totals_that_compare_prints() -> None:
    names = []
    for agent, lost in (("a", {2, 3, 5}), ("b", {0, 2, 4})):
        store, run_id = new_run("runs", env_id="credit/Test-v0", agent_id=agent, config={"agent": agent}, seed=None)
        with store:
            store.add_episodes(
                run_id,
                [walk(f"{i}", agent_id=agent, seed=i, task_id=f"t{i // 2}", success=i not in lost) for i in range(7)],
            )
            store.finish_run(run_id)
        names.append(run_id)
    page = Path(good("view", *names, "--scorer", "grpo").strip()).read_text("utf-8")
    found = json.loads(re.search(r'<script id="compare-0" type="application/json">(.*?)</script>', page)[1])
    printed = [line.split("|")[1:-1] for line in good("compare", *names, "--to", "markdown").splitlines()]
    rows = [
        [cell.strip() for cell in cells] for cells in printed if cells and cells[0].strip() in ("success", "return")
    ]
    assert found["rows"] == rows
    assert found["title"] == f"a ({names[0]}) minus b ({names[1]})"
    assert [found["rows"][0][i] for i in (1, 5, 6, 7, 8)] == ["0.000", "1", "1", "4", "7"]

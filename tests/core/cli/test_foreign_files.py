"""Files from outside that are no files, too deep, too long or damaged: one sentence each, whoever reads them."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from builders.commands import call, good, opened
from builders.episodes import walk

from credit_gym.store import Store, new_run

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
DEEP = "[" * 5000 + "]" * 5000
CONTENTS = {
    "deep": DEEP,
    "deep object": '{"a":' * 5000 + "1" + "}" * 5000,
    "long integer": '{"messages": [], "episode_id": ' + "7" * 5000 + "}",
    "long integer alone": "7" * 5000,
    "bomb": BOMB,
    "no UTF-8": b"\xff\xfe\xfa{",
    "zeros": b"\0" * 5000,
    "half": '{"messages": [{"role": "user", "conte',
    "empty": "",
}
READERS: dict[str, Callable[[str], list[str]]] = {
    "import chat": lambda file: ["import", file],
    "import verifiers": lambda file: ["import", file, "--from", "verifiers"],
    "import inspect": lambda file: ["import", file, "--from", "inspect"],
    "import tau2": lambda file: ["import", file, "--from", "tau2"],
    "import atif": lambda file: ["import", file, "--from", "atif"],
    "credit": lambda file: ["credit", file],
    "sweep": lambda file: ["sweep", "--config", file],
    "prompting": lambda file: ["run", "--env", "credit/Stochastic-v0", "--agent", "hf:none", "--prompting", file],
    "math": lambda file: ["run", "--env", "credit/MultiAgentMath-v0", "--env-arg", f"problems={file}"],
    "code": lambda file: ["run", "--env", "credit/MultiAgentCode-v0", "--env-arg", f"problems={file}"],
    "words": lambda file: ["run", "--env", "credit/TwentyQuestions-v0", "--env-arg", f"words={file}"],
    "cities": lambda file: ["run", "--env", "credit/GuessMyCity-v0", "--env-arg", f"words={file}"],
}


def is_one_sentence(result: object) -> bool:
    said = result.stderr.strip()  # type: ignore[attr-defined]
    return result.exit_code in (1, 2) and "Traceback" not in said and len(said.splitlines()) == 1 and len(said) < 1000  # type: ignore[attr-defined]


@pytest.mark.slow
@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("reader", READERS)
def test_a_file_that_nobody_could_mean_is_refused_in_a_sentence(
    reader: str, content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = CONTENTS[content]
    for suffix in ("json", "yaml"):
        file = tmp_path / f"file.{suffix}"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        result = call(*READERS[reader](str(file)))
        assert is_one_sentence(result), result.output


CALLS = """
import json
import sys

from typer.testing import CliRunner

from credit_gym.cli import app

for arguments in json.loads(sys.argv[1]):
    done = CliRunner().invoke(app, arguments)
    print(json.dumps([arguments, done.exit_code, done.stderr]), flush=True)
"""


@pytest.mark.slow
def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    pipe, folder = tmp_path / "pipe.json", tmp_path / "folder.json"
    os.mkfifo(pipe)
    folder.mkdir()
    places = (pipe, folder, Path("/dev/zero"))
    asked = [reader(str(place)) for place in places for reader in READERS.values()]
    command = [sys.executable, "-c", CALLS, json.dumps(asked)]  # in a process that can be ended where it waits for ever
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=180, stdin=subprocess.DEVNULL)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [arguments for arguments, _, _ in answers] == asked, done.stderr
    for arguments, code, said in answers:
        assert code in (1, 2), arguments
        assert "Traceback" not in said, arguments
        assert len(said.strip().splitlines()) == 1, (arguments, said)


# Stores


@pytest.fixture
def run_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    store, run_id = new_run(Path("runs"), env_id="credit/Test-v0", agent_id="random", config={}, seed=1)
    chats = tuple(({"role": "user", "content": str(step)},) for step in range(3))
    store.add_episode(run_id, walk("7-0", messages=chats, policy_logprobs=((-0.5,), (), (-1.0, -2.0))))
    store.finish_run(run_id)
    store.close()
    return run_id


DAMAGE = {
    "cut JSON": ("columns", "messages", "[0, [{"),
    "deep JSON": ("columns", "messages", DEEP),
    "long integer": ("columns", "messages", "[" + "7" * 5000 + ", []]"),
    "other JSON": ("columns", "messages", '{"a": 1}'),
    "number for a text": ("columns", "texts", 7),
    "no digest": ("columns", "texts", b"abc"),
    "no slice": ("columns", "policy_logprobs", b"abc"),
    "text for a slice": ("columns", "policy_logprobs", "abc"),
    "nothing": ("columns", "texts", None),
    "text for a number": ("columns", "numbers", "abc"),
    "names of no columns": ("columns", "recorded", "rewards|x|"),
    "no checksum": ("columns", "checksum", None),
    "settings": ("runs", "config", "{"),
    "settings that are none": ("runs", "config", "[]"),
    "seed": ("runs", "seed", "x"),
}


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("command", ["score", "report", "targets", "advise"])
def test_a_damaged_cell_of_a_store_is_said_in_a_sentence(command: str, damage: str, run_id: str) -> None:
    table, column, value = DAMAGE[damage]
    with sqlite3.connect(f"runs/{run_id}/store.sqlite") as database:
        column = next(
            name for _, name, *_ in database.execute(f"PRAGMA table_info({table})") if name in (column, f"{column}s")
        )
        database.execute(f'UPDATE {table} SET "{column}" = ?', (value,))
    result = call(command, run_id)
    assert is_one_sentence(result), result.output
    assert result.exit_code == 2


def test_a_value_that_would_not_be_read_again_is_not_written(tmp_path: Path) -> None:
    deep: object = 1
    for _ in range(200):
        deep = [deep]
    with Store.open(tmp_path) as store:
        run_id = store.start_run(env_id="e", agent_id="a")
        for value in (deep, 10**400):
            with pytest.raises(OSError, match="JSON"):
                store.add_episode(run_id, walk(steps=1, messages=(({"a": value},),)))


DAMAGES = {
    "newer": "PRAGMA user_version = 99",
    "cell": "UPDATE runs SET config = '{'",
    "endless": """
        ALTER TABLE runs RENAME TO kept;
        CREATE VIEW runs AS WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c)
            SELECT kept.* FROM kept, c WHERE n < 0;
    """,
}


@pytest.mark.parametrize("bad", ["garbage", "foreign", "newer", "cell", "pipe", "folder", "endless"])
def test_the_listing_shows_the_good_runs_and_names_the_bad_one(bad: str, run_id: str) -> None:
    folder = Path("runs/run_bad")
    folder.mkdir()
    file = folder / "store.sqlite"
    if bad == "garbage":
        file.write_bytes(b"not a database " * 100)
    elif bad == "foreign":
        with sqlite3.connect(file) as database:
            database.execute("CREATE TABLE bookmarks (url)")
    elif bad == "pipe":
        os.mkfifo(file)
    elif bad == "folder":
        file.mkdir()
    else:
        with Store.open(folder) as store:
            store.start_run(env_id="e", agent_id="a", run_id="run_bad")
        with sqlite3.connect(file) as database:
            database.executescript(DAMAGES[bad])
    result = call("runs")
    assert run_id in result.stdout
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith("run_bad is left out: ")


def test_a_run_that_nobody_plays_any_more_is_listed_as_stopped(run_id: str) -> None:
    with opened(run_id) as store:
        store.finish_run(run_id, "running")
    assert "stopped" in good("runs")
    assert "running" not in good("runs")


_PART = """
import os, sys
from credit_gym.store import Store
from credit_gym.cli import app
moment = sys.argv.pop(1)
name = {"before": "add_episodes", "after": "finish_run"}[moment]
setattr(Store, name, lambda *_: os.kill(os.getpid(), 9))
app(["import", "chats.jsonl"])
"""


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before", "after"])
def test_an_import_that_was_killed_left_all_or_what_nobody_takes_for_it(
    moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    line = '{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], "reward": 1}\n'
    Path("chats.jsonl").write_text(line * 20)
    subprocess.run([sys.executable, "-c", _PART, moment], check=False, capture_output=True)
    (folder,) = Path("runs").iterdir()
    scored = call("score", folder.name, "--scorer", "mc")
    with opened(folder.name) as store:
        kept = len(store.episode_ids(folder.name))
    assert kept == (0 if moment == "before" else 20)
    if moment == "before":
        assert is_one_sentence(scored)
        assert "was not imported to its end, it has 0 of 20 episodes" in scored.stderr
    else:
        assert scored.exit_code == 0


def test_a_part_of_an_import_is_not_taken_for_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = {"imported": "chat", "episodes": 3, "group_size": 1, "arguments": {}}
    store, run_id = new_run(Path("runs"), env_id="chat", agent_id="a", config=config, seed=None)
    store.add_episodes(run_id, [walk("7-0"), walk("7-1")])
    store.close()
    for command in ("score", "report", "targets", "advise"):
        result = call(command, run_id)
        assert is_one_sentence(result)
        assert "2 of 3 episodes" in result.stderr

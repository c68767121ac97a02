"""`credit-gym credit FILE`: from somebody's transcripts to credits, targets and a page, whatever the format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from builders.commands import call, opened
from builders.five_logs import ATTEMPTS, FORMATS, WON, atif, chat, lines, results, simulation, written

from credit_gym.cli import credit as command
from credit_gym.formats.readers import AUTO, read_episodes
from credit_gym.formats.recognise import recognise

KEY = "sk-proj-abcDEF0123456789abcDEF0123"


@pytest.fixture(autouse=True)
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run_of(said: str) -> str:
    return said.split(":", 1)[0]


def targets(run: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(f"runs/{run}/targets.jsonl").read_text("utf-8").splitlines()]


@pytest.mark.parametrize("source", FORMATS)
def test_a_file_of_each_format_is_recognised_credited_and_shown(source: str, tmp_path: Path) -> None:
    file = written(source, tmp_path / "log")
    assert recognise(file) == ("chat" if source == "steps" else source)
    assert read_episodes(AUTO, file) == read_episodes(source, file)
    done = call("credit", "log", "--scorer", "grpo")
    assert done.exit_code == 0, done.output
    said, run = done.stdout, run_of(done.stdout)
    assert f"{run}: 5 episodes of log" in said
    assert said.rstrip().endswith(f"runs/{run}/report.html")
    assert Path(f"runs/{run}/report.html").stat().st_size > 1000
    assert len(said.splitlines()) <= 14
    rows = targets(run)
    assert len(rows) == 10
    won = {row["episode_id"]: row["reward"] for row in rows if row["reward"]}
    assert len(won) == sum(attempt == WON for attempt in ATTEMPTS)
    assert all((row["credit_grpo"] > 0) == (row["episode_id"] in won) for row in rows)


def test_the_scorer_that_fits_is_chosen_and_tells_the_steps_apart(tmp_path: Path) -> None:
    lines(tmp_path / "log.jsonl", [chat(number) for number in range(5)] * 2)
    done = call("credit", "log.jsonl")
    assert done.exit_code == 0, done.output
    assert "use         --scorer evidence_lambda" in done.stdout
    rows = [row for row in targets(run_of(done.stdout)) if row["observation"] == "room 1: a door"]
    credit = {row["action"]: row["credit_evidence_lambda"] for row in rows}
    assert credit["open"] > credit["wait"]


@pytest.mark.parametrize("source", ["chat", "steps", "atif", "verifiers"])
def test_a_broken_record_in_the_middle_is_named_and_the_rest_is_credited(source: str, tmp_path: Path) -> None:
    file = written(source, tmp_path / "log")
    rows = file.read_text("utf-8").splitlines()
    file.write_text("\n".join([*rows[:2], rows[2][:40], *rows[3:]]) + "\n", "utf-8")
    done = call("credit", "log", "--scorer", "grpo")
    assert done.exit_code == 1
    assert "1 of 5 were left out; the first: Line 3 of log cannot be imported: it is no JSON" in done.stderr
    assert len({row["episode_id"] for row in targets(run_of(done.stdout))}) == 4


def test_a_broken_conversation_of_tau2_is_named_and_the_rest_is_credited(tmp_path: Path) -> None:
    results(tmp_path / "log", [simulation(0), {"id": "broken"}, simulation(1)])
    done = call("credit", "log", "--scorer", "grpo")
    assert done.exit_code == 1
    assert "Conversation 1 of log cannot be imported" in done.stderr
    assert len(targets(run_of(done.stdout))) == 4


def test_without_outcomes_nothing_is_made_up(tmp_path: Path) -> None:
    lines(tmp_path / "log", [{**atif(number), "extra": {}} for number in range(3)])
    done = call("credit", "log")
    assert done.exit_code == 2
    assert "No episode of log can be credited; of the first is said: its reward is not known" in done.stderr


def test_nothing_is_written_outside_the_folder_of_the_run(tmp_path: Path) -> None:
    ids = ("../../../escaped", "/tmp/escaped", "..", "a/b", "C:\\escaped")
    lines(tmp_path / "log", [{**atif(number), "trajectory_id": ids[number]} for number in range(5)])
    before = set(tmp_path.rglob("*"))
    done = call("credit", "log", "--to", "atif", "--out", "deep/runs")
    assert done.exit_code == 0, done.output
    run = run_of(done.stdout)
    inside = tmp_path / "deep" / "runs" / run
    new = set(tmp_path.rglob("*")) - before
    assert {path for path in new if path.is_file()} == {path for path in inside.rglob("*") if path.is_file()}
    assert not list(tmp_path.parent.glob("escaped*"))


def test_a_page_of_long_episodes_has_fewer_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines(tmp_path / "log", [chat(number) for number in range(5)])
    monkeypatch.setattr(command, "MOST_TEXT", 2 * len("room 0" + "right" + "room 1: a door" + "open") + 1)
    shown: list[int] = []
    monkeypatch.setattr(command, "report", lambda _run, *, episodes, runs_dir: shown.append(episodes))
    assert call("credit", "log", "--scorer", "grpo").exit_code == 0
    assert shown == [2]


def test_keys_in_a_log_reach_neither_store_nor_page_nor_targets_unless_they_are_wanted(tmp_path: Path) -> None:
    rows = [chat(number) for number in range(5)]
    rows[1]["messages"][3]["content"] += f"\nOPENAI_API_KEY={KEY}"
    lines(tmp_path / "log", rows)
    done = call("credit", "log", "--scorer", "grpo")
    assert "Keys were taken out of 1 of 5 episodes" in done.stderr
    held = [path for path in Path("runs").rglob("*") if path.is_file()]
    assert held
    assert not any(KEY.encode() in path.read_bytes() for path in held)
    lines(
        tmp_path / "named", [{**chat(number), "agent_id": KEY, "episode_id": f"{KEY}{number}"} for number in range(2)]
    )
    (tmp_path / "named").open("a").write(f'{{"messages": "{KEY}"}}\n{{"{KEY}": 1}}\n')
    named = call("credit", "named", "--scorer", "grpo", "--out", "elsewhere")
    assert "[key]" in named.stderr
    assert KEY[:30] not in named.stderr + named.stdout
    held = [path for path in Path("elsewhere").rglob("*") if path.is_file()]
    assert held
    assert not any(KEY.encode() in path.read_bytes() for path in held)
    kept = call("import", "log", "--keep-keys")
    run = kept.stdout.strip()
    assert any(KEY in text for episode in opened(run).load_episodes(run) for text in episode.observations)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("log", "--to", "nope"), "There is no target format called 'nope'"),
        (("log", "--from", "nope"), "There is no import format called 'nope'"),
        (("log", "--scorer", "nope"), "There is no scorer called 'nope'"),
        (("nothing",), "nothing cannot be read"),
        (("empty",), "empty holds no episode"),
        ((".",), "holds no file of records"),
        (("log", "--reward-from", "x"), "--reward-from says nothing about files of the format 'chat'"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_leaves_no_run(
    arguments: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    written("chat", tmp_path / "log")
    (tmp_path / "empty").write_text("", "utf-8")
    done = call("credit", *arguments)
    assert done.exit_code == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not Path("runs").exists()

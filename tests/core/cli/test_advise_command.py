"""The command ``advise``: ten lines or a JSON object about a stored run, imported ones included."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from builders.commands import call, good, opened
from builders.episodes import walk

from credit_gym.baselines.studies.key_recurrence import as_chats
from credit_gym.credit.advise import advise
from credit_gym.store import new_run

PAGE = Path(__file__).parents[3] / "docs" / "scorers.md"
PLAY = ("run", "--env", "credit/Stochastic-v0", "--episodes", "32", "--group-size", "8", "--agent", "noisy:0.7")


@pytest.mark.slow
def test_a_run_is_advised_on_in_about_ten_lines_or_as_json(folder: Path) -> None:
    run_id = good(*PLAY).split()[0]
    text = good("advise", run_id)
    assert 7 <= len(text.splitlines()) <= 13
    assert text == good("advise", run_id)
    found = json.loads(good("advise", run_id, "--json"))
    assert (found["scorer"], found["options"]) == ("evidence_lambda", {})
    assert f"--scorer {found['scorer']}" in text
    assert found["facts"]["episodes"] == 32
    assert {entry["key"] for entry in found["keys"]} >= {"state", "observation", "text", "calls"}
    assert found["expected"]["low"] <= found["expected"]["value"] <= found["expected"]["high"]


def test_what_is_named_can_be_given_to_score_as_it_stands(folder: Path) -> None:
    file = folder / "chats.jsonl"
    turns = [
        {"role": role, "content": text}
        for turn in range(3)
        for role, text in (("user", f"[{turn}{{chat}}] Room {'abc'[turn]}."), ("assistant", f"go {turn}{{chat}}"))
    ]
    lines = [
        {
            "messages": [{**each, "content": each["content"].format(chat=chat)} for each in turns],
            "reward": chat % 2,
            "group_id": str(chat // 4),
        }
        for chat in range(16)
    ]
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines), "utf-8")
    run_id = good("import", str(file)).strip()
    text = good("advise", run_id)
    (use,) = (line.split()[1:] for line in text.splitlines() if line.startswith("use "))
    assert use == ["--scorer", "evidence_lambda", "--option", "key=text"]
    assert "evidence_lambda(key=text)" in good("score", run_id, *use)


def test_nothing_to_go_by_is_one_sentence_and_a_failure(folder: Path) -> None:
    store, run_id = new_run(Path("runs"), env_id="credit/Test-v0", agent_id="a", config={}, seed=0)
    with store:
        for lost in ((), (walk(error="the server is gone"),)):
            store.add_episodes(run_id, lost)
            result = call("advise", run_id)
            assert (result.exit_code, result.stdout) == (2, "")
            assert result.stderr.startswith("Error: No episode completed with a step")
            assert result.stderr.count("\n") == 1
    assert call("advise", "no_such_run").exit_code == 2


def test_the_command_says_what_the_function_says(folder: Path) -> None:
    store, run_id = new_run(Path("runs"), env_id="credit/Test-v0", agent_id="a", config={}, seed=0)
    episodes = [walk(str(i), rewards=(0.0, 0.0, i % 2 * 1.0), success=i % 2 == 1) for i in range(4)]
    with store:
        store.add_episodes(run_id, episodes)
    assert good("advise", run_id) == f"{advise(episodes)}\n"


def said() -> dict[str, tuple[str, dict[str, str]]]:
    """Rows of the page's table of advice: the run -> its agent, and the scorer with its key."""
    lines = PAGE.read_text("utf-8").partition("### Is it right?")[2].partition("\n## ")[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| `credit/")]
    return {run.replace("`", ""): (agent, dict(_named(advised))) for run, agent, advised, _ in rows}


def _named(advised: str) -> list[tuple[str, str]]:
    scorer, *options = advised.replace("`", "").split(", ")
    return [("scorer", scorer), *(tuple(option.split("=")) for option in options)]  # type: ignore[list-item]


@pytest.mark.slow
@pytest.mark.parametrize("run", said())
def test_what_the_page_says_was_advised_is_advised(folder: Path, run: str) -> None:
    (agent, advised), env_id = said()[run], run.partition(",")[0]
    told = call("run", "--env", env_id, "--agent", agent, "--episodes", "64", "--group-size", "8", "--scorer", "grpo")
    assert told.exit_code == 0, told.stderr
    run_id = told.stdout.split()[0]
    found = json.loads(good("advise", run_id, "--json"))
    if "chats" in run:
        with opened(run_id) as store:
            found = advise(as_chats(store.load_episodes(run_id))).as_mapping()
    assert {"scorer": found["scorer"], **found["options"]} == advised
    assert found["expected"]["high"] < 1.0
    assert found["facts"]["mixed"] > 0.0
    assert "misleading verifier" not in {caution["kind"] for caution in found["cautions"]}

"""On imported chats, in which nothing recurs and no verifier reads, the default scorer is GRPO and says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from builders.commands import call, good

from credit_gym.formats.parquet import read_parquet
from credit_gym.scorers import DEFAULT


def imported(path: Path, answers: list[str], **more: list[Any]) -> str:
    """Four chats of one task, each of two turns, the environment's answer in between."""
    rows = []
    for number, answer in enumerate(answers):
        chat = [("user", "Add 2 and 3."), ("assistant", f"Hm {number}."), ("user", answer), ("assistant", "5")]
        messages = [{"role": role, "content": content} for role, content in chat]
        own = {name: values[number] for name, values in more.items()}
        rows.append(json.dumps({"messages": messages, "reward": float(number % 2), **own}))
    path.write_text("\n".join(rows) + "\n")
    return good("import", str(path)).strip()


UNLIKE = [f"At {number} o'clock: go on." for number in range(4)]


@pytest.mark.parametrize("command", ["targets", "score", "report"])
def test_it_says_that_it_credits_as_grpo_does(folder: Path, command: str) -> None:
    told = call(command, imported(folder / "chats.jsonl", UNLIKE))
    assert told.exit_code == 0
    assert told.stderr == (
        f"{DEFAULT} credits every step after the first as grpo here: there is no verifier and no later state recurs; "
        "`credit-gym advise RUN` says whether another key helps.\n"
    )


def test_what_it_says_is_so(folder: Path) -> None:
    run_id = imported(folder / "chats.jsonl", UNLIKE)
    written = call("targets", run_id, "--scorer", DEFAULT, "--scorer", "grpo").stdout.strip()
    turns = [turn for turn in read_parquet(written).turns.to_pylist() if turn["step"] > 0]
    assert [turn[f"credit_{DEFAULT}"] for turn in turns] == pytest.approx([turn["credit_grpo"] for turn in turns])
    assert {round(turn["credit_grpo"], 3) for turn in turns} == {-1.0, 1.0}


@pytest.mark.parametrize(
    ("answers", "more", "options"),
    [
        (["Go on.", "Go on.", "Stop.", "Look."], {}, ()),
        (UNLIKE, {"verifier": [[0.0, 1.0]] * 4}, ()),
        (["Go on.", "Go on.", "Stop.", "Look."], {}, ("--scorer", "grpo")),
        (UNLIKE, {}, ("--option", "key=text")),
    ],
    ids=["a state recurs", "a verifier reads", "another scorer", "a state recurs under the key"],
)
def test_it_says_nothing_where_there_is_something_to_read(
    folder: Path, answers: list[str], more: dict[str, list[Any]], options: tuple[str, ...]
) -> None:
    good("score", imported(folder / "chats.jsonl", answers, **more), *options)


ONE = "gives all steps of an episode one number"
FIRST = "credits the first step of an episode alone"
AFTER = "gives all steps of an episode after the first one number"


@pytest.mark.slow
@pytest.mark.parametrize("command", ["targets", "score", "report"])
@pytest.mark.parametrize(
    ("scorer", "said"),
    [("grpo", ONE), ("hindsight", ONE), ("mc", FIRST), ("gae", FIRST), ("td_error", FIRST), ("gigpo", AFTER)],
)
def test_other_scorers_say_what_they_do_not_tell_apart(folder: Path, command: str, scorer: str, said: str) -> None:
    answers = [f"At {number} o'clock: go on." for number in range(6)]
    rows = [
        [("user", "Add 2 and 3."), *(turn for t in range(3) for turn in (("assistant", f"{t}"), ("user", f"{a} {t}")))]
        for a in answers
    ]
    lines = [
        {"messages": [{"role": r, "content": c} for r, c in row[:-1]], "reward": float(n % 2), "group_id": "one"}
        for n, row in enumerate(rows)
    ]
    (folder / "chats.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    run_id = good("import", str(folder / "chats.jsonl")).strip()
    told = call(command, run_id, "--scorer", scorer).stderr
    assert told == f"{scorer} {said} here: no later state recurs; `credit-gym advise RUN` says whether a key helps.\n"


@pytest.mark.slow
@pytest.mark.parametrize("scorer", ["adaptive_q", "branch_aware", "milestone", "igpo", "tempo", "modulate", "istar"])
def test_a_scorer_that_misses_a_column_says_what_to_do(folder: Path, scorer: str) -> None:
    told = call("score", imported(folder / "chats.jsonl", UNLIKE), "--scorer", scorer)
    assert told.exit_code != 0
    assert told.stderr.startswith(f"Error: {scorer} needs a column that is not there. The batch has no column '")
    assert "`credit-gym advise RUN` names a scorer that does without." in told.stderr


def test_a_verifier_without_a_reading_is_none(folder: Path) -> None:
    """NaN in the column, null in the file."""
    run_id = imported(folder / "chats.jsonl", UNLIKE, verifier=[[None, None]] * 4)
    assert "there is no verifier" in call("score", run_id).stderr


def test_a_run_in_which_nothing_completed_has_a_report_too(folder: Path) -> None:
    chat = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes"}]
    (folder / "chats.jsonl").write_text(json.dumps({"messages": chat, "reward": None}) + "\n")
    assert Path(good("report", good("import", str(folder / "chats.jsonl")).strip()).strip()).exists()

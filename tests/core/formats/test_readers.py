"""Episodes of others: what becomes of their messages, tokens and rewards, and how a broken line is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from builders.episodes import played
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import credit_gym.cli.imports
import credit_gym.cli.run
import credit_gym.cli.train  # noqa: F401 - registers its command
from credit_gym.cli import app
from credit_gym.credit.assign import build_targets
from credit_gym.data.episode import Episode
from credit_gym.errors import StoreError, UnknownNameError
from credit_gym.formats.jsonl import write_lines
from credit_gym.formats.readers import READERS, read_episodes
from credit_gym.formats.verifiers import verifiers_rows
from credit_gym.store.folders import open_run

CHATS = [
    {
        "messages": [
            {"role": "system", "content": "Win."},
            {"role": "user", "content": "room 0"},
            {"role": "assistant", "content": "go"},
            {"role": "tool", "content": "a noise"},
            {"role": "user", "content": "room 1"},
            {"role": "assistant", "content": "stay"},
        ],
        "reward": reward,
        "task_id": "t",
    }
    for reward in (1.0, 0.0)
]


def written(path: Path, rows: Any) -> Path:
    write_lines(path, rows)
    return path


def whole(source: str, path: Path) -> list[Episode]:
    """The episodes of a file without damage."""
    found = read_episodes(source, path)
    assert found.damaged == []
    return found.episodes


def test_a_chat_becomes_steps_whose_observations_are_what_others_said_in_between(tmp_path: Path) -> None:
    first, second = whole("chat", written(tmp_path / "c.jsonl", CHATS))
    assert first.goal == "Win."
    assert first.observations == ("room 0", "a noise\nroom 1", "")
    assert first.actions == ("go", "stay")
    assert first.rewards == (0.0, 1.0)
    assert (first.success, second.success) == (True, False)
    assert first.group_id == second.group_id == "t"
    assert first.messages is not None
    assert [len(chat) for chat in first.messages] == [2, 5]
    assert [target.credit for target in build_targets([first, second], "outcome_only")] == [1.0, 1.0, 0.0, 0.0]


def test_exported_traces_come_back_with_their_chats_and_tokens(tmp_path: Path) -> None:
    episode = played()
    (back,) = whole("verifiers", written(tmp_path / "t.jsonl", verifiers_rows([episode], [(0.5, None)])))
    for name in ("messages", "prompt_token_ids", "token_ids", "policy_logprobs", "rewards", "success", "group_id"):
        assert getattr(back, name) == getattr(episode, name), name
    assert back.actions == ("go 0", "go 1")  # as they were sent, though the chat shows "Action: go 0"


@given(
    st.lists(st.tuples(st.lists(st.integers(1, 9), min_size=1, max_size=3), st.integers(0, 3)), min_size=1, max_size=5)
)
@settings(max_examples=40, deadline=None)
def test_any_chain_of_tokens_survives_export_and_import(
    tmp_path_factory: pytest.TempPathFactory, turns: list[tuple[list[int], int]]
) -> None:
    """Each turn reads some tokens, then samples one or more; now and then the history is tokenised anew."""
    prompts, answers, said = [], [], ()
    for read, rewritten in turns:
        said = tuple(read) if rewritten == 3 else (*said, *read)
        prompts.append(said)
        answers.append((rewritten, 7))
        said = (*said, rewritten, 7)
    chats = [
        tuple({"role": ("user", "assistant")[i % 2], "content": f"m{i}"} for i in range(2 * t + 1))
        for t in range(len(turns))
    ]
    episode = played(
        steps=len(turns),
        actions=tuple(f"m{2 * t + 1}" for t in range(len(turns))),
        messages=tuple(chats),
        prompt_token_ids=tuple(prompts),
        token_ids=tuple(answers),
        policy_logprobs=((-0.5, -0.25),) * len(turns),
    )
    path = tmp_path_factory.mktemp("t") / "t.jsonl"
    (back,) = whole("verifiers", written(path, verifiers_rows([episode], [(1.0,) * len(turns)])))
    for name in ("messages", "prompt_token_ids", "token_ids", "policy_logprobs", "actions"):
        assert getattr(back, name) == getattr(episode, name), name


@pytest.mark.parametrize(
    ("source", "line", "said"),
    [
        ("chat", "{", "Line 2 of .* cannot be imported"),
        ("chat", "[]", "it is not an object"),
        ("chat", "{}", "it has no 'messages'"),
        ("chat", '{"messages": [{"role": "user", "content": "x"}], "reward": 1}', "no message is the assistant's"),
        ("chat", '{"messages": [{"role": "assistant", "content": "x"}]}', "it has no 'reward'"),
        ("chat", '{"messages": [{"role": "assistant", "content": 3}], "reward": 1}', "content that are text"),
        ("chat", '{"messages": [{"role": "assistant", "content": "x"}], "rewards": [1, 2]}', "1 actions but 2 rewards"),
        ("verifiers", '{"version": 9}', "its trace version is 9"),
        (
            "verifiers",
            '{"nodes": [{"parent": 0, "sampled": true, "message": {"role": "user", "content": ""}}]}',
            "parent 0",
        ),
    ],
)
def test_a_broken_line_is_named_and_costs_no_other(tmp_path: Path, source: str, line: str, said: str) -> None:
    good = {"chat": CHATS[0], "verifiers": next(iter(verifiers_rows([played()], [(0.5, None)])))}[source]
    (tmp_path / "x.jsonl").write_text("\n" + line + "\n" + json.dumps(good) + "\n")
    episodes, damaged = read_episodes(source, tmp_path / "x.jsonl")
    assert len(episodes) == 1
    assert [re.search(said, each) and each.startswith("Line 2 of") for each in damaged] == [True]


def test_a_reward_that_is_no_number_is_left_out_of_the_run(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text(json.dumps({**CHATS[0], "reward": float("nan")}) + "\n" + json.dumps(CHATS[1]))
    episodes, damaged = read_episodes("chat", tmp_path / "x.jsonl")
    assert [episode.episode_id for episode in episodes] == ["2"]
    assert [sentence.endswith("has a reward that is no finite number.") for sentence in damaged] == [True]


@pytest.mark.parametrize("name", ["episode_id", "agent_id", "env_id"])
def test_a_name_that_no_file_can_hold_costs_its_episode_alone(name: str, tmp_path: Path) -> None:
    path = written(tmp_path / "x.jsonl", CHATS)
    path.write_text(json.dumps({**CHATS[0], name: "\ud800"}) + "\n" + path.read_text())
    result = CliRunner().invoke(app, ("import", str(path), "--out", str(tmp_path / "runs")))
    assert result.exit_code == 1
    assert "has a name that is no legal unicode" in result.stderr
    store, run = open_run(result.stdout.strip(), tmp_path / "runs")
    assert [episode.rewards for episode in store.load_episodes(run)] == [(0.0, 1.0), (0.0, 0.0)]


def test_what_is_damaged_is_said_and_the_rest_is_kept(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_bytes(b"\xff\n" + json.dumps({**CHATS[0], "task_id": "\ud800"}).encode() + b"\n{")
    result = CliRunner().invoke(app, ("import", str(tmp_path / "x.jsonl"), "--out", str(tmp_path / "runs")))
    assert result.exit_code == 1
    assert result.stderr.startswith("2 of 3 were left out; the first: Line 1 of")
    store, name = open_run(result.stdout.strip(), tmp_path / "runs")
    assert [episode.rewards for episode in store.load_episodes(name)] == [(0.0, 1.0)]


def test_other_wrong_requests_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean verifiers"):
        read_episodes("verifier", tmp_path / "x")
    for source in READERS:
        with pytest.raises(StoreError, match="cannot be read"):
            read_episodes(source, tmp_path / "none")
    twice = [{**row, "episode_id": "e"} for row in CHATS]
    episodes, damaged = read_episodes("chat", written(tmp_path / "twice.jsonl", twice))
    assert [episode.success for episode in episodes] == [True]
    assert [sentence.endswith("repeats the episode id 'e': make ids unique.") for sentence in damaged] == [True]


def test_an_imported_run_is_scored_and_exported_from_the_command_line(tmp_path: Path) -> None:
    def call(*arguments: str) -> str:
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.output
        return result.output.strip()

    file = written(tmp_path / "c.jsonl", CHATS)
    run = call("import", str(file), "--from", "chat", "--out", str(tmp_path / "runs"))
    folder = ("--runs-dir", str(tmp_path / "runs"))
    resumed = CliRunner().invoke(app, ("run", "--resume", run, *folder))
    assert "was imported" in resumed.output
    path = call("targets", run, "--scorer", "grpo", "--to", "trl-kto", *folder)
    rows = [json.loads(line) for line in Path(path).read_text().splitlines()]
    assert [row["label"] for row in rows] == [True, True, False, False]
    assert rows[1]["prompt"] == CHATS[0]["messages"][:5]
    assert Path(call("targets", run, "--scorer", "grpo", "--to", "verl", *folder)).name == "targets.verl.parquet"
    assert Path(call("targets", run, "--scorer", "grpo", *folder)).name == "targets.parquet"


def test_the_commands_refuse_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").touch()
    for arguments, said in (
        (("import", str(tmp_path / "empty.jsonl")), "holds no episode"),
        (("train", str(tmp_path / "t")), "give --env and --model"),
        (("train", str(tmp_path / "t"), "--resume", "--env", "x"), "keeps its own settings"),
    ):
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 2
        assert said in " ".join(result.output.split())

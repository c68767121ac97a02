"""The commands that ask a language model: settings, caps, resumption, logs; a key is written nowhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from builders.commands import call, good, opened
from builders.model_servers import KEY, Reply, Seen, chat_completion, openai_server, serving

RUN = ("run", "--env", "credit/Stochastic-v0", "--episodes", "12", "--seed", "3", "--prompting", "listed")

pytest.importorskip("openai")


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with serving(openai_server) as server:
        yield f"{server.root}/v1"


def everything_written(root: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file())


@pytest.mark.slow
def test_a_models_run_keeps_its_settings_and_never_a_key(folder: Path, url: str) -> None:
    limits = ("--timeout", "20", "--retries", "1", "--rpm", "100000", "--cache", "answers", "--price", "1,2")
    out = good(*RUN, "--agent", f"openai:m@{url}", "--temperature", "0.5", *limits, "--log", "jsonl")
    run_id = out.split()[0]
    assert "12 episodes" in out
    with opened(run_id) as store:
        settings = store.run(run_id).config["settings"]
        episodes = store.load_episodes(run_id)
    assert (settings["prompting"]["name"], settings["prompting"]["temperature"]) == ("listed", 0.5)
    assert (settings["timeout"], settings["retries"], settings["cache"], settings["price"]) == (
        20,
        1,
        "answers",
        [1, 2],
    )
    assert all(episode.error is None and episode.messages and episode.decodings for episode in episodes)
    assert all(episode.usage["dollars"] > 0 for episode in episodes)
    logged = [json.loads(line) for line in (Path("runs") / run_id / "log.jsonl").read_text().splitlines()]
    assert sorted(line["episode"] for line in logged) == sorted(episode.episode_id for episode in episodes)
    assert sum(line["dollars"] for line in logged) == pytest.approx(sum(e.usage["dollars"] for e in episodes))
    assert KEY.encode() not in everything_written(folder)


@pytest.mark.slow
def test_the_number_of_workers_changes_nothing(folder: Path, url: str) -> None:
    ids = [good(*RUN, "--agent", f"openai:m@{url}", "--workers", n, "--out", n).split()[0] for n in ("1", "12")]
    assert ids[0] == ids[1]
    assert opened(ids[0], "1").load_episodes(ids[0]) == opened(ids[1], "12").load_episodes(ids[1])


@pytest.mark.slow
@pytest.mark.parametrize("cap", [("--max-tokens", "4000"), ("--max-cost", "0.004", "--price", "1,1")])
def test_a_run_stopped_at_its_cap_says_so_and_goes_on_with_a_higher_one(
    folder: Path,
    url: str,
    cap: tuple[str, ...],
) -> None:
    result = call(*RUN, "--agent", f"openai:m@{url}", "--workers", "2", *cap)
    run_id = result.stdout.split()[0]
    assert result.exit_code == 1
    assert re.fullmatch(
        rf"Stopped: The cap of .* Raise \w+ to go on\. Then: credit-gym run --out runs --resume {run_id}\n",
        result.stderr,
    )
    with opened(run_id) as store:
        assert store.run(run_id).status == "stopped"
        assert len(store.episode_ids(run_id)) < 12
        spent = [
            e.usage.get("prompt_tokens", 0) + e.usage.get("completion_tokens", 0) for e in store.load_episodes(run_id)
        ]
        assert 0 < sum(spent) <= 4000
    assert "12 episodes" in good("run", "--resume", run_id, cap[0], "1000000")
    whole = good(*RUN, "--agent", f"openai:m@{url}", "--out", "whole", *cap[2:]).split()[0]
    assert opened(run_id).load_episodes(run_id) == opened(whole, "whole").load_episodes(whole)


@pytest.mark.slow
def test_a_benchmark_counts_tokens_and_dollars(folder: Path, url: str) -> None:
    agents = ("--agent", "random", "--agent", f"openai:m@{url}")
    out = good(
        "bench", *agents, "--env", "credit/Stochastic-v0", "--episodes", "4", "--price", "1,1", "--to", "markdown"
    )
    costs = next(table for table in out.split("\n\n") if "| dollars |" in table)
    head, _, *rows = [line.strip("| ").split(" | ") for line in costs.splitlines() if line.startswith("|")]
    by_agent: dict[str, dict[str, Any]] = {row[1]: dict(zip(head, row, strict=True)) for row in rows}
    assert (by_agent["random"]["tokens"], by_agent["random"]["dollars"]) == ("–", "–")
    model = next(row for agent, row in by_agent.items() if agent.startswith("openai"))
    assert float(model["dollars"]) == pytest.approx(float(model["tokens"]) * 4 / 1e6, abs=1e-3)
    assert KEY.encode() not in everything_written(folder)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--max-cost", "1"), "The price of openai:m@http://127.0.0.1:1/v1 is not known"),
        (("--price", "1"), "write --price PROMPT,ANSWER with two numbers, not '1'"),
        (("--prompting", "rect"), "did you mean react?"),
        (("--rpm", "0"), "rpm must be a number above 0"),
        (("--rpm", "5", "--executor", "ray"), "Caps and rate limits hold within one process"),
        (("--log", "csv"), "no log called 'csv'"),
    ],
)
def test_settings_that_make_no_sense_are_refused_before_anything_is_stored(
    folder: Path,
    arguments: tuple[str, ...],
    sentence: str,
) -> None:
    result = call(*RUN[:-2], "--agent", "openai:m@http://127.0.0.1:1/v1", *arguments)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert sentence in result.stderr
    assert not Path("runs").exists()


def test_a_model_answers_for_the_environment_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The player is scripted, the judge a model behind a server: it says yes to everything."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    asked = []

    def judge(seen: Seen) -> Reply:
        asked.append(seen)
        return Reply(chat_completion("<answer>Yes</answer>"))

    with serving(judge) as server:
        arguments = ("--env-arg", f"answerer=openai:m@{server.root}/v1", "--env-arg", "turns=3")
        out = good("run", "--env", "credit/TwentyQuestions-v0", *arguments, "--agent", "random", "--episodes", "2")
    with opened(out.split()[0]) as store:
        episodes = store.load_episodes(out.split()[0])
    assert asked
    assert all(episode.error is None and "yes" in episode.observations[1].lower() for episode in episodes)
    assert KEY.encode() not in everything_written(folder)

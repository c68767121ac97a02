"""A benchmark compares agents on the same tasks; failures to complete are not failures of the task."""

from __future__ import annotations

import json
import math
import threading
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from builders.commands import call, good
from builders.corridor import Corridor
from builders.episodes import walk
from builders.model_servers import Reply, Seen, openai_server, serving

from credit_gym.agents import NoisyExpert, RandomAgent
from credit_gym.agents.rollout import bench
from credit_gym.agents.rollout.bench import bench_tables, measures, run_bench, wilson
from credit_gym.errors import BudgetError, CreditGymError
from credit_gym.store import Store, new_group, open_run
from credit_gym.wrappers import RecordVerifier

CONFIG: dict[str, Any] = {
    "agents": ["random", "expert"],
    "environments": ["short", "broken"],
    "episodes": 12,
    "seed": 5,
    "settings": {},
}


def make_env(env_id: str) -> Any:
    return lambda: RecordVerifier(Corridor(broken_task=1 if env_id == "broken" else None))


def make_agent(spec: str) -> Any:
    return RandomAgent(5) if spec == "random" else NoisyExpert(0.1, seed=5)


def row(store: Store, group_id: str, env: str, agent: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for table in bench_tables(store, group_id)[:2]:
        (one,) = [dict(zip(table.columns, r, strict=True)) for r in table.rows if r[:2] == (env, agent)]
        found |= one
    return found


def play(store: Store, group_id: str, **options: Any) -> Any:
    return run_bench(store, group_id, **{"make_env": make_env, "make_agent": make_agent, "progress": False, **options})


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [  # by hand: (p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n), z = 1.959964
        (0, 10, 0.0, 0.27753),
        (5, 10, 0.23659, 0.76341),
        (10, 10, 0.72247, 1.0),
        (81, 263, 0.25530, 0.36618),
    ],
)
def test_wilsons_interval(successes: int, trials: int, low: float, high: float) -> None:
    assert wilson(successes, trials) == pytest.approx((successes / trials, low, high), abs=5e-5)


def test_without_trials_there_is_no_rate() -> None:
    assert all(map(math.isnan, wilson(0, 0)))


def test_episodes_that_did_not_complete_are_counted_apart() -> None:
    usage = {"prompt_tokens": 10.0, "completion_tokens": 2.0, "dollars": 0.5}
    found = measures(
        [
            walk("1", steps=3, usage=usage),
            walk("2", steps=5, success=False),
            walk("3", steps=9, success=False, terminated=False, error="TimeoutError: no answer", usage=usage),
        ]
    )
    assert (found["episodes"], found["errors"], found["success"], found["steps"]) == (2, 1, 0.5, 4.0)
    assert found["tokens"] == 12.0  # of the one that was counted
    assert found["dollars"] == 1.0  # a failure was paid for too


def test_every_pair_is_a_run_of_the_group_on_the_same_tasks_and_seeds(tmp_path: Path) -> None:
    store, group_id = new_group(tmp_path, CONFIG)
    seen: list[Any] = []
    assert play(store, group_id, on_pair=lambda record, found: seen.append((record.env_id, record.agent_id))) is None
    assert seen == [("short", "random"), ("broken", "random"), ("short", "expert"), ("broken", "expert")]
    runs = {(run.env_id, run.agent_id): store.load_episodes(run.run_id) for run in store.runs(group_id)}
    tasks = {pair: [(e.seed, e.task_id) for e in episodes] for pair, episodes in runs.items() if pair[0] == "short"}
    assert tasks["short", "random"] == tasks["short", "expert"]
    assert row(store, group_id, "short", "expert")["success"] > row(store, group_id, "short", "random")["success"]
    broken = row(store, group_id, "broken", "expert")
    assert (broken["episodes"], broken["errors"]) == (8, 4)
    assert broken["seconds"] > 0
    assert [r[:2] for r in bench_tables(store, group_id)[0].rows] == [
        (env, agent) for env in CONFIG["environments"] for agent in CONFIG["agents"]
    ]


def test_a_resumed_benchmark_plays_what_failed_or_is_missing_and_nothing_else(tmp_path: Path) -> None:
    store, group_id = new_group(tmp_path, CONFIG)
    play(store, group_id)
    before = {run.run_id: run for run in store.runs(group_id)}
    seen: list[Any] = []
    play(
        store,
        group_id,
        make_env=lambda env_id: make_env("short"),
        on_pair=lambda record, found: seen.append((record.env_id, found["episodes"], found["errors"])),
    )
    assert seen == [("broken", 12, 0)] * 2
    assert {run.run_id for run in store.runs(group_id)} == set(before)
    assert play(store, group_id, make_env=lambda env_id: pytest.fail("nothing is missing")) is None


def test_an_interrupted_benchmark_keeps_what_was_played(tmp_path: Path) -> None:
    class Interrupted(RandomAgent):
        def act(self, contexts: Any) -> Any:
            if contexts[0].history and len(store.episode_ids(store.runs(group_id)[0].run_id)) == 4:
                raise KeyboardInterrupt
            return super().act(contexts)

    store, group_id = new_group(tmp_path, CONFIG)
    with pytest.raises(KeyboardInterrupt):
        play(store, group_id, make_agent=lambda spec: Interrupted(5))
    (run,) = store.runs(group_id)
    assert (run.status, len(store.episode_ids(run.run_id))) == ("interrupted", 4)
    play(store, group_id)
    whole, other = new_group(tmp_path / "whole", CONFIG)
    play(whole, other)
    assert store.load_episodes(run.run_id) == whole.load_episodes(whole.runs(other)[0].run_id)


def test_an_agent_at_its_cap_plays_no_further_environment_and_the_others_do(tmp_path: Path) -> None:
    class Capped(RandomAgent):
        left = 20

        def act(self, contexts: Any) -> Any:
            self.left -= 1
            if self.left < 0:
                raise BudgetError("The cap is reached.")
            return super().act(contexts)

    store, group_id = new_group(tmp_path, CONFIG)
    reason = play(store, group_id, make_agent=lambda spec: Capped(5) if spec == "random" else make_agent(spec))
    assert reason == "The cap is reached."
    assert [(r.env_id, r.agent_id, r.status) for r in store.runs(group_id)] == [
        ("short", "random", "stopped"),
        ("short", "expert", "finished"),
        ("broken", "expert", "finished"),
    ]
    assert row(store, group_id, "short", "random")["errors"] == 1


def test_graded_rewards_and_refused_actions_are_means_of_completed_episodes() -> None:
    found = measures(
        [
            replace(walk("1", steps=2), rewards=(0.25, 0.5), invalid=(True, False)),
            replace(walk("2", steps=2, success=False), rewards=(0.0, 0.25), invalid=(False, False)),
            replace(walk("3", steps=2, error="x"), rewards=(9.0, 9.0), invalid=(True, True)),
        ]
    )
    assert (found["return"], found["invalid"]) == (0.5, 0.25)


def test_groups_give_pass_rates_and_every_two_agents_are_paired_by_task(tmp_path: Path) -> None:
    arguments = {"num_tasks": 3}
    store, group_id = new_group(
        tmp_path, {**CONFIG, "group_size": 4, "arguments": arguments, "labels": {"random": "r"}}
    )
    play(store, group_id)
    assert {run.config["arguments"]["num_tasks"] for run in store.runs(group_id)} == {3}
    _, costs, passes, paired = bench_tables(store, group_id)
    expert = {row[2]: row[3:] for row in passes.rows if row[:2] == ("short", "expert")}
    assert list(expert) == [1, 2, 4]
    assert expert[1][0] == expert[1][3] == pytest.approx(row(store, group_id, "short", "expert")["success"])
    assert expert[1][0] <= expert[2][0] <= expert[4][0]
    assert expert[1][3] >= expert[2][3] >= expert[4][3]
    first = dict(zip(paired.columns, paired.rows[0], strict=True))
    assert (first["first"], first["second"], first["tasks"], first["pairs"]) == ("r", "expert", 3, 12)
    means = [row(store, group_id, "short", name)["success"] for name in ("r", "expert")]
    assert first["difference"] == pytest.approx(means[0] - means[1])  # groups of one size: the mean of means
    broken = [r for r in paired.rows if r[0] == "broken"]
    assert [r[-2:] for r in broken] == [(2, 8), (2, 8)]  # what did not complete is not paired
    assert all(r[-1] >= 0.0 for r in costs.rows)


def test_an_action_is_waited_for_as_long_as_the_agent_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = defaultdict[int, float](float)  # a clock for each thread, which goes on while its agent thinks

    class Slow(RandomAgent):
        def act(self, contexts: Any) -> Any:
            own[threading.get_ident()] += 0.01
            return super().act(contexts)

    monkeypatch.setattr(bench, "time", SimpleNamespace(perf_counter=lambda: own[threading.get_ident()]))
    store, group_id = new_group(tmp_path, {**CONFIG, "agents": ["random"], "environments": ["short"], "episodes": 4})
    play(store, group_id, make_agent=lambda spec: Slow(5), workers=4)
    assert row(store, group_id, "short", "random")["latency"] == pytest.approx(0.01)


def test_a_sweep_is_no_benchmark(tmp_path: Path) -> None:
    store, group_id = new_group(tmp_path, {"name": "sweep"})
    with pytest.raises(CreditGymError, match="is a sweep, not a benchmark"):
        play(store, group_id)


BENCH = ("bench", "--agent", "random", "--agent", "expert", "--env", "credit/Stochastic-v0", "--episodes", "4")


def test_a_server_that_is_down_is_named_and_the_exit_code_says_that_nothing_was_played(folder: Path) -> None:
    down = "openai:m@http://127.0.0.1:9/v1"
    result = call(*BENCH, "--agent", f"down={down}", "--retries", "0")
    assert result.exit_code == 1
    assert "4 of 4 episodes did not complete; the first one says: ServerError: No server answers" in result.stderr
    assert "--resume" in result.stderr
    assert "plain" in result.stdout  # the prompting
    assert "down" in result.stdout
    assert down not in result.stdout


@pytest.mark.slow
def test_a_server_that_fails_for_a_while_costs_nothing_but_a_resume(folder: Path) -> None:
    down = True

    def answer(seen: Seen) -> Reply:
        return Reply("no room", status=503) if down and seen.method == "POST" else openai_server(seen)

    names = ("Stochastic", "Diagnostic", "WebShopManifest", "ALFWorldManifest")
    with serving(answer) as server:
        agents = ("--agent", f"model=openai:m@{server.root}/v1", "--agent", "random")
        envs = [part for name in names for part in ("--env", f"credit/{name}-v0")]
        result = call("bench", *agents, *envs, "--episodes", "3", "--retries", "0", "--to", "markdown")
        assert result.exit_code == 1
        assert result.stderr.count("3 of 3 episodes did not complete") == 4
        assert result.stdout.count("| model | plain | 0 | 3 | – |") == 4
        group_id = result.stdout.split()[0]
        assert "First minus second" not in result.stdout  # nothing that both completed
        down = False
        out = good("bench", "--resume", group_id, "--to", "markdown")
        played = len(server.posts())
        assert good("bench", "--resume", group_id, "--to", "markdown") == out
        assert len(server.posts()) == played  # a finished benchmark asks for nothing
    assert out.count("| model | random | return |") == len(names)
    for to in ("latex", "html", "terminal"):
        assert "First minus second" in good("report", group_id, "--to", to)


@pytest.mark.slow
def test_the_command_compares_graded_agents_of_one_task_each_in_every_format(folder: Path) -> None:
    shop = ("--env", "credit/WebShop-v0", "--episodes", "6", "--group-size", "2", "--env-arg", "max_steps=8")
    marks = {
        "markdown": ["| return |", "pass^k", "| won |", "| latency |"],
        "latex": [r"\caption{", "pass@k"],
        "html": ["<table>", "pass@k"],
    }
    for to, expected in marks.items():
        out = good("bench", "--agent", "r=random", "--agent", "expert", *shop, "--to", to)
        assert out.count("credit/WebShop-v0") == 2 + 2 + 4 + 2  # how good, what it took, k of 1 and 2, two measures
        for mark in expected:
            assert mark in out


def test_the_command_shows_stores_logs_and_resumes(folder: Path) -> None:
    out = good(*BENCH, "--log", "jsonl")
    group_id = out.split()[0]
    assert "Wilson" in out
    lines = [json.loads(line) for line in (Path("runs") / group_id / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2]
    assert (
        lines[1]["credit/Stochastic-v0/expert/success"]
        == row(open_run(group_id, Path("runs"))[0], group_id, "credit/Stochastic-v0", "expert")["success"]
    )
    assert good("bench", "--resume", group_id) == out
    for to, mark in (("markdown", "| expert |"), ("latex", r"\toprule"), ("html", "<table>")):
        assert mark in good("report", group_id, "--to", to)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("bench", "--agent", "random"), "give --agent and --env"),
        ((*BENCH, "--agent", "random"), "named twice"),
        ((*BENCH, "--temperature", "0.5"), "--temperature is for language models"),
        ((*BENCH, "--to", "csv"), "no table format called 'csv'"),
        ((*BENCH, "--env", "credit/Stochastik-v0"), "did you mean credit/Stochastic-v0"),
        (("bench", "--resume", "group_0", "--seed", "1"), "keeps its own settings"),
        (("bench", "--resume", "group_0", "--env-arg", "num_tasks=2"), "keeps its own settings"),
        (("bench", "--agent", "a=random", "--agent", "a=expert", "--env", "credit/Stochastic-v0"), "named twice"),
        ((*BENCH, "--seed", "-1"), "should be greater than or equal to 0"),
        ((*BENCH, "--env-arg", "num_tasks=0"), "num_tasks of stochastic must be a whole number"),
        ((*BENCH, "--env-arg", "num_task=3"), "did you mean num_tasks"),
    ],
)
def test_an_error_is_one_sentence_and_nothing_is_stored(
    folder: Path,
    arguments: tuple[str, ...],
    sentence: str,
) -> None:
    result = call(*arguments)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert sentence in result.stderr
    assert not Path("runs").exists()

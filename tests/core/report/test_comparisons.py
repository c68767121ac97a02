"""Two sides of what is shown: their pairs and totals are those of `credit-gym compare`, each pair in its place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from builders.episodes import HOSTILE, walk

from credit_gym.data.episode import Episode
from credit_gym.metrics.paired import Parting, pair_episodes
from credit_gym.report.paired_tables import difference_table
from credit_gym.report.table import to_markdown
from credit_gym.report.text import for_markdown, printable
from credit_gym.report.viewer.comparisons import MOST_SIDES, PARTINGS, comparison, count_comparisons, shown_sides, sides
from credit_gym.report.viewer.overview import overview
from credit_gym.report.viewer.shown_run import ShownRun, given_run
from credit_gym.store import Store


def play(number: int, agent: str, *, task: str = "task", seed: int | None = 1, **changes: object) -> Episode:
    return walk(f"{number}-{agent}", task_id=task, seed=seed, agent_id=agent, **changes)


def shown(name: str, episodes: list[Episode]) -> ShownRun:
    return given_run(name, name, episodes, {}, {})


def two_runs() -> list[ShownRun]:
    other = ("go 0", "elsewhere", "go 2")
    one = [play(0, "x"), play(1, "x", seed=2**64 - 1), play(2, "x", error="down"), play(3, "x"), play(4, "x", task="b")]
    lost = {"success": False, "rewards": (0.0,) * 3}
    two = [play(5, "y", task="b", **lost), play(6, "y", actions=other), play(7, "y", seed=2**64 - 1), play(8, "y")]
    return [shown("run_a", one), shown("run_b", two)]


def test_a_comparison_says_what_compare_says_and_where_each_pair_is() -> None:
    runs = two_runs()
    found = comparison(runs, 0)
    pairs = pair_episodes(runs[0].episodes, runs[1].episodes)
    everything = [*runs[0].episodes, *runs[1].episodes]
    assert [everything[e].episode_id for e in found["first"]] == ["0-x", "1-x", "3-x", "4-x"]
    assert [everything[e].episode_id for e in found["second"]] == ["6-y", "7-y", "8-y", "5-y"]
    assert found["seeds"] == ["1", str(2**64 - 1), "1", "1"]  # JavaScript's numbers hold 53 bits
    assert found["repetition"] == [0, 0, 1, 0]
    partings = [None if t is None else (t, PARTINGS[by]) for t, by in zip(found["steps"], found["by"], strict=True)]
    assert partings == [None if each.parting is None else each.parting[:2] for each in pairs]
    assert partings[0] == (1, "action")
    written = to_markdown(difference_table("x (run_a) minus y (run_b)", pairs))
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in written.splitlines() if line.startswith("|")]
    assert found["heads"] == [cell.replace("\\", "") for cell in cells[0]]
    assert found["rows"] == cells[2:]
    assert for_markdown(found["title"]) in written


def test_every_difference_of_two_plays_has_a_number() -> None:
    one = play(0, "x")
    shorter = walk("1", steps=2, agent_id="y", seed=1)
    seen = replace(one, agent_id="y", observations=(*one.observations[:2], "fog", one.observations[3]))
    for other, expected in (
        (shorter, Parting(2, "end", ("go 2", None))),
        (seen, Parting(2, "observation", ("go 2",) * 2)),
    ):
        found = comparison([shown("a", [one]), shown("b", [other])], 0)
        assert (found["steps"], [PARTINGS[by] for by in found["by"]]) == ([expected.step], [expected.what])


def test_agents_of_one_run_are_sides_too() -> None:
    plays = [play(0, "x"), play(1, "y"), play(2, "x", seed=2), play(3, "z", seed=2)]
    runs = [shown("run_a", plays), shown("run_b", [play(4, "x", seed=2)])]
    assert [side.name for side in sides(runs)] == ["run_a x", "run_a y", "run_a z", "run_b"]
    assert [side["episodes"] for side in shown_sides(runs)] == [2, 1, 1, 1]
    assert count_comparisons(runs) == 6
    assert [(found["first"], found["second"]) for found in (comparison(runs, n) for n in range(6))] == [
        ([0], [1]), ([2], [3]), ([2], [4]), ([], []), ([], []), ([3], [4]),
    ]  # fmt: skip


def test_what_is_compared_has_a_bound_and_one_side_nothing() -> None:
    assert count_comparisons([shown("a", [play(0, "x")])]) == 0
    many = [shown(f"r{n}", [play(n, "x")]) for n in range(40)]
    assert count_comparisons(many) == MOST_SIDES * (MOST_SIDES - 1) // 2
    assert len(overview(many)["sides"]) == MOST_SIDES


@pytest.mark.parametrize("text", HOSTILE)
def test_names_are_printable(text: str) -> None:
    runs = [shown(text, [play(0, text)]), shown("b", [play(1, "y")])]
    assert shown_sides(runs)[0]["name"] == printable(text)
    assert comparison(runs, 0)["title"] == printable(f"{text} ({text}) minus y (b)")


def test_stored_runs_are_compared_as_those_in_memory(tmp_path: Path) -> None:
    given = two_runs()
    with Store.open(tmp_path) as store:
        for run in given:
            store.start_run(env_id="credit/Test-v0", agent_id="a", run_id=run.name)
            store.add_episodes(run.name, run.episodes)
        stored = [given_run(run.name, run.name, store.episodes(run.name), {}, {}) for run in given]
        assert list(stored[0].agents) == list(given[0].agents)
        assert comparison(stored, 0) == comparison(given, 0)

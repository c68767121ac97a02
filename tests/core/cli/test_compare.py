"""Two runs are compared on the tasks and seeds that both played: differences, flips, and where plays part."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from builders.commands import call, good
from builders.episodes import walk
from hypothesis import given
from hypothesis import strategies as st

from credit_gym.data.episode import Episode
from credit_gym.metrics.paired import MEASURES, compare_pairs, flips, pair, pair_episodes, parting

RUN = ("run", "--env", "credit/Stochastic-v0", "--episodes", "12", "--group-size", "4", "--seed", "3")


def played(task: str, seed: int | None = 0, **columns: Any) -> Episode:
    return replace(walk(f"{task}-{seed}", steps=3), task_id=task, seed=seed, **columns)


def test_episodes_are_paired_by_task_and_seed_and_one_that_failed_is_not() -> None:
    def numbered(plays: list[Episode]) -> list[Episode]:
        return [replace(play, rewards=(0.0, 0.0, float(place))) for place, play in enumerate(plays)]

    first = [played("a", 1), played("a", 2), played("b", 1), played("a", 1), played("c", 1, error="down")]
    second = [played("b", 1), played("a", 1), played("c", 1), played("a", 1), played("a", 3)]
    pairs = pair_episodes(numbered(first), numbered(second))
    assert [(*each[:2], each.returns) for each in pairs] == [("a", 1, (0, 1)), ("b", 1, (2, 0)), ("a", 1, (3, 3))]
    assert pair_episodes(first, second[:0]) == []


def test_a_comparison_by_hand() -> None:
    # tasks a: (1 + 0) - (0 + 0) over two pairs = 1/2, b: 1, c: 1, d: -1, e: 0; mean 0.3
    # deviations .2 .7 .7 -1.3 -.3: squares sum 2.8, sd sqrt(2.8 / 4) = .83666, standard error .37417, t(4) = 2.77645
    outcomes = {"a": [(1, 0), (0, 0)], "b": [(1, 0)], "c": [(1, 0)], "d": [(0, 1)], "e": [(1, 1)]}
    pairs = [
        pair(played(task, i, success=bool(x)), played(task, i, success=bool(y)))
        for task, rows in outcomes.items()
        for i, (x, y) in enumerate(rows)
    ]
    found = compare_pairs(pairs, MEASURES["success"])
    assert tuple(found.difference) == pytest.approx((0.3, 0.3 - 1.03886, 0.3 + 1.03886), abs=1e-4)
    assert (found.won, found.lost, found.tasks) == (3, 1, 5)
    assert found.p == pytest.approx(0.625)  # 2 (C(4, 3) + C(4, 4)) / 2^4
    assert len(flips(pairs)) == 4


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=9))
def test_turning_a_comparison_round_turns_its_sign(outcomes: list[tuple[bool, bool]]) -> None:
    plays = [(played(str(i), success=x), played(str(i), success=y)) for i, (x, y) in enumerate(outcomes)]
    there = compare_pairs([pair(one, other) for one, other in plays], MEASURES["success"])
    back = compare_pairs([pair(other, one) for one, other in plays], MEASURES["success"])
    assert there.difference.value == -back.difference.value
    assert (there.won, there.lost, there.p) == (back.lost, back.won, back.p)
    assert 0.0 < there.p <= 1.0


def test_plays_part_at_the_first_step_that_differs() -> None:
    one = played("a")
    acted = (one.actions[0], "another", one.actions[2])
    seen = (*one.observations[:2], "another", *one.observations[3:])
    assert parting(one, one) is None
    assert parting(one, replace(one, actions=acted)) == (1, "action", (one.actions[1], "another"))
    assert parting(one, replace(one, observations=seen)) == (2, "observation", (one.actions[2],) * 2)
    assert parting(one, replace(walk("x", steps=2), observations=one.observations[:3], actions=one.actions[:2])) == (
        2,
        "end",
        (one.actions[2], None),
    )


@pytest.mark.slow
def test_the_command_shows_differences_flips_and_partings(folder: Path) -> None:
    weak, strong = (good(*RUN, "--agent", agent).split()[0] for agent in ("noisy:0.9", "expert"))
    out = good("compare", weak, strong, "--to", "markdown")
    assert "| success |" in out
    assert "| return |" in out
    assert "Solved by one of the two" in out
    assert "| action |" in out
    same = good("compare", strong, strong, "--to", "markdown")
    assert "Solved by one of the two" not in same
    assert "| never | 12 |" in same
    for to, mark in (("terminal", "minus"), ("latex", r"\toprule"), ("html", "<table>")):
        assert mark in good("compare", weak, strong, "--to", to)


def test_runs_without_a_task_and_seed_in_common_are_refused(folder: Path) -> None:
    one = good(*RUN).split()[0]
    other = good(*RUN[:-1], "4").split()[0]
    result = call("compare", one, other)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert "no completed episode of the same task and seed in common" in result.stderr
    assert "did you mean" in call("compare", one, other[:-1]).stderr

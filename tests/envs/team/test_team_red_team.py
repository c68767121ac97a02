"""Hostile programs get the verdict they are owed and leave nothing behind, in every isolation and as every user."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from builders import ROOT
from builders.red_team import ATTACKS, KINDS
from builders.red_team.battle import USERS, fight, honest_beside_neighbours, left_by_a_dead_owner


def test_there_are_at_least_120_programs_each_with_a_name_of_its_own() -> None:
    assert len({(attack.kind, attack.name) for attack in ATTACKS}) == len(ATTACKS) >= 120


def test_the_table_of_the_page_is_of_these_programs() -> None:
    page = (ROOT / "docs" / "sandbox.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| ([^|]+) \| ((?:\d+ / \d+ / \d+(?: \| )?)+) \|$", page, re.MULTILINE))
    tried = Counter(attack.kind for attack in ATTACKS)
    assert rows == {kind: " | ".join([f"{tried[kind]} / {tried[kind]} / 0"] * 4) for kind in KINDS}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("isolation", ["namespaces", "process"])
def test_the_verdict_is_right_and_nothing_is_left(isolation: str, user: str, kind: str) -> None:
    outcome = fight(isolation, user, kind)
    if isinstance(outcome, str):
        pytest.skip(outcome)
    assert outcome.tried > 0
    assert outcome.wrong == []
    assert outcome.left == []


@pytest.mark.slow
@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("isolation", ["namespaces", "process"])
def test_a_fork_bomb_does_not_outlive_its_owner(isolation: str, user: str) -> None:
    left = left_by_a_dead_owner(isolation, user)
    if isinstance(left, str):
        pytest.skip(left)
    assert left == []


@pytest.mark.slow
@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("isolation", ["namespaces", "process"])
def test_neighbours_with_many_processes_fail_no_honest_program(isolation: str, user: str) -> None:
    passed = honest_beside_neighbours(isolation, user)
    if isinstance(passed, str):
        pytest.skip(passed)
    assert passed

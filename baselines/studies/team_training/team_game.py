"""The team game: a planner, a checker and a solver each write one of five messages about one of eight problems.

The solver's right answer depends on the plan, some plans are better than others, and on half of the problems nobody
listens to the checker. All 8 x 125 transcripts are enumerated, so values and advantages are exact.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from credit_gym.data.grouping import FloatArray, IntArray

PROBLEMS, MESSAGES, ROLES = 8, 5, 3
FAN_OUT = (2, 2, 3)
LEAVES = 12
"""Leaves of a tree: 2 plans, 2 checks of each, 3 answers to each, hence 2 + 4 + 12 = 18 messages."""


class Policy(NamedTuple):
    """What the team would say in every context.

    Attributes:
        plan: (8, 5) probability of each plan, given the problem.
        check: (8, 5, 5) of each check, given the problem and the plan.
        answer: (8, 5, 5, 5) of each answer, given problem, plan and check.
    """

    plan: FloatArray
    check: FloatArray
    answer: FloatArray


class Values(NamedTuple):
    """Exact values of a policy, before each role has spoken and at the end.

    Attributes:
        start: (8,) probability of success.
        planned: (8, 5) given the plan.
        checked: (8, 5, 5) given plan and check.
        end: (8, 5, 5, 5) given the whole transcript.
    """

    start: FloatArray
    planned: FloatArray
    checked: FloatArray
    end: FloatArray


def make_game(seed: int) -> FloatArray:
    """Draw a game: the probability of success of every transcript, (8, 5, 5, 5), between 0.05 and 0.95."""
    generator = np.random.default_rng(seed)
    quality = generator.permuted(np.tile(np.linspace(0.2, 1.0, MESSAGES), (PROBLEMS, 1)), axis=1)
    check, answer = generator.integers(MESSAGES, size=(2, PROBLEMS, MESSAGES))
    heard = generator.permutation(PROBLEMS) < PROBLEMS // 2
    messages = np.arange(MESSAGES)
    checked = np.where((messages == check[..., None]) | ~heard[:, None, None], 1.0, 0.4)
    answered = messages == answer[..., None]
    success: FloatArray = 0.05 + 0.9 * quality[..., None, None] * checked[..., None] * answered[:, :, None, :]
    return success


def values(game: FloatArray, policy: Policy) -> Values:
    """Return the exact values of every context."""
    checked = (policy.answer * game).sum(axis=-1)
    planned = (policy.check * checked).sum(axis=-1)
    return Values((policy.plan * planned).sum(axis=-1), planned, checked, game)


def advantages(value: Values, said: IntArray) -> FloatArray:
    """Exact advantage Q - V of every message.

    Args:
        value: exact values.
        said: (E, 4) problem, plan, check and answer of each episode.

    Returns:
        (E, 3) float64.
    """
    return np.diff(np.stack([table[tuple(said[:, : 1 + k].T)] for k, table in enumerate(value)], axis=1), axis=1)


def play(policy: Policy, generator: np.random.Generator, *, fan_out: tuple[int, int, int]) -> IntArray:
    """Play every problem once as a tree: each role speaks ``fan_out[k]`` times in each context before it.

    ``(n, 1, 1)`` is n independent episodes.

    Returns:
        (8 * leaves, 4) problem, plan, check and answer of each leaf; the leaves of a problem, and below it those of a
        message, lie next to each other.
    """
    said = np.arange(PROBLEMS, dtype=np.int64)[:, None]
    for table, draws in zip(policy, fan_out, strict=True):
        said = np.repeat(said, draws, axis=0)
        cumulative = np.cumsum(table[tuple(said.T)], axis=1)[:, :-1]
        drawn = (generator.random((len(said), 1)) > cumulative).sum(axis=1)
        said = np.concatenate([said, drawn[:, None]], axis=1)
    return said


def points(fan_out: tuple[int, int, int]) -> IntArray:
    """Column ``parent`` of one tree, (leaves, 3): the root, then one point per plan, then one per check."""
    plans, checks, answers = fan_out
    leaf = np.arange(plans * checks * answers)
    return np.stack([np.full(leaf.size, -1), leaf // (checks * answers), plans + leaf // answers], axis=1)

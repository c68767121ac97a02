"""Whoever works the equations of an explanation out by hand has the scorer's credit, at every step."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
from builders.batches import batches
from hypothesis import given

import credit_gym  # noqa: F401 - registers credit/*
from credit_gym.agents import parse_agent, run_episodes
from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray
from credit_gym.scorers import DEFAULT, score
from credit_gym.scorers.explanation import Explanation, explain, explained
from credit_gym.wrappers import RecordVerifier

OPTIONS = {
    "grpo": ({}, {"scale": False}),
    "gigpo": ({}, {"discount": 0.5, "weight": 2.0}, {"scale": False}),
    "td_error": ({}, {"discount": 1.0}),
    "crbc": ({}, {"floor": 0.1, "weight_group": 0.5}),
    "crbc_raw": ({},),
    "branch_aware": ({},),
    DEFAULT: ({}, {"crowd": 2.0, "kappa": 0.0}, {"trust": 0.5, "trust_weight": 100.0, "sharing": 0.0}),
}
CASES = [(name, options) for name, each in OPTIONS.items() for options in each]


def worked_out(found: Explanation) -> FloatArray:
    known = {"max": np.maximum} | dict(found.constants) | {name: term.values for name, term in found.terms.items()}
    with np.errstate(divide="ignore", invalid="ignore"):
        for equation in found.equations:
            name, _, formula = equation.partition(" = ")
            known[name] = np.nan_to_num(eval(formula, {"__builtins__": {}}, known), nan=0.0, posinf=0.0, neginf=0.0)
    return known["c"]


@pytest.fixture(scope="module")
def played() -> EpisodeBatch:
    def made() -> gym.Env[str, str]:
        return RecordVerifier(gym.make("credit/Stochastic-v0"))

    agent = parse_agent("noisy:0.5", seed=1)
    return EpisodeBatch.from_episodes(run_episodes(made, agent, episodes=48, group_size=8, seed=1))


def test_every_scorer_that_explains_itself_is_tried() -> None:
    assert explained() == sorted(OPTIONS)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_the_equations_give_the_credit_of_every_step_of_a_run(name: str, options: dict, played: EpisodeBatch) -> None:
    credit = score(played, name, **options)
    assert worked_out(explain(played, name, **options)) == pytest.approx(credit, rel=1e-9, abs=1e-12)
    assert np.ptp(credit) > 0.0


@pytest.mark.parametrize(("name", "options"), CASES)
@given(batch=batches(require={"verifier"}))
def test_the_equations_give_the_credit_of_every_step_of_any_batch(name, options, batch: EpisodeBatch) -> None:
    credit = score(batch, name, **options)
    found = explain(batch, name, **options)
    assert worked_out(found) == pytest.approx(credit, rel=1e-7, abs=1e-9)
    assert all(np.isfinite(term.values).all() for term in found.terms.values())


def test_what_nobody_has_written_down_is_not_explained(played: EpisodeBatch) -> None:
    assert explain(played, "salt") is None
    assert explain(played, "grpo", mode="upstream") is None

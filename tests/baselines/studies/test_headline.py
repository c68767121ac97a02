"""The comparison of credits by training: the games, the player, what a batch teaches, and how costs are compared."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch

from credit_gym.baselines.studies.headline.__main__ import main
from credit_gym.baselines.studies.headline.headline_games import Game, climbs, household, questions, team
from credit_gym.baselines.studies.headline.headline_study import (
    POINTS,
    cost_of,
    cost_ratio,
    least_good_rate,
    spaced,
)
from credit_gym.baselines.studies.headline.learner import (
    CEILING,
    CLIP,
    DIVERGENCE,
    RECIPES,
    Learner,
    Point,
    clipped_gain,
)
from credit_gym.baselines.studies.headline.player import load, taught
from credit_gym.baselines.studies.headline.walk import walk
from credit_gym.envs.tabular.build import build_model
from credit_gym.envs.tabular.env import TabularEnv
from credit_gym.exact import oracle
from credit_gym.exact.tabular_model import TabularModel

SMALL = Game(build=lambda: climbs(towers=2, floors=2), group_size=8, tokens=200)


@pytest.fixture(scope="module")
def beginner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return taught(SMALL.model, tmp_path_factory.mktemp("player"), steps=5)


@pytest.fixture(scope="module")
def asked() -> tuple[gym.Env[str, str], TabularModel]:
    """A team of two on one problem, and all that can happen in it."""
    env = gym.make("credit/MultiAgentMath-v0", num_problems=1)
    task = walk(
        env,
        0,
        offer=lambda info: info["admissible_actions"],
        shown=lambda _, observation: observation,
        prior=lambda _, messages: [1.0 / len(messages)] * len(messages),
        horizon=2,
    )
    return env, build_model([task])


@given(st.lists(st.integers(0, 3), min_size=2, max_size=2))
def test_a_walked_environment_plays_as_the_one_it_was_walked_in(
    asked: tuple[gym.Env[str, str], TabularModel], choices: list[int]
) -> None:
    real, model = asked
    exact = TabularEnv(model)
    (shown, _), (read, info) = exact.reset(seed=0), real.reset(seed=0, options={"task": 0})
    for choice in choices:
        assert shown == read
        offered = info["admissible_actions"]
        message = offered[choice % len(offered)]
        shown, reward, over, _, told = exact.step(message)
        read, earned, ended, _, info = real.step(message)
        assert (reward, over, told["verifier"]) == (earned, ended, pytest.approx(info["verifier"]))
    assert shown == read
    assert told["success"] == info["success"]


@pytest.mark.slow
def test_notes_of_a_questioner_say_what_was_answered_in_any_order() -> None:
    model = questions()
    task = model.task_names[0]
    ways = [("Is it an animal?", "Is it a shark?"), ("Is it a shark?", "Is it an animal?")]
    texts = set()
    for way in ways:
        env = TabularEnv(model)
        env.reset(seed=0, options={"task": model.task_names.index(task)})
        for message in way:
            shown, *_ = env.step(message)
        texts.add(shown)
    assert len(texts) == 1
    assert texts.pop().count("Is it") == 2


def test_a_climb_takes_a_step_a_floor_and_rarely_succeeds_before_training() -> None:
    model = climbs()
    assert oracle.ceiling(model).min() > 0.99
    assert 0.005 < oracle.behaviour_success(model).mean() < 0.05
    assert (model.signal.max(axis=(1, 2)) > 0).sum() == 6 * 10  # the verifier reads progress once a floor


@pytest.mark.slow
@pytest.mark.parametrize("build", [climbs, household, questions, team])
def test_behaviours_are_distributions_over_the_messages_on_offer(build: object) -> None:
    model = build()  # type: ignore[operator]
    acting = ~model.terminal
    np.testing.assert_allclose(model.behaviour[0][acting].sum(axis=1), 1.0)
    assert not model.behaviour[0][~model.admissible].any()


def test_a_policy_is_a_distribution_over_the_messages_on_offer(beginner: Path) -> None:
    model = SMALL.model
    policy = load(beginner, model).policy()
    np.testing.assert_allclose(policy.sum(axis=1), ~model.terminal)
    assert (policy[model.admissible] > 0.0).all()
    assert not policy[~model.admissible].any()


def test_what_is_said_in_a_state_does_not_depend_on_what_else_is_asked(beginner: Path) -> None:
    model = SMALL.model
    player = load(beginner, model)
    acting = np.flatnonzero(~model.terminal)
    with torch.no_grad():
        together = player.log_policy(acting)
        alone = torch.cat([player.log_policy(acting[[number]]) for number in range(len(acting))])
    np.testing.assert_allclose(together.exp().numpy(), alone.exp().numpy(), atol=1e-5)


@pytest.mark.slow
def test_lessons_bring_the_player_near_the_behaviour(tmp_path: Path) -> None:
    model = SMALL.model
    wanted = model.behaviour[0]
    far, near = (load(taught(model, tmp_path / str(steps), steps=steps), model).policy() for steps in (1, 150))
    assert np.abs(near - wanted).max() < 0.1 < np.abs(far - wanted).max()


@given(st.lists(st.tuples(st.floats(0.01, 4.0), st.floats(-3.0, 3.0)), min_size=1, max_size=8))
def test_moves_weighed_together_gain_what_their_steps_gain_one_by_one(steps: list[tuple[float, float]]) -> None:
    """PPO's equation 7, a step at a time: min(r A, clip(r) A)."""
    ratio, credit = torch.tensor(steps, dtype=torch.float64).T
    each = torch.minimum(ratio * credit, ratio.clamp(1 - CLIP, 1 + CLIP) * credit).sum()
    together = clipped_gain(ratio, credit.clamp_min(0.0), (-credit).clamp_min(0.0))
    assert float(together) == pytest.approx(float(each), abs=1e-9)


def test_a_batch_is_done_with_once_the_policy_has_moved(beginner: Path) -> None:
    quick = Learner(SMALL, RECIPES["grpo"], beginner, rate=3e-3, seed=3)
    before = load(beginner, SMALL.model).policy()
    quick.step()
    after = load(beginner, SMALL.model)
    after.net.load_state_dict(quick.player.net.state_dict())
    moved = np.abs(after.policy() - before).max()
    assert 0.0 < moved < 0.9
    assert 0.0 < DIVERGENCE < CLIP


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES)
def test_a_seed_fixes_a_training(beginner: Path, recipe: str) -> None:
    curves = []
    for _ in range(2):
        learner = Learner(SMALL, RECIPES[recipe], beginner, rate=1e-3, seed=1)
        learner.step()
        curves.append(learner.point())
    assert curves[0] == curves[1]
    assert (curves[0].steps, curves[0].episodes) == (1, 16)
    assert curves[0].tokens >= 16


def test_the_exact_advantage_learns_a_short_climb(beginner: Path) -> None:
    learner = Learner(SMALL, RECIPES[CEILING], beginner, rate=3e-3, seed=1)
    before = learner.point().success
    for _ in range(8):
        learner.step()
    assert learner.point().success > before + 0.2


def test_an_unread_verifier_leaves_the_credit_without_one(beginner: Path) -> None:
    unread = RECIPES["evidence_lambda, verifier unread"]
    mute = replace(SMALL.model, signal=np.zeros_like(SMALL.model.signal), verifier_noise=0.0)
    silent = replace(SMALL, build=lambda: mute)
    learners = [
        Learner(SMALL, unread, beginner, rate=1e-3, seed=2),
        Learner(silent, RECIPES["evidence_lambda"], beginner, rate=1e-3, seed=2),
    ]
    for learner in learners:
        learner.step()
    assert learners[0].point().success == pytest.approx(learners[1].point().success, abs=1e-6)


def curve(*success: float, tokens: int = 100) -> list[Point]:
    return [Point(k, 10 * k, tokens * k, value) for k, value in enumerate(success)]


def test_a_cost_lies_between_the_points_around_it() -> None:
    runs = [curve(0.2, 0.4, 0.8), curve(0.0, 0.4, 0.8)]
    assert cost_of(runs, 0.6, "episodes") == pytest.approx(15.0)
    assert cost_of(runs, 0.6, "tokens") == pytest.approx(150.0)
    assert cost_of(runs, 0.1, "tokens") == 0.0
    assert cost_of(runs, 0.9, "tokens") == math.inf


@pytest.mark.slow
def test_the_ratio_compares_with_what_the_baseline_needs_itself() -> None:
    slow, fast = [curve(0.0, 0.2, 0.4)] * 3, [curve(0.0, 0.4, 0.8)] * 3
    assert cost_ratio(fast, slow, "episodes") == pytest.approx((0.5, 0.5, 0.5))
    assert cost_ratio(slow, fast, "episodes") == (math.inf, math.inf, math.inf)
    assert cost_ratio(slow, slow, "tokens") == pytest.approx((1.0, 1.0, 1.0))
    early = [curve(0.0, 0.4, 0.4)] * 3  # reaches its end half-way: the other half is not counted
    assert cost_ratio(slow, early, "episodes") == pytest.approx((2.0, 2.0, 2.0))


def test_a_curve_is_read_at_even_marks_and_not_beyond_its_budget() -> None:
    points = spaced([Point(0, 0, 0, 0.0), Point(1, 8, 50, 0.5), Point(2, 16, 150, 1.0)], 100)
    assert len(points) == POINTS + 1
    assert points[0] == Point(0.0, 0.0, 0.0, 0.0)
    assert points[POINTS // 2] == Point(1.0, 8.0, 50.0, 0.5)
    assert points[-1] == Point(1.5, 12.0, 100.0, 0.75)


def test_the_least_rate_within_a_tenth_of_the_best_is_taken() -> None:
    assert least_good_rate({1e-3: 0.5, 1e-4: 0.46, 1e-5: 0.44}) == 1e-4
    assert least_good_rate({1e-3: 0.5, 1e-4: 0.44}) == 1e-3


@pytest.mark.slow
def test_the_command_compares_and_keeps_what_it_ran(tmp_path: Path) -> None:
    page, found = tmp_path / "tables.md", tmp_path / "found.json"
    options = {"game": ["Stochastic"], "credit": [CEILING], "rate": [1e-3], "workers": 1, "folder": tmp_path / "runs"}
    main(seeds=2, pilots=1, share=0.05, markdown=page, json=found, plots=tmp_path, **options)
    first = page.read_text()
    assert "grpo" in first
    assert CEILING in first
    assert set(json.loads(found.read_text())["Stochastic"]) == {"pilots", "rates", "curves"}
    assert (tmp_path / "headline_stochastic.png").is_file()
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("*.json")}
    main(seeds=2, pilots=1, share=0.05, markdown=page, json=found, plots=tmp_path, **options)
    assert page.read_text() == first
    assert kept == {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("*.json")}

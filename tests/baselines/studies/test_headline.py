"""The comparison of credits by training: what is learned from, what it costs, and how costs are compared."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from builders.batches import Run, batch_of

from credit_gym.baselines.studies.headline.__main__ import main
from credit_gym.baselines.studies.headline.headline_games import GAMES
from credit_gym.baselines.studies.headline.headline_study import applies, at, cost_of, cost_ratio
from credit_gym.baselines.studies.headline.learner import RECIPES, Learner, Point, Row, weighted_rows
from credit_gym.baselines.studies.headline.lessons import taught
from credit_gym.data.episode import Episode
from credit_gym.scorers import score

MATH = "MultiAgentMath"


def turns(*tokens: tuple[tuple[int, ...], tuple[int, ...]]) -> Episode:
    steps = len(tokens)
    return Episode(
        env_id="credit/Test-v0",
        task_id="t",
        group_id="g",
        episode_id="e",
        seed=0,
        agent_id="a",
        observations=("o",) * (steps + 1),
        state_keys=("s",) * (steps + 1),
        actions=("a",) * steps,
        rewards=(0.0,) * steps,
        success=False,
        terminated=True,
        truncated=False,
        prompt_token_ids=tuple(prompt for prompt, _ in tokens),
        token_ids=tuple(answer for _, answer in tokens),
    )


def test_turns_that_go_on_share_a_text_and_others_do_not() -> None:
    growing = turns(((1, 2), (3,)), ((1, 2, 3, 4), (5, 6)))
    assert weighted_rows([growing], np.array([0.5, -1.0])) == {
        Row((1, 2, 3, 4, 5, 6), (2, 4, 5)): pytest.approx([0.5, -1.0, -1.0])
    }
    fresh = turns(((1, 2), (3,)), ((1, 4), (5, 6)))
    assert weighted_rows([fresh], np.array([0.5, -1.0])) == {
        Row((1, 2, 3), (2,)): pytest.approx([0.5]),
        Row((1, 4, 5, 6), (2, 3)): pytest.approx([-1.0, -1.0]),
    }


def test_equal_texts_are_one_and_those_of_no_weight_none() -> None:
    episode = turns(((1, 2), (3,)), ((1, 4), (5, 6)))
    assert weighted_rows([episode, episode], np.array([0.5, -1.0, 0.25, 1.0])) == {
        Row((1, 2, 3), (2,)): pytest.approx([0.75])
    }


def curve(*success: float, tokens: int = 100) -> list[Point]:
    return [Point(k, 10 * k, tokens * k, value) for k, value in enumerate(success)]


def test_a_cost_lies_between_the_evaluations_around_it() -> None:
    runs = [curve(0.2, 0.4, 0.8), curve(0.0, 0.4, 0.8)]
    assert cost_of(runs, 0.6, "episodes") == pytest.approx(15.0)
    assert cost_of(runs, 0.6, "tokens") == pytest.approx(150.0)
    assert cost_of(runs, 0.1, "tokens") == 0.0
    assert cost_of(runs, 0.9, "tokens") == math.inf
    assert at(runs[0], 50) == pytest.approx(0.3)


def test_the_ratio_compares_with_all_that_the_baseline_spent() -> None:
    slow, fast = [curve(0.0, 0.2, 0.4)] * 3, [curve(0.0, 0.4, 0.8)] * 3
    assert cost_ratio(fast, slow, "episodes") == pytest.approx((0.5, 0.5, 0.5))
    assert cost_ratio(slow, fast, "episodes") == (math.inf, math.inf, math.inf)
    assert cost_ratio(slow, slow, "tokens") == pytest.approx((1.0, 1.0, 1.0))


def test_only_games_with_a_truth_in_words_are_trained_with_beliefs() -> None:
    assert [game for game in GAMES if applies(game, "turn GRPO + delta-belief")] == ["20 Questions"]
    assert all(applies(game, "adaptive_q") for game in GAMES)


def test_optimal_values_pay_a_wasted_turn_by_the_discount_alone() -> None:
    """Why the study discounts more than the scorer's default: waiting is nearly as good as going, where one can go."""
    here, won, lost, wait, go, die = 0, 1, 2, 0, 1, 2
    runs = [
        *[Run([here, here, won], [wait, go], success=True)] * 4,
        *[Run([here, won], [go], success=True)] * 4,
        *[Run([here, lost], [die], success=False)] * 4,
    ]
    batch = batch_of(runs, verifier=[0.0] * 16)
    loose, tight = (score(batch, "adaptive_q", discount=discount)[batch.action == wait][0] for discount in (0.98, 0.5))
    assert loose > 0.0
    assert tight < loose


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("headline")
    for game in GAMES:
        taught(replace(GAMES[game], lessons=4), folder / "taught" / f"{game.replace(' ', '-')}-0")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(("game", "recipe"), [(g, r) for g in GAMES for r in RECIPES if applies(g, r)])
def test_every_credit_takes_a_step_on_every_environment(models: Path, game: str, recipe: str) -> None:
    folder = models / "taught" / f"{game.replace(' ', '-')}-0"
    small = replace(GAMES[game], groups=1, group_size=4)
    learner = Learner(small, RECIPES[recipe], folder, rate=1e-3, seed=1)
    learner.step()
    again = Learner(small, RECIPES[recipe], folder, rate=1e-3, seed=1)
    again.step()
    assert (learner.steps, learner.episodes, learner.tokens) == (1, again.episodes, again.tokens)
    assert learner.episodes >= 2
    assert learner.tokens > 0
    assert learner.point(8) == again.point(8)


@pytest.mark.slow
def test_a_tree_pays_for_every_play_once(models: Path) -> None:
    folder = models / "taught" / f"{MATH}-0"
    game = replace(GAMES[MATH], groups=1)
    tree = Learner(game, RECIPES["C3"], folder, rate=1e-3, seed=1)
    tree.step()
    flat = Learner(game, RECIPES["GiGPO"], folder, rate=1e-3, seed=1)
    flat.step()
    assert tree.episodes == flat.episodes == 16
    assert tree.tokens < 0.8 * flat.tokens  # 4 first messages instead of 16


@pytest.mark.slow
def test_the_command_compares_and_keeps_what_it_ran(models: Path, tmp_path: Path) -> None:
    page = tmp_path / "tables.md"
    options = {"game": [MATH], "credit": ["C3"], "workers": 1, "folder": models, "plots": tmp_path}
    main(seeds=2, share=0.02, markdown=page, **options)
    first = page.read_text()
    assert "outcome-only GRPO" in first
    assert "C3" in first
    assert (tmp_path / "headline_multiagentmath.png").is_file()
    main(seeds=2, share=0.02, markdown=page, **options)
    assert page.read_text() == first

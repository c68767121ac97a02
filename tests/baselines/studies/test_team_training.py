"""The team game, its exact advantages, and training with counterfactual credit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from credit_gym.baselines.studies.team_training.team_game import (
    FAN_OUT,
    LEAVES,
    MESSAGES,
    PROBLEMS,
    ROLES,
    Policy,
    advantages,
    make_game,
    play,
    points,
    values,
)

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from credit_gym.baselines.studies.team_training import team_model as model  # noqa: E402
from credit_gym.baselines.studies.team_training import team_policy_gradient as training  # noqa: E402
from credit_gym.baselines.studies.team_training import team_study as study  # noqa: E402
from credit_gym.estimation.siblings import context_mean, siblings  # noqa: E402


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def spoken() -> list[torch.Tensor]:
    with torch.no_grad():
        return model.speak(model.make_team(0))


def some_policy(seed: int) -> Policy:
    generator = np.random.default_rng(seed)
    shapes = [(PROBLEMS, *[MESSAGES] * (k + 1)) for k in range(ROLES)]
    tables = [generator.random(shape) for shape in shapes]
    return Policy(*(table / table.sum(axis=-1, keepdims=True) for table in tables))


def test_values_agree_with_the_sum_over_all_transcripts() -> None:
    game, policy = make_game(3), some_policy(0)
    joint = policy.plan[:, :, None, None] * policy.check[..., None] * policy.answer
    np.testing.assert_allclose(values(game, policy).start, (joint * game).sum(axis=(1, 2, 3)))
    assert game.min() >= 0.05
    assert game.max() <= 0.95 + 1e-12


def test_advantages_of_a_transcript_add_up_to_its_success_minus_the_start() -> None:
    game, policy = make_game(3), some_policy(1)
    said = play(policy, np.random.default_rng(0), fan_out=FAN_OUT)
    exact = values(game, policy)
    total = advantages(exact, said).sum(axis=1)
    np.testing.assert_allclose(total, game[tuple(said.T)] - exact.start[said[:, 0]])


def test_half_of_the_problems_have_a_checker_that_nobody_hears() -> None:
    exact = make_game(0)
    heard = np.ptp(exact, axis=2).max(axis=(1, 2)) > 0
    assert heard.sum() == PROBLEMS // 2


def test_play_draws_messages_as_often_as_the_policy_says() -> None:
    policy = some_policy(2)
    said = play(policy, np.random.default_rng(0), fan_out=(4000, 1, 1))
    plans = np.bincount(said[:, 0] * MESSAGES + said[:, 1]).reshape(PROBLEMS, MESSAGES) / 4000
    np.testing.assert_allclose(plans, policy.plan, atol=0.04)


def test_leaves_of_one_point_share_what_was_said_before_it() -> None:
    said = play(some_policy(0), np.random.default_rng(1), fan_out=FAN_OUT).reshape(PROBLEMS, LEAVES, 1 + ROLES)
    parent = points(FAN_OUT)
    for role in range(ROLES):
        for point in np.unique(parent[:, role]):
            prefix = said[:, parent[:, role] == point, : 1 + role]
            assert (prefix == prefix[:, :1]).all()


def test_a_tree_costs_the_calls_of_one_flat_recipe_and_the_messages_of_the_other() -> None:
    tree = training.RECIPES["c3"]
    assert tree.calls == training.RECIPES["magrpo, same calls"].calls == PROBLEMS * LEAVES
    assert tree.messages == training.RECIPES["magrpo, same tokens"].messages == PROBLEMS * 18


def test_what_the_team_says_depends_on_what_was_said_before_alone(spoken: list[torch.Tensor]) -> None:
    team = model.make_team(0)
    problem, plan = 3, 2
    ids = [model.FIRST_PROBLEM + problem, model.FIRST_ROLE, model.FIRST_MESSAGE + plan, model.FIRST_ROLE + 1]
    with torch.no_grad():
        logits = team(input_ids=torch.tensor([ids])).logits[0]
    for table, at in ((spoken[0][problem], 1), (spoken[1][problem, plan], 3)):
        own = logits[at, model.FIRST_MESSAGE : model.FIRST_MESSAGE + MESSAGES].log_softmax(0)
        torch.testing.assert_close(table, own, atol=1e-4, rtol=1e-4)


def test_batch_tree_has_the_plays_and_c3_averages_to_zero_over_siblings(spoken: list[torch.Tensor]) -> None:
    recipe = training.RECIPES["c3"]
    batch, _ = training.sample(make_game(0), spoken, recipe, training.Critic(), np.random.default_rng(0))
    tree = siblings(batch)
    assert tree.plays == recipe.messages
    assert tree.contexts == PROBLEMS * (1 + 2 + 4)
    assert recipe.credit is not None
    credit = recipe.credit(batch)
    assert np.abs(credit).max() > 0
    np.testing.assert_allclose(context_mean(credit, tree), 0.0, atol=1e-12)


def test_c3_is_unbiased_for_the_exact_advantage(spoken: list[torch.Tensor]) -> None:
    game, recipe, seen = make_game(0), training.RECIPES["c3"], []
    assert recipe.credit is not None
    for seed in range(150):
        batch, _ = training.sample(game, spoken, recipe, training.Critic(), np.random.default_rng(seed))
        credit, exact = recipe.credit(batch), batch.require("advantage")
        share = siblings(batch).share
        seen.append([(share * credit * exact).sum(), (share * exact * exact).sum()])
    product, square = np.array(seen).T
    slope = product.sum() / square.sum()
    error = np.std(product - slope * square) * np.sqrt(len(seen)) / square.sum()
    assert abs(slope - 1.0) < 4.0 * error
    assert error < 0.2


def test_critic_learns_the_mean_return_of_every_prefix() -> None:
    critic, policy = training.Critic(), some_policy(3)
    exact, game = values(make_game(1), policy), make_game(1)
    generator = np.random.default_rng(0)
    for _ in range(60):
        said = play(policy, generator, fan_out=(200, 1, 1))
        critic.learn(said, (generator.random(len(said)) < game[tuple(said.T)]).astype(np.float64))
    every = np.arange(PROBLEMS)
    said = np.stack([every, every % MESSAGES, every % MESSAGES, every % MESSAGES], axis=1)
    np.testing.assert_allclose(critic.values(said)[:, 0], exact.start, atol=0.05)
    np.testing.assert_allclose(critic.values(said)[:, 1], exact.planned[tuple(said[:, :2].T)], atol=0.1)


@pytest.mark.parametrize("name", training.RECIPES)
def test_a_step_of_every_recipe_but_the_frozen_one_moves_the_weights(name: str) -> None:
    run = training.start(0)
    before = [weight.detach().clone() for weight in run.policy.parameters()]
    training.train(run, make_game(0), training.RECIPES[name], steps=1, seed=0)
    moved = any(not torch.equal(a, b) for a, b in zip(before, run.policy.parameters(), strict=True))
    assert moved == (name != "frozen")


def test_training_in_two_parts_is_training_in_one() -> None:
    game, recipe = make_game(0), training.RECIPES["mappo, same tokens"]
    whole, parts = training.start(1), training.start(1)
    training.train(whole, game, recipe, steps=4, seed=1, evaluate_at=(0, 4))
    training.train(parts, game, recipe, steps=2, seed=1, evaluate_at=(0, 4))
    training.train(parts, game, recipe, steps=4, seed=1, evaluate_at=(0, 4))
    assert whole.curve == parts.curve
    for a, b in zip(whole.policy.parameters(), parts.policy.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.slow
def test_study_keeps_its_runs_and_c3_learns(tmp_path: Path) -> None:
    ended: list[int] = []

    def run() -> dict[str, list[list[training.Point]]]:
        return study.run_study(["frozen", "c3"], tmp_path, steps=40, seeds=1, workers=1, on_run=lambda: ended.append(1))

    first = run()
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.json")}
    assert run() == first
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.json")} == kept
    assert len(ended) == 4
    assert first["c3"][0][-1].success > first["frozen"][0][-1].success + 0.1
    assert study.fidelity(training.RECIPES["c3"], 0)[0] > 0.1

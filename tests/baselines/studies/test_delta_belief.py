"""The guessing game, its player, and training with belief credit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_gym.baselines.studies.delta_belief.guessing_game import (
    ASK,
    ELICIT,
    FIRST_ENTITY,
    GUESS,
    HUH,
    LENGTH,
    TURNS,
    WIN,
    make_table,
    random_games,
)
from credit_gym.errors import CreditGymError
from credit_gym.scorers import score

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from credit_gym.baselines.studies.delta_belief import guessing_best_of as best_of  # noqa: E402
from credit_gym.baselines.studies.delta_belief import guessing_model as model  # noqa: E402
from credit_gym.baselines.studies.delta_belief import guessing_pairs as pairs  # noqa: E402
from credit_gym.baselines.studies.delta_belief import guessing_study as study  # noqa: E402
from credit_gym.baselines.studies.delta_belief import guessing_training as training  # noqa: E402

TABLE = make_table()


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def player() -> object:
    """A small player that has seen the rules, no more."""
    small = model.make_model(0, hidden=32, layers=2)
    model.teach(small, TABLE, steps=40, seed=0, batch=64)
    return small


@pytest.fixture(scope="module")
def games(player: object) -> model.Games:
    return model.play(player, TABLE, np.repeat(np.arange(8), 4), 3)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_random_games_are_legal_and_their_posterior_never_loses_the_truth(seed: int) -> None:
    tokens, secret, turns = random_games(TABLE, 16, np.random.default_rng(seed))
    posterior = TABLE.log_posterior(tokens, secret)
    assert np.isfinite(posterior).all()
    assert (np.diff(posterior, axis=1) >= 0).all()
    for row, own, length in zip(tokens, secret, turns, strict=True):
        moves = row[1 : 1 + 3 * length].reshape(-1, 3)
        assert moves[:-1, 0].tolist() == [ASK] * (length - 1)
        assert moves[-1, 0] == GUESS
        assert len(set(moves[:-1, 1])) == length - 1
        assert (moves[-1, 2] == WIN) == (moves[-1, 1] == FIRST_ENTITY + own)
        assert not row[1 + 3 * length :].any()


def test_the_posterior_counts_the_entities_that_fit() -> None:
    tokens, secret, _ = random_games(TABLE, 50, np.random.default_rng(1))
    posterior = TABLE.log_posterior(tokens, secret)
    for row, own, logs in zip(tokens, secret, posterior, strict=True):
        asked = row[2] - 9
        fits = (TABLE.has[:, asked] == TABLE.has[own, asked]).sum()
        assert logs[1] == pytest.approx(-np.log(fits))


def test_nonsense_is_answered_huh() -> None:
    answers = TABLE.answer(np.array([ASK, GUESS, 0]), np.array([FIRST_ENTITY, 9, 9]), np.zeros(3, dtype=np.int64))
    assert answers.reply.tolist() == [HUH] * 3
    assert not answers.legal.any()


@pytest.mark.slow
def test_one_pass_reads_what_separate_passes_read(player: object, games: model.Games) -> None:
    reading = model.read(player, games.tokens[:4])
    with torch.no_grad():
        for turn in range(TURNS + 1):
            prefix = np.concatenate([games.tokens[:4, : 1 + 3 * turn], np.full((4, 1), ELICIT)], axis=1)
            alone = torch.log_softmax(player(input_ids=torch.as_tensor(prefix)).logits[:, -1], dim=-1)[:, FIRST_ENTITY:]
            torch.testing.assert_close(reading.log_belief[:, turn], alone, atol=1e-4, rtol=0)
        moves = torch.log_softmax(player(input_ids=torch.as_tensor(games.tokens[:4])).logits, dim=-1)
        for turn in range(TURNS):
            for part in (0, 1):
                place = 3 * turn + part
                chosen = moves[torch.arange(4), place, torch.as_tensor(games.tokens[:4, place + 1])]
                torch.testing.assert_close(reading.logprob[:, turn, part], chosen, atol=1e-4, rtol=0)


@pytest.mark.slow
def test_play_is_fixed_by_its_seed_and_by_nothing_else(player: object, games: model.Games) -> None:
    again = model.play(player, TABLE, np.repeat(np.arange(8), 4), 3)
    assert all(np.array_equal(a, b) for a, b in zip(games, again, strict=True))
    assert (games.won <= games.guessed).all()
    assert games.tokens.shape == (32, LENGTH)


def test_the_batch_has_the_beliefs_of_the_game_but_not_what_the_reply_to_a_guess_gives_away(
    player: object, games: model.Games
) -> None:
    with torch.no_grad():
        beliefs = model.read(player, games.tokens).log_belief.double().numpy()
    batch = training.as_batch(games, beliefs)
    assert batch.lengths.tolist() == games.turns.tolist()
    assert batch.episode_return.tolist() == games.won.astype(float).tolist()
    for e in range(batch.num_episodes):
        points = batch.log_belief[batch.offsets[e] + e : batch.offsets[e + 1] + e + 1]
        own = beliefs[e, : games.turns[e] + 1, games.secret[e]]
        kept = len(points) - int(games.guessed[e])
        np.testing.assert_allclose(points[:kept], own[:kept])
        assert np.isnan(points[kept:]).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", training.RECIPES)
def test_every_recipe_takes_a_step_and_a_kept_run_goes_on_as_if_it_had_not_stopped(
    name: str, player: object, tmp_path: Path
) -> None:
    recipe, games = training.RECIPES[name], training.GAMES
    whole = training.start(player)
    training.train(whole, player, TABLE, recipe, games=2 * games, seed=5)
    first = training.start(player)
    training.train(first, player, TABLE, recipe, games=games, seed=5)
    training.save(first, tmp_path / "run")
    second = training.load(tmp_path / "run")
    training.train(second, player, TABLE, recipe, games=2 * games, seed=5)
    for a, b, c in zip(whole.policy.parameters(), second.policy.parameters(), player.parameters(), strict=True):
        assert torch.equal(a, b)
        assert not torch.equal(a, c)


def test_a_damaged_run_is_refused_by_name(player: object, tmp_path: Path) -> None:
    training.save(training.start(player), tmp_path / "run")
    (tmp_path / "run" / "optimizer.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(CreditGymError, match=r"run is not a run that can go on"):
        training.load(tmp_path / "run")


@pytest.mark.slow
def test_best_of_one_is_plain_play_and_more_candidates_do_not_hurt(player: object) -> None:
    one, many = (best_of.success(player, TABLE, n, repeats=2)[0] for n in (1, 6))
    assert many >= one - 0.05


def test_pairs_carry_every_token_column_and_a_policy_has_no_advantage_over_itself(player: object) -> None:
    batch = pairs.on_policy(player, player, TABLE, repeats=1, seed=0)
    assert not score(batch, "progress_advantage").any()
    assert not batch.policy_kl.any()
    assert (batch.policy_entropy >= 0).all()
    other = model.make_model(7, hidden=32, layers=2)
    mixed = pairs.mixed(player, other, TABLE, repeats=1, seed=0)
    assert (mixed.policy_kl >= -1e-6).all()
    ids = score(mixed, "policy_logprob", tokens="sum")
    assert ids.shape == (mixed.num_steps,)


def test_belief_gain_of_the_exact_posterior_is_the_information_gain(player: object) -> None:
    found = study.gain_correlation(player, TABLE, repeats=4)
    assert found["exact posterior"] == pytest.approx((1.0, 1.0, 1.0))
    assert -1.0 <= found["model"][1] <= found["model"][0] <= found["model"][2] <= 1.0


@pytest.mark.slow
def test_the_study_runs_and_goes_on_from_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "CHECKPOINTS", (512, 1_024))
    plan = study.Plan({"trajectory": 512}, {"trajectory": 1}, teaching=10)
    ended = []
    first = study.run_study(plan, tmp_path, workers=1, on_run=lambda *run: ended.append(run))
    assert ended == [("trajectory", 0)]
    assert study.run_study(plan, tmp_path, workers=1) == first
    longer = study.run_study(plan._replace(games={"trajectory": 1_024}), tmp_path, workers=1)
    assert longer["trajectory"][0][:1] == first["trajectory"][0]
    assert [point.games for point in longer["trajectory"][0]] == [512, 1_024]


def test_belief_grows_from_the_prior_by_turns_that_were_reached(player: object) -> None:
    found = study.belief_growth(player, TABLE, player, repeats=4)
    for turns, mean, spread in found.values():
        assert turns.tolist() == list(range(len(turns)))
        assert mean.shape == spread.shape == turns.shape
        assert np.isfinite(mean).all()
    first = [mean[0] for turns, mean, _ in found.values() if turns.size]
    assert all(value < -1.0 for value in first)

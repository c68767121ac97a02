"""Best of eight games of Sokoban: its rows stand where they must, and models that learned for seconds fill it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders.episodes import walk

from credit_gym.baselines.protocol.sokoban_pair import Effort
from credit_gym.baselines.protocol.trajectory_scores import trajectory_scores
from credit_gym.baselines.tables import sokoban
from credit_gym.baselines.tables.sokoban import PRIMARY, STEPS, TOKENS, advantages, majority, rivals
from credit_gym.baselines.tables.test_time_scaling import pool, selections
from credit_gym.data.batch import EpisodeBatch
from credit_gym.errors import CreditGymError


def test_the_grid_has_every_published_key_and_aggregates_the_ratio() -> None:
    own = ((-1.0, -3.0), (-2.0,), (-1.0, -2.0))
    episode = walk("0-0", policy_logprobs=own, reference_logprobs=((-2.0, -6.0), (-1.0,), (-2.0, -2.0)))
    found = advantages(EpisodeBatch.from_episodes([episode]))
    assert set(found) == {f"pa_{tokens}_{steps}" for tokens in TOKENS for steps in STEPS}
    ratio = [[1.0, 3.0], [-1.0], [1.0, 0.0]]
    of = {"mean": np.mean, "min": min, "max": max, "last": lambda values: values[-1]}
    for tokens in TOKENS:
        for steps in STEPS:
            assert found[f"pa_{tokens}_{steps}"][0] == pytest.approx(of[steps]([of[tokens](step) for step in ratio]))


def test_a_majority_is_counted_within_a_room() -> None:
    moves = ("xyz", "xyz", "xyy", "xyz", "zzz", "xzz")
    games = [
        replace(walk(str(number)), actions=tuple(made), task_id="aaabbb"[number]) for number, made in enumerate(moves)
    ]
    assert majority(EpisodeBatch.from_episodes(games)).tolist() == [2, 2, 1, 1, 1, 1]


def test_oracle_is_above_every_score_and_an_even_score_is_chance() -> None:
    generator = np.random.default_rng(0)

    def drawn() -> tuple[tuple[float, float], ...]:
        return tuple((-a, -b) for a, b in generator.random((3, 2)))

    games = [
        replace(
            walk(f"{room}-{number}", policy_logprobs=drawn(), reference_logprobs=drawn()),
            task_id=str(room),
            success=bool(generator.random() < 0.4),
        )
        for room in range(12)
        for number in range(8)
    ]
    batch = EpisodeBatch.from_episodes(games)
    scores = {**advantages(batch), **rivals(batch), "even": np.zeros(batch.num_episodes)}
    found = {name: pool(parts) for name, parts in selections([(batch, scores)]).items()}
    for name, selection in found.items():
        assert (selection.chosen <= selection.oracle + 1e-12).all(), name
        np.testing.assert_array_equal(selection.chance, found["even"].chance)
    np.testing.assert_allclose(found["even"].chosen[:, -1], found["even"].chance)
    np.testing.assert_allclose(advantages(batch)[PRIMARY], trajectory_scores(batch)["progress_advantage"])


def test_a_results_file_needs_both_models() -> None:
    with pytest.raises(CreditGymError, match="--sims, --policy and --reference together"):
        sokoban.main(sims=Path("x.json"), policy="hf:x")


@pytest.mark.slow
def test_quick_models_fill_every_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sokoban, "_QUICK", Effort(rooms=100, steps=60, further=5, batch_size=16))
    sokoban.main(quick=True, models=tmp_path, json=tmp_path / "out.json", markdown=tmp_path / "out.md")
    found = json.loads((tmp_path / "out.json").read_text())["results"]
    assert found["candidates_per_task"] == 8
    rates = {name: each["bon_success_rate"] for name, each in found["scores"].items()}
    assert max(found["pass_at_1_mean_of_n"], *rates.values()) <= found["pass_at_n_oracle"] + 1e-12
    assert {f"pa_{tokens}_{steps}" for tokens in TOKENS for steps in STEPS} < rates.keys()
    for method in sokoban.METHODS:
        assert found["merged"][method].keys() == {"0.00", "0.50"}
        assert found["merged"][method]["0.00"]["bon_success_rate"] == rates[PRIMARY]
    for title in ("Sokoban, best of 8: 6 rooms", "tokens by steps", "merged references"):
        assert title in (tmp_path / "out.md").read_text()

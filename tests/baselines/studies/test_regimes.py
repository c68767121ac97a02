"""The map of regimes: climbs solved as often as they say, races within a trust region, numbers fixed by their seeds."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from credit_gym.baselines.studies.regimes import race as races
from credit_gym.baselines.studies.regimes.map_points import AXES, read_points
from credit_gym.baselines.studies.regimes.race import EXACT_ROW, TRUST_REGION, Field, needed, race
from credit_gym.baselines.studies.regimes.regime import Regime, regime_model, seen, tile
from credit_gym.baselines.studies.regimes.regimes_study import run_map, run_point
from credit_gym.data.recurrence import recurrence
from credit_gym.envs.tabular.sample import sample_batch
from credit_gym.errors import ManifestError, UnknownNameError
from credit_gym.exact import oracle

HARD = Regime(name="hard", floors=5, horizon=14, fatal=True, back=True, detour=True, locked=True, success=0.05, tasks=3)
STRUCTURES = [HARD, *(replace(point, tasks=2) for name in ("success", "structure") for point in AXES[name])]


@pytest.mark.parametrize("regime", STRUCTURES, ids=lambda regime: regime.name)
def test_the_behaviour_solves_each_task_as_often_as_the_regime_says(regime: Regime) -> None:
    model = regime_model(regime, range(2))
    solved = oracle.success_probability(model, model.behaviour[0])
    np.testing.assert_allclose(solved, regime.success, atol=1e-3)
    assert solved.size == 2 * regime.tasks
    assert set(model.horizon) == {regime.steps}


def test_copies_side_by_side_are_as_one_alone() -> None:
    model = regime_model(HARD, range(1))
    three = tile(model, 3)
    for values in (lambda m: oracle.success_probability(m, m.behaviour[0]), oracle.ceiling):
        np.testing.assert_array_equal(values(three), np.tile(values(model), 3))
    names = [three.task_names[copy * model.num_tasks + task] for copy in range(3) for task in range(model.num_tasks)]
    assert names == [f"{copy}: {name}" for copy in range(3) for name in model.task_names]
    assert len(set(three.task_names)) == 3 * model.num_tasks
    alone, together = (
        sample_batch(m, episodes_per_task=64, seed=5, policy=m.behaviour[0], task_indices=np.arange(model.num_tasks))
        for m in (model, three)
    )
    for column in ("state", "next_state", "action", "reward", "verifier", "success", "offsets"):
        np.testing.assert_array_equal(getattr(together, column), getattr(alone, column))
    last = sample_batch(
        three,
        episodes_per_task=64,
        seed=5,
        policy=three.behaviour[0],
        task_indices=2 * model.num_tasks + alone.task[:1],
    )
    assert set(last.state // model.num_states) == {2}


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_a_hidden_state_is_one_that_nobody_else_was_in_and_the_others_stay(share: float) -> None:
    regime = Regime(name="x", recurrence=share, verifier="aligned", tasks=4)
    model = regime_model(regime, range(1))
    batch = sample_batch(model, episodes_per_task=64, seed=1, policy=model.behaviour[0])
    shown = seen(batch, regime, 2)
    hidden = shown.state != batch.state
    assert hidden.mean() == pytest.approx(1 - share, abs=0.02)
    kept, times = np.unique(shown.state[hidden], return_counts=True)
    assert set(times) <= {1}
    assert not set(kept) & set(batch.state)
    assert recurrence(shown) == pytest.approx(share * recurrence(batch), abs=0.02)
    inner = ~shown.is_last
    np.testing.assert_array_equal(shown.next_state[inner], shown.state[np.flatnonzero(inner) + 1])
    for column in ("action", "reward", "group", "verifier"):
        np.testing.assert_array_equal(getattr(shown, column), getattr(batch, column))
    assert seen(batch, replace(regime, verifier="none"), 2).verifier is None


def field(regime: Regime, rates: list[float]) -> Field:
    model = regime_model(regime, range(1))
    learners = np.arange(len(rates))
    return Field(
        model=tile(model, len(rates)),
        regime=regime,
        learner=np.repeat(learners, regime.tasks),
        rate=np.array(rates),
        target=np.full(len(rates), 0.99),
        seed=3,
    )


def test_no_update_leaves_the_trust_region_and_a_large_step_goes_to_its_edge(monkeypatch: pytest.MonkeyPatch) -> None:
    entrants = field(Regime(name="x", floors=4, tasks=2, success=0.2), [0.01, 1e4])
    owner, played = entrants.learner[entrants.model.task], []

    def noting(model: Any, *, policy: Any, **options: Any) -> Any:
        batch = sample_batch(model, policy=policy, **options)
        played.append((policy, np.bincount(batch.state, minlength=len(policy))))
        return batch

    monkeypatch.setattr(races, "sample_batch", noting)
    race(entrants, "grpo", iterations=6)
    moved = []
    for (before, visits), (after, _) in pairwise(played):
        ratio = np.log(np.maximum(before, 1e-300)) - np.log(np.maximum(after, 1e-300))
        divergence = visits * np.where(entrants.model.admissible, before * ratio, 0.0).sum(axis=1)
        moved.append([divergence[owner == one].sum() / max(visits[owner == one].sum(), 1) for one in (0, 1)])
    small, large = np.array(moved).T
    assert len(moved) >= 3
    assert large.max() <= 1.02 * TRUST_REGION
    assert large[0] > 0.5 * TRUST_REGION
    assert 0 < small.max() < 0.1 * TRUST_REGION


def test_what_is_needed_is_read_between_updates() -> None:
    """0.8 lies halfway from 0.6 (after one update) to 1.0 (after two); 0.5 was there at first; 0.9 is never reached."""
    curve = np.array([[0.2, 0.6, 0.1, 0.0], [0.6, 0.6, 0.3, 0.5], [1.0, 0.6, 0.8, 0.2]])
    found = needed(curve, np.array([0.8, 0.5, 0.9, 0.5]))
    np.testing.assert_allclose(found, [1.5, 0.0, np.inf, 1.0])


def test_the_exact_advantage_needs_fewer_episodes_than_outcomes() -> None:
    found = run_point(Regime(name="x", floors=6, tasks=4), (EXACT_ROW, "grpo"), seeds=3, pilots=2)
    episodes = {name: np.array(row["episodes"], dtype=float) for name, row in found["scorers"].items()}
    assert np.isfinite(episodes[EXACT_ROW]).all()
    assert 1.5 * episodes[EXACT_ROW].mean() < np.nan_to_num(episodes["grpo"], nan=8 * 40).mean()


def test_a_scorer_without_its_column_is_left_out() -> None:
    found = run_point(Regime(name="x", floors=2, tasks=2), ("grpo", "branch_aware"), seeds=1, pilots=1)
    assert set(found["scorers"]) == {"grpo"}


@pytest.mark.slow
def test_results_do_not_depend_on_the_number_of_processes() -> None:
    points = [Regime(name="a", floors=3, tasks=2), Regime(name="b", floors=3, tasks=2, verifier="noisy")]
    one, two = (run_map(points, ("grpo", "evidence_lambda"), seeds=2, pilots=1, workers=n) for n in (1, 2))
    assert one == two
    assert [record["regime"]["name"] for record in one] == ["a", "b"]
    assert run_map(points[1:], ("grpo", "evidence_lambda"), seeds=2, pilots=1, workers=1) == one[1:]


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ({"floors": "8"}, "floors must be a whole number, not '8'."),
        ({"floors": 8.0}, "floors must be a whole number, not 8.0."),
        ({"tasks": True}, "tasks must be a whole number, not True."),
        ({"success": "x"}, "success must be a number, not 'x'."),
        ({"success": None}, "success must be a number, not None."),
        ({"success": True}, "success must be a number, not True."),
        ({"fatal": "no"}, "fatal must be true or false, not 'no'."),
        ({"fatal": 1}, "fatal must be true or false, not 1."),
        ({"name": 7}, "name must be text, not 7."),
        ({"verifier": ["aligned"]}, "verifier must be the name of a verifier, not ['aligned']."),
        ({"success": 1.0}, "success, recurrence and slip are probabilities"),
        ({"success": float("nan")}, "success, recurrence and slip are probabilities"),
        ({"recurrence": -0.1}, "success, recurrence and slip are probabilities"),
        ({"slip": 1}, "success, recurrence and slip are probabilities"),
        ({"floors": 0}, "floors, group_size, tasks and idle must be at least 1"),
        ({"horizon": -1}, "must be at least 1"),
    ],
)
def test_a_value_that_does_not_fit_is_one_sentence(entry: dict[str, Any], sentence: str) -> None:
    for make in (lambda: Regime(**{"name": "mine", **entry}), lambda: Regime.parse({"name": "mine", **entry})):
        with pytest.raises(ManifestError) as raised:
            make()
        assert sentence in str(raised.value)
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ({"name": "x", "flors": 8}, "no attribute of a regime called 'flors'; did you mean floors?"),
        ({"name": "x", 7: 8}, "no attribute of a regime called '7'"),
        ({"name": "x", "verifier": "alined"}, "no verifier of a regime called 'alined'; did you mean aligned"),
        ({"floors": 8}, "A regime must have a name"),
    ],
)
def test_an_attribute_that_does_not_exist_is_refused_by_name(entry: dict[Any, Any], sentence: str) -> None:
    with pytest.raises((ManifestError, UnknownNameError)) as raised:
        Regime.parse(entry)
    assert sentence in str(raised.value)


def test_points_of_ones_own_are_read_from_a_file(tmp_path: Path) -> None:
    regime = Regime(name="mine", floors=3, verifier="idling", exact=True, slip=0.25)
    (tmp_path / "own.yaml").write_text("- {name: mine, floors: 3, verifier: idling, exact: true, slip: 0.25}\n")
    assert read_points(tmp_path / "own.yaml") == {"own": (regime,)}
    assert Regime.parse(regime.as_mapping()) == regime
    for text in ("", "floors: 3", "- 3", "[", "- {name: x, floors: many}"):
        (tmp_path / "bad.yaml").write_text(text)
        with pytest.raises(ManifestError):
            read_points(tmp_path / "bad.yaml")
    with pytest.raises(ManifestError):
        read_points(tmp_path / "none.yaml")

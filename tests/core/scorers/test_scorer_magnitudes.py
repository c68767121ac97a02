"""No magnitude of rewards is silently wrong: credits scale as they should, or the error names the step."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from builders.batches import Run, batch_of, batches
from builders.episodes import walk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from credit_gym import scorers
from credit_gym.credit.assign import build_targets
from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import group_power, group_std
from credit_gym.errors import ReadingError
from credit_gym.estimation.normalise import standardise, standardise_upstream
from credit_gym.scorers import score

EPSILON = {"mode": "upstream"}  # has an epsilon in the unit of the rewards
STANDARD = [  # scorers whose credits have no unit, so that any scale of the rewards leaves them as they are
    ("grpo", {}),
    ("gigpo", {}),
    ("hgpo", {}),
    ("gagpo", {}),
    ("starpo", {}),
    ("salt", {}),
    ("ecpo", {}),
    ("ecpo", {}),
    ("turn_grpo", {"win": 0.0}),
    ("turn_grpo", {"win": 0.0, "baseline_mask": "active_only"}),
    ("hcapo", {}),
    ("c3", {"scale": "context"}),
    ("c3", {"scale": "shrunk"}),
    ("counterfactual", {}),
    ("magrpo", {"scale": "group"}),
    ("magrpo", {"scale": "role"}),
    ("vine", {"scale": "batch"}),
    ("tempo", {}),
    ("at2po", {}),
    ("at2po", {"backup": "leaves", "against": "both"}),
    ("tree_grpo", {}),
    ("role_shapley", {"scale": "group"}),
]
LINEAR = [
    *(("grpo", {"scale": False}), ("rloo", {}), ("gigpo", {"scale": False}), ("outcome_only", {}), ("gae", {})),
    *(("td_error", {}), ("mc", {}), ("rudder", {}), ("spa", {}), ("hca", {}), ("c3", {}), ("vine", {}), ("magrpo", {})),
    *(("role_shapley", {}), ("turn_grpo", {"win": 0.0, "scale": False})),
    *(("ecpo", {"scale": False}), ("rtmc", {}), ("hiper", {})),
    *(("ecpo", {"scale": False}), ("rtmc", {}), ("hiper", {})),
    *(("tempo", {"scale": False}), ("at2po", {"scale": False}), ("tree_grpo", {"scale": False})),
    ("turn_grpo", {"win": 0.0, "scale": False, "baseline_mask": "zero_fill"}),
]
quick = settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
powers = st.integers(-900, 900)


def named(cases: list[tuple[str, dict[str, Any]]]) -> Any:
    ids = [f"{name}-{'-'.join(map(str, options.values()))}" for name, options in cases]
    return pytest.mark.parametrize(("name", "options"), cases, ids=ids)


def scaled(batch: EpisodeBatch, factor: float) -> EpisodeBatch:
    return replace(batch, reward=batch.reward * factor)


@pytest.mark.slow
@named(STANDARD)
@quick
@given(batch=batches(require={"parent", "role"}), power=powers)
def test_a_standard_score_has_no_unit(name: str, options: dict[str, Any], batch: EpisodeBatch, power: int) -> None:
    """To the last bit, because a power of two changes no digit."""
    small = replace(batch, value=None)
    np.testing.assert_array_equal(
        score(scaled(small, 2.0**power), name, **options), score(small, name, **options), strict=True
    )


@pytest.mark.slow
@named(LINEAR)
@quick
@given(batch=batches(require={"parent", "role"}), power=st.integers(-900, 900))
def test_a_credit_in_reward_units_scales_with_the_rewards(
    name: str, options: dict[str, Any], batch: EpisodeBatch, power: int
) -> None:
    small = replace(batch, value=None)
    expected = score(small, name, **options) * 2.0**power
    np.testing.assert_allclose(score(scaled(small, 2.0**power), name, **options), expected, rtol=1e-6, atol=0.0)


EXTREMES = (1e154, -1e155, 1e200, 1.7e308, -1.7e308, 5e-324)
huge = st.floats(-1.7e308, 1.7e308, allow_nan=False) | st.sampled_from(EXTREMES)


@pytest.mark.slow
@pytest.mark.parametrize("name", scorers.names())
@settings(max_examples=10, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_reward_gives_finite_credits_or_names_the_step(name: str, data: st.DataObject) -> None:
    batch = data.draw(batches(require=scorers.get(name).needs))
    rewards = data.draw(st.lists(huge, min_size=batch.num_steps, max_size=batch.num_steps))
    large = replace(batch, reward=np.array(rewards, dtype=np.float64))
    for options in ({}, EPSILON) if "mode" in scorers.get(name).options else ({},):
        try:
            assert np.isfinite(score(large, name, **options)).all()
        except ReadingError as error:
            said = (f"step {error.step} of episode {error.episode}", "scale them down")
            if not all(part in str(error) for part in said):
                raise


@pytest.mark.parametrize("size", [1e-200, 1e-3, 1.0, 1e154, 1e155, 1e200, 8e307])
def test_a_pair_is_one_standard_deviation_apart_whatever_its_gap(size: float) -> None:
    pair = batch_of([Run([0, 1], [0], rewards=[size]), Run([0, 1], [1], rewards=[-size])])
    assert score(pair, "grpo").tolist() == [1.0, -1.0]
    assert score(pair, "starpo").tolist() == [1.0, -1.0]
    assert score(pair, "gigpo").tolist() == [2.0, -2.0]
    if size > 1.0:  # below, the published epsilon tells
        np.testing.assert_allclose(score(pair, "grpo", mode="upstream"), [0.5**0.5, -(0.5**0.5)], rtol=1e-12)
        tree = replace(pair, parent=np.array([-1, -1]))
        np.testing.assert_allclose(score(tree, "c3", mode="upstream"), [1.0, -1.0], rtol=1e-12)


def test_groups_of_very_different_rewards_do_not_disturb_each_other() -> None:
    runs = [Run([0, 1], [a], rewards=[r], group=g) for g, s in ((0, 1e200), (1, 1.0)) for a, r in ((0, s), (1, -s))]
    for name in ("grpo", "gigpo", "spa", "rudder"):
        both = score(batch_of(runs), name)
        np.testing.assert_array_equal(both[2:], score(batch_of(runs[2:]), name))


def test_what_cannot_be_held_names_the_episode_by_its_id() -> None:
    episodes = [walk("7-0", rewards=(0.0, 0.0, 1.7e308)), walk("7-1", rewards=(1.7e308, 0.0, 1.7e308))]
    with pytest.raises(ReadingError, match=r"no finite credit for step 0 of episode '7-1'.*scale them down"):
        build_targets(episodes, "outcome_only")


numbers = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=6)


@given(numbers, st.integers(0, 2))
def test_scaling_by_a_power_of_two_changes_no_bit_of_ordinary_numbers(values: list[float], group: int) -> None:
    array, ids = np.array(values), np.array([i % (group + 1) for i in range(len(values))])
    count = group + 1
    centred = array - (np.bincount(ids, array, count) / np.maximum(np.bincount(ids, minlength=count), 1))[ids]
    deviation = np.sqrt(np.bincount(ids, centred * centred, count) / np.maximum(np.bincount(ids, minlength=count), 1))
    if not (np.abs(centred) > 0.0).any() or np.abs(centred[centred != 0.0]).min() < 1e-150:
        return
    np.testing.assert_array_equal(group_std(array, ids, count), deviation)
    sample = np.sqrt(np.bincount(ids, centred**2, count) / np.maximum(np.bincount(ids, minlength=count) - 1, 1))
    np.testing.assert_array_equal(standardise_upstream(array, ids, count), centred / (sample + 1e-6)[ids])
    found = standardise(array, ids, count)
    inverse = np.divide(1.0, deviation, out=np.zeros(count), where=deviation > 0)
    assert np.all((found == 0.0) | (found == centred * inverse[ids]))


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=4))
def test_what_is_divided_by_its_power_lies_within_two(values: list[float]) -> None:
    array = np.array(values)
    (power,) = group_power(array, np.zeros(array.size, dtype=np.int64), 1)
    assert np.frexp(power)[0] == 0.5
    assert np.abs(array / power).max() < 2.0
    assert not array.any() or np.abs(array / power).max() >= 1.0

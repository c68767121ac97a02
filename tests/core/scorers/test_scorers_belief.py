"""Belief credit and turn-wise GRPO: the worked vector of the specification, and what tells the variants apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders.batches import NAN, Run, batch_of, batches
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_gym.data.batch import EpisodeBatch
from credit_gym.errors import UnknownNameError
from credit_gym.scorers import score

quick = settings(max_examples=60, deadline=None)


def played(gains: list[list[float]], wins: list[bool], rewards: list[list[float]], **columns: object) -> EpisodeBatch:
    """Episodes of one group whose log-belief starts at -5 and rises by the given gains."""
    runs = [
        Run(path=[0] * (len(gain) + 1), actions=[0] * len(gain), success=win, rewards=reward)
        for gain, win, reward in zip(gains, wins, rewards, strict=True)
    ]
    belief = np.concatenate([-5.0 + np.cumsum([0.0, *gain]) for gain in gains])
    return batch_of(runs, log_belief=belief, **columns)


def worked() -> EpisodeBatch:
    """A wins at turn 2; B, C and D fail at turn 3, C with an invalid and D with a repeated question."""
    return played(
        [[0.5, 9.9], [1.0, -0.4, 0.2], [0.2, 0.3, -1.0], [0.0, 0.0, 0.5]],
        [True, False, False, False],
        [[0.0, 1.9], [0.0, 0.0, -0.15], [0.0, -5.0, -0.15], [0.0, 0.0, -1.15]],
        invalid=[False] * 6 + [True] + [False] * 4,
    )


PUBLISHED = {"weight": 0.1, "win": 2.0, "length": -0.05, "mode": "upstream"}


def test_the_worked_vector_with_the_published_baseline() -> None:
    credit = score(worked(), "turn_grpo_belief", **PUBLISHED)
    expected = [1.4987, 0.9306, -0.4414, 0.2444, 0.4235, -0.5190, -1.4193, 0.3841, -0.5384, 0.2444, -1.4871]
    np.testing.assert_allclose(credit, expected, atol=2e-4)


def test_the_worked_vector_over_the_active_episodes_only() -> None:
    rewards = [1.95, 1.90, -0.05, -0.15, -0.13, -0.13, -5.12, -0.15, -0.15, -0.15, -1.10]
    turns = [0, 1, 0, 1, 2, 0, 1, 2, 0, 1, 2]
    batch = worked()
    d = np.maximum(np.diff(batch.log_belief)[np.arange(11) + batch.episode], 0) * ~(
        batch.is_last & (batch.episode == 0)
    )
    eog = np.where(batch.episode == 0, 1.9, -0.15)
    np.testing.assert_allclose(batch.reward + np.where(batch.is_last, 0, eog) + 0.1 * d, rewards, atol=1e-12)
    options = {**PUBLISHED, "mode": "default", "baseline_mask": "active_only"}
    without_flag = played_without_flags(batch)
    credit = score(without_flag, "turn_grpo_belief", **options)
    np.testing.assert_allclose(credit[np.array(turns) == 2], [0.5953, 0.5592, -1.1545], atol=2e-4)


def played_without_flags(batch: EpisodeBatch) -> EpisodeBatch:

    return replace(batch, invalid=None)


def test_the_worked_totals_of_the_trajectory_baseline() -> None:
    credit = score(worked(), "starpo", mode="upstream")
    np.testing.assert_allclose(credit[[0, 2, 5, 8]], [1.0258, 0.3335, -1.3551, -0.0042], atol=2e-4)
    assert credit[0] == credit[1]


@pytest.mark.parametrize(("won", "turns", "outcome"), [(True, 10, 1.5), (False, 20, -1.0)])
def test_the_outcome_reaches_every_turn(won: bool, turns: int, outcome: float) -> None:
    batch = played([[0.0] * turns], [won], [[0.0] * (turns - 1) + [outcome]])
    credit = score(batch, "turn_grpo", win=2.0, length=-0.05, baseline_mask="zero_fill", scale=False)
    np.testing.assert_allclose(credit, outcome)  # a lone episode has no baseline


def test_zero_fill_punishes_survivors_and_the_other_baselines_do_not() -> None:
    """Eight episodes win at once, eight fail at turn 2; nothing but being there happens at turn 2."""
    batch = played([[0.0]] * 8 + [[0.0, 0.0]] * 8, [True] * 8 + [False] * 8, [[1.0]] * 8 + [[0.0, -1.0]] * 8)
    options = {"win": 1.0, "length": -0.5}
    late = batch.step == 1
    assert score(batch, "turn_grpo", baseline_mask="zero_fill", **options)[late] == pytest.approx(-0.968, abs=1e-3)
    assert score(batch, "turn_grpo", baseline_mask="active_only", **options)[late] == pytest.approx(0.0)
    assert np.ptp(score(batch, "turn_grpo", **options)[batch.episode >= 8]) == 0.0


@pytest.mark.slow
@quick
@given(st.data())
def test_the_raw_gain_and_the_contrast_telescope(data: st.DataObject) -> None:
    batch = data.draw(batches(require={"log_belief", "distractor_log_belief"}))
    belief, wrong = np.nan_to_num(batch.log_belief, nan=-3.0), np.nan_to_num(batch.distractor_log_belief, nan=-4.0)

    batch = replace(batch, log_belief=belief, distractor_log_belief=wrong, invalid=None, anchor_log_belief=None)
    first, last = batch.offsets[:-1] + np.arange(batch.num_episodes), batch.offsets[1:] + np.arange(batch.num_episodes)
    for name, options, potential in (
        ("delta_belief", {"squash": "none", "winning_turn": True}, belief),
        ("contrastive", {}, belief - np.logaddexp(belief, wrong)),
    ):
        total = np.bincount(batch.episode, weights=score(batch, name, **options), minlength=batch.num_episodes)
        np.testing.assert_allclose(total, potential[last] - potential[first], atol=1e-9)


@pytest.mark.slow
@quick
@given(st.data())
def test_the_high_water_mark_pays_the_best_moment_once(data: st.DataObject) -> None:
    batch = data.draw(batches(require={"log_belief"}))

    batch = replace(batch, invalid=None)
    credit = score(batch, "high_water_mark")
    assert (credit >= 0.0).all()
    for e in range(batch.num_episodes):
        points = batch.log_belief[batch.offsets[e] + e : batch.offsets[e + 1] + e + 1]
        known = points[~np.isnan(points)]
        paid = credit[batch.offsets[e] : batch.offsets[e + 1]].sum()
        assert paid == pytest.approx(known.max() - known[0] if known.size else 0.0)


def test_an_oscillating_belief_farms_the_rectified_gain_but_not_the_high_water_mark() -> None:
    batch = played([[1.0, -1.0] * 10], [False], [[0.0] * 20])
    assert score(batch, "delta_belief").sum() == pytest.approx(10.0)
    assert score(batch, "high_water_mark").sum() == pytest.approx(1.0)
    assert score(batch, "high_water_mark", cap=0.25).max() == pytest.approx(0.25)


def test_every_published_normalisation() -> None:
    gains = [[1.0, -3.0, 5.0], [0.0, 2.0, 0.5]]
    batch = played(gains, [True, False], [[0.0] * 3, [0.0] * 3])
    flat = np.array([1.0, -3.0, 0.0, 2.0, 0.5])  # the winning turn is left out

    def shown(**options: object) -> list[float]:
        credit = score(batch, "delta_belief", **options)
        assert credit[2] == 0.0
        return np.delete(credit, 2).tolist()

    assert shown() == pytest.approx(np.maximum(flat, 0))
    assert shown(squash="none") == pytest.approx(flat)
    assert shown(squash="tanh", temperature=0.5) == pytest.approx(np.tanh(flat / 2))
    assert shown(squash="sigmoid") == pytest.approx(1 / (1 + np.exp(-flat)))
    assert shown(squash="clamp") == pytest.approx(np.clip(flat, -2, 2))
    assert shown(squash="group_min_max") == pytest.approx([1, 0, 0, 1, 0], abs=1e-6)
    assert shown(squash="none", centre="group") == pytest.approx([0.5, -2.5, -0.5, 2.5, 0.0])
    assert shown(squash="none", centre="batch", scale="batch") == pytest.approx([1, -1, -1, 1, 0], abs=1e-6)
    assert shown(squash="none", centre="episode") == pytest.approx([2.0, -2.0, -5 / 6, 7 / 6, -1 / 3])
    assert score(batch, "delta_belief", squash="none", winning_turn=True)[2] == pytest.approx(5.0)


def test_the_anchor_gives_the_belief_before_the_step() -> None:
    batch = played([[1.0, 1.0]], [False], [[0.0, 0.0]], anchor_log_belief=[-7.0, -6.0, -5.0])
    assert score(batch, "delta_belief").tolist() == pytest.approx([3.0, 3.0])


def test_refused_turns_earn_nothing_unless_as_published() -> None:
    batch = played([[1.0, 2.0]], [False], [[0.0, 0.0]], invalid=[True, False])
    for name in ("delta_belief", "high_water_mark"):
        assert score(batch, name).tolist() == [0.0, 2.0]
        assert score(batch, name, mode="upstream").tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("squash", "won"),
    [("none", 0.0), ("relu", 0.0), ("tanh", 0.0), ("sigmoid", 0.5), ("clamp", 0.0), ("group_min_max", 0.0)],
)
@pytest.mark.parametrize("centre", ["none", "batch", "group"])
def test_as_published_the_winning_turn_is_squashed_as_no_gain(squash: str, won: float, centre: str) -> None:
    batch = played([[1.0, 5.0], [2.0, -1.0]], [True, False], [[0.0, 1.0], [0.0, 0.0]])
    options = {"squash": squash, "centre": centre}
    published, default = (score(batch, "delta_belief", mode=mode, **options) for mode in ("upstream", "default"))
    assert published[1] == won
    assert default[1] == 0.0
    np.testing.assert_array_equal(published[[0, 2, 3]], default[[0, 2, 3]])
    counted = score(batch, "delta_belief", mode="upstream", winning_turn=True, **options)
    assert counted[1] > won or squash == "group_min_max" or centre != "none"


def test_who_is_alone_at_a_turn_is_not_scaled() -> None:
    batch = played([[1.0, 3.0], [2.0]], [False, False], [[0.0, 0.0], [0.0]])
    credit = score(batch, "delta_belief", squash="none", scale="group")
    np.testing.assert_allclose(credit, [2.0, 3.0, 4.0], rtol=1e-6)


def test_alone_in_its_group_an_episode_has_its_raw_return_as_published() -> None:
    batch = played([[0.0, 0.0]], [True], [[0.5, 1.0]])
    for name in ("starpo", "grpo"):
        assert score(batch, name, mode="upstream").tolist() == [1.5, 1.5]
        assert score(batch, name).tolist() == [0.0, 0.0]


def test_igpo_counts_probabilities_and_ends_with_the_outcome() -> None:
    batch = batch_of(
        [Run([0, 0, 0], [0, 0]), Run([0, 0, 0], [0, 0], success=False)],
        log_belief=np.log([0.1, 0.5, 1.0, 0.1, 0.2, 0.2]),
    )
    rewards = np.array([0.4, 1.0, 0.1, 0.0])
    standard = (rewards - rewards.mean()) / rewards.std()
    assert score(batch, "igpo", discount=0.5) == pytest.approx(
        [standard[0] + 0.5 * standard[1], standard[1], standard[2] + 0.5 * standard[3], standard[3]]
    )


def test_return_to_go_pays_for_talking_the_belief_down() -> None:
    both = played([[1.0, 1.0], [-4.0, 6.0]], [False, False], [[0.0, 0.0], [0.0, 0.0]])
    honest, pumped = score(both, "turn_grpo_belief", scale=False, return_to_go=1.0)[[0, 2]]
    assert pumped > honest
    honest, pumped = score(both, "turn_grpo_belief", scale=False)[[0, 2]]
    assert pumped < honest


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("delta_belief", {"squash": "softmax"}),
        ("delta_belief", {"centre": "mean"}),
        ("turn_grpo", {"baseline_mask": "none"}),
        ("turn_grpo_belief", {"belief": "delta"}),
    ],
)
def test_unknown_options_are_named(name: str, options: dict[str, str]) -> None:
    with pytest.raises(UnknownNameError, match="no"):
        score(worked(), name, **options)


def test_missing_beliefs_earn_nothing() -> None:
    batch = batch_of([Run([0, 0, 0, 0], [0, 0, 0], success=False)], log_belief=[-3.0, NAN, -2.0, -1.0])
    assert score(batch, "delta_belief").tolist() == [0.0, 0.0, 1.0]
    assert score(batch, "high_water_mark").tolist() == [0.0, 1.0, 1.0]

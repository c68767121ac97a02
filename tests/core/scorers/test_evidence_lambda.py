"""Evidence-weighted lambda-returns: GRPO without evidence, worked numbers with it, a verifier if it is borne out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from builders import ROOT
from builders.batches import NAN, Run, batch_of, batches
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import somersd

from credit_gym import scorers
from credit_gym.baselines.studies.regimes.regime import Regime, regime_model
from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import backward_sum
from credit_gym.envs.tabular.sample import sample_batch
from credit_gym.estimation.trust import EXACT, UNKNOWN, Trust, evidence
from credit_gym.scorers import score
from credit_gym.scorers.evidence_lambda import verifier_trust

SHUT_OUT = {"trust": -1.0, "trust_weight": 1e12}


def default(batch: EpisodeBatch, **options: Any) -> np.ndarray:
    return score(batch, "evidence_lambda", **options)


def alone(batch: EpisodeBatch, *, starts: bool = False) -> EpisodeBatch:
    """The batch with states that do not recur, save the first of every episode if ``starts``."""
    points = np.arange(batch.num_steps) + batch.episode
    states = np.where(starts & (batch.step == 0), 0, points + 1)
    return replace(batch, state=states, next_state=points + 2, state_vocabulary=())


def small(batch: EpisodeBatch) -> EpisodeBatch:
    """The batch without rewards of a million, beside which a difference of 1 is known to ten digits only."""
    return replace(batch, reward=np.where(np.abs(batch.reward) > 10, np.sign(batch.reward), batch.reward))


def verifier_part(batch: EpisodeBatch, **options: Any) -> np.ndarray:
    return default(batch, **options) - default(replace(batch, verifier=None), **options)


# Without evidence


@pytest.mark.slow
@given(batch=batches(max_episodes=8), starts=st.booleans())
def test_where_no_state_but_the_start_recurs_and_no_verifier_reads_it_is_grpo(
    batch: EpisodeBatch, starts: bool
) -> None:
    unread = None if batch.verifier is None else np.full(batch.num_steps, NAN)
    batch = small(replace(alone(batch, starts=starts), verifier=unread))
    if starts:  # who took no step was not at the start
        batch = batch.select(np.flatnonzero(batch.lengths))
    expected = score(batch, "grpo")
    np.testing.assert_allclose(default(batch), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.slow
@given(batch=batches(max_episodes=8))
def test_where_it_shares_nothing_of_an_outcome_it_is_grpo_whatever_recurs(batch: EpisodeBatch) -> None:
    batch = replace(batch, verifier=None)
    np.testing.assert_allclose(default(batch, sharing=0.0), score(batch, "grpo"), rtol=1e-9, atol=1e-12)


# By hand

S = 9
THREE = [Run([0, S, 1], [0, 0], True), Run([2, S, 3], [0, 0], False), Run([4, 5, 6], [0, 0], False)]
PLAIN = {"discount": 1.0, "pseudo_count": 1.0, "sharing": 1.0, "crowd": 1.0}


def test_three_episodes_of_which_two_meet_in_a_state() -> None:
    """Returns 1, 0, 0: mean 1/3, deviation D = sqrt(2)/3.

    At S one other episode was: lambda = 1/2, elsewhere it is 1, where the credit is GRPO's. L = 2, so w = 1/2 * 1/2.
    G at S is what they earned, 1 and 0; mean_S G = 1/2, sd_S G = 1/2, so s is the root of D (D/2 + 1/2 * 1/2), as
    a = 1/2.
    """
    deviation = np.sqrt(2) / 3
    unit = np.sqrt(deviation * (deviation / 2 + 1 / 4))
    won, lost = (2 / 3) / deviation, (-1 / 3) / deviation
    expected = [won, 1 / 4 * (1 / 2) / unit + 3 / 4 * won, lost, 1 / 4 * (-1 / 2) / unit + 3 / 4 * lost, lost, lost]
    np.testing.assert_allclose(default(batch_of(THREE), **PLAIN), expected, rtol=1e-12)


def test_a_state_that_one_episode_comes_back_to_tells_its_way_on_from_its_round() -> None:
    """It won from S after a round; another lost elsewhere: returns 1 and 0, mean 1/2, deviation 1/2; L = 3/2.

    V(S) is the mean of g V(S) and 1, with g = 1/2: 2/3. S was visited one other time: lambda = 1/2. G is 1 where it
    went on, and 1/2 * 1/2 * 2/3 + 1/2 * 1 = 2/3 where it went round; their mean is 5/6, their deviation 1/6.
    w = 1/2 * 1/3, s is the root of 1/2 (1/2 * 1/6 + 1/2 * 1/2) = 1/6. The loser has GRPO's -1.
    """
    batch = batch_of([Run([S, S, 1], [0, 0], True), Run([2, 3], [0], False)])
    apart = (1 / 6) / np.sqrt(1 / 6)
    expected = [-apart / 6 + 5 / 6, apart / 6 + 5 / 6, -1.0]
    np.testing.assert_allclose(default(batch, **PLAIN | {"discount": 0.5}), expected, rtol=1e-12)


def test_the_verifier_of_the_first_three_episodes() -> None:
    """Readings (1, 0), (0, 1), (0, none): their mean is 2/5, at S (0 and 1) it is 1/2, shrunk by half: 9/20.

    Centred: 3/5, -9/20; -2/5, 11/20; -2/5, none. Root mean square over six steps: sqrt(1.185 / 6).
    One success passed through the first episode's states and S: 1 / (1 + 1) of it is left there, all of it elsewhere.
    There is no other group. Of the agreement that is given, 0.6, two errors of 2 * 0.8 / 8 are luck: T = 0.2.
    """
    batch = batch_of(THREE, verifier=[1.0, 0.0, 0.0, 1.0, 0.0, NAN])
    centred = np.array([3 / 5, -9 / 20, -2 / 5, 11 / 20, -2 / 5, 0]) / np.sqrt(1.185 / 6)
    expected = 1 / 5 * np.array([1 / 2, 1 / 2, 1, 1 / 2, 1, 1]) * centred
    told = {**PLAIN, "kappa": 1.0, "trust": 0.6, "trust_weight": 64.0}
    np.testing.assert_allclose(verifier_part(batch, **told), expected, rtol=1e-9, atol=1e-12)


# The verifier


@pytest.mark.slow
@given(batch=batches(require=("verifier",), max_episodes=8))
def test_a_verifier_that_is_shut_out_changes_nothing(batch: EpisodeBatch) -> None:
    np.testing.assert_array_equal(default(batch, **SHUT_OUT), default(replace(batch, verifier=None), **SHUT_OUT))


def groups(*won: str) -> EpisodeBatch:
    """Groups of two-step episodes, alone in their states: ``"+-"`` is one won and one lost; the won ones read 1."""
    outcomes = [(group, sign == "+") for group, signs in enumerate(won) for sign in signs]
    runs = [Run([3 * n, 3 * n + 1, 3 * n + 2], [0, 0], win, group=group) for n, (group, win) in enumerate(outcomes)]
    return batch_of(runs, verifier=read_first([float(win) for _, win in outcomes]))


def read_first(readings: list[float]) -> list[float]:
    """Readings of two-step episodes that are read before they end."""
    return [value for reading in readings for value in (reading, NAN)]


def failed(batch: EpisodeBatch, group: int, readings: list[float]) -> EpisodeBatch:
    """The batch with a group's readings replaced."""
    read = np.array(batch.verifier)
    read[batch.step_group == group] = read_first(readings)
    return replace(batch, verifier=read)


def test_a_group_that_failed_has_the_verifiers_part_alone_where_other_groups_bear_it_out() -> None:
    batch = failed(groups("----", "++--", "+---", "++-"), 0, [1.0, 0.0, 0.0, 1.0])
    lost = batch.step_group == 0
    assert not default(replace(batch, verifier=None))[lost].any()
    part = default(batch)[lost]
    np.testing.assert_array_equal(part, verifier_part(batch)[lost])
    first = part[::2]
    assert first[0] == first[3] > 0 > first[1] == first[2]
    assert part.sum() == pytest.approx(0)


@pytest.mark.parametrize("won", [("----",), ("----", "++++"), ("----", "----", "----")])
def test_where_no_other_group_speaks_an_unknown_verifier_says_nothing(won: tuple[str, ...]) -> None:
    batch = failed(groups(*won), 0, [1.0, 0.0, 0.0, 1.0])
    assert not default(batch).any()
    assert default(batch, trust=0.3, trust_weight=200.0)[:8:2].all()
    assert not default(batch, trust=0.3, trust_weight=20.0).any()  # so little may be luck
    declared = replace(batch, exact_verifier=np.ones(batch.num_episodes, dtype=bool))
    np.testing.assert_array_equal(default(declared), default(batch, trust=1.0, trust_weight=60.0))
    some = replace(batch, exact_verifier=np.arange(batch.num_episodes) > 0)
    assert not default(some).any()  # what one episode does not declare is not declared


@pytest.mark.slow
@given(
    batch=batches(require=("verifier",), max_episodes=8),
    outcomes=st.lists(st.sampled_from((0.0, 1.0, 5.0)), min_size=8, max_size=8),
    trust=st.floats(-1, 1),
)
def test_what_a_group_trusts_its_verifier_never_depends_on_its_own_outcomes(
    batch: EpisodeBatch, outcomes: list[float], trust: float
) -> None:
    told = {"trust": trust, "trust_weight": 4.0, "kappa": 1e15}  # successes do not make it give way
    batch = small(batch)
    for group in np.unique(batch.group):
        own = batch.step_group == group
        earned = np.where(own & batch.is_last, np.array(outcomes)[batch.episode % 8], batch.reward)
        changed = replace(batch, reward=earned)
        np.testing.assert_allclose(verifier_part(changed, **told)[own], verifier_part(batch, **told)[own], atol=1e-9)


def test_successes_through_a_state_make_the_verifier_give_way() -> None:
    """kappa / (m + kappa) with kappa = 2: half where two successes passed, two thirds where one did, all where none."""
    batch = groups("++--", "++--", "+-")
    full, part = (verifier_part(batch, **EXACT_TOLD, kappa=kappa) for kappa in (1e15, 2.0))
    won = np.repeat([True, True, False, False] * 2 + [True, False], 2)
    np.testing.assert_allclose(part[won], full[won] * 2 / 3)
    np.testing.assert_allclose(part[~won], full[~won])


EXACT_TOLD = {"trust": EXACT.agreement, "trust_weight": EXACT.weight}


def test_a_verifier_that_may_have_agreed_by_luck_says_nothing() -> None:
    """Of 12 agreement beside a prior of 6, D = 2/3 may be luck: its error is 2 sqrt(5 / 9) / sqrt(18) = 0.35."""
    few, more = groups("--", *["+-"] * 3), groups("--", *["+-"] * 12)
    for batch, speaks in ((few, False), (more, True)):
        assert verifier_part(failed(batch, 0, [1.0, 0.0]))[batch.step_group == 0].any() == speaks


# Agreement


def test_what_is_said_of_the_step_that_ends_an_episode_is_no_evidence() -> None:
    batch = groups("+-", "+--")
    ending = np.where(batch.is_last, batch.success[batch.episode], 0.0)
    said = replace(batch, verifier=ending)
    assert verifier_trust(said).agreement == 0.0
    cut = replace(said, terminated=np.zeros(batch.num_episodes, dtype=bool))  # the limit ended it, nobody knew
    assert verifier_trust(cut).agreement > 0.5


@st.composite
def judged(draw: st.DrawFn) -> tuple[EpisodeBatch, np.ndarray]:
    """Groups of two-step episodes with few different readings of the first, so that many are tied."""
    group = draw(st.lists(st.sampled_from((0, 1, 4)), min_size=2, max_size=14))
    won = draw(st.lists(st.booleans(), min_size=len(group), max_size=len(group)))
    read = draw(st.lists(st.sampled_from((-1.0, 0.0, 0.1, 0.3, 2.0)), min_size=len(group), max_size=len(group)))
    runs = [Run([0, 1, 2], [0, 0], win, group=g) for g, win in zip(group, won, strict=True)]
    return batch_of(runs), np.array(read)


@pytest.mark.slow
@given(judged())
def test_agreement_is_somers_d_of_the_readings_by_the_outcome(drawn: tuple[EpisodeBatch, np.ndarray]) -> None:
    batch, read = drawn
    agreement, weight = evidence(batch, np.where(batch.is_last, 7.0, read[batch.episode]))
    for group in np.unique(batch.group):
        own = batch.group == group
        won, lost = read[own & batch.success], read[own & ~batch.success]
        if won.size and lost.size:
            pairs = np.sign(won[:, None] - lost[None])
            assert agreement[group] == pytest.approx(pairs.mean())
            if np.ptp(read[own]):  # scipy has no number where all are tied
                assert agreement[group] == pytest.approx(somersd(batch.success[own].astype(int), read[own]).statistic)
            assert weight[group] == pytest.approx(12 * won.size * lost.size / (won.size + lost.size + 1))
        else:
            assert (agreement[group], weight[group]) == (0.0, 0.0)


@pytest.mark.slow
def test_the_weight_is_four_over_the_variance_of_readings_that_say_nothing() -> None:
    """Of 3 won and 5 lost: 12 * 15 / 9 = 20, and D of shuffled readings varies by 4 / 20."""
    runs = [Run([0, 1, 2], [0, 0], n % 8 < 3, group=n // 8) for n in range(8 * 4000)]
    read = np.random.default_rng(0).permutation(len(runs)).astype(float)
    agreement, weight = evidence(batch_of(runs), np.repeat(read, 2))
    assert set(weight.round(9)) == {20.0}
    assert agreement.var() == pytest.approx(4 / 20, rel=0.05)


def test_older_evidence_fades() -> None:
    """0.9 * 10 = 9 of the older weight stays: (9 * 1 - 3 * 1/3) / 12 = 2/3."""
    known = Trust(1.0, 10.0).after(Trust(-1 / 3, 3.0))
    assert known.weight == pytest.approx(12.0)
    assert known.agreement == pytest.approx(2 / 3)
    assert Trust(0.5, 4.0).after(Trust(0.0, 0.0)) == Trust(0.5, pytest.approx(3.6))
    assert Trust(0.5, 0.0).after(Trust(0.0, 0.0)) == Trust(0.0, 0.0)
    assert Trust(0.5, 4.0).after(Trust(1.0, 4.0), memory=1.0) == Trust(0.75, 8.0)


def test_a_verifier_that_nothing_bears_out_any_more_comes_back_to_what_was_known_of_it_before() -> None:
    # Ten of sixteen spoke for it; after a batch that says nothing nine of them are left beside the prior of six.
    known = Trust(10.0 / 16.0, 16.0).after(Trust(0.0, 0.0), UNKNOWN)
    assert known == Trust(pytest.approx(0.6), pytest.approx(15.0))
    for _ in range(100):
        known = known.after(Trust(0.0, 0.0), UNKNOWN)
    assert known == Trust(pytest.approx(0.0, abs=1e-3), pytest.approx(UNKNOWN.weight, rel=1e-3))
    assert EXACT.after(Trust(0.0, 0.0), EXACT) == EXACT


REGIMES = {
    ("aligned", 0.0): (0.8, 1.0),
    ("aligned", 1.0): (0.8, 1.0),
    ("idling", 0.0): (-1.0, 0.1),
    ("idling", 1.0): (-1.0, 0.1),
    ("opposed", 0.0): (-1.0, -0.8),
    ("opposed", 1.0): (-1.0, -0.8),
    ("random", 1.0): (-0.15, 0.15),
    ("silent", 1.0): (0.0, 0.0),
}


@pytest.mark.parametrize(("verifier", "recurrence"), REGIMES, ids=lambda value: str(value))
def test_outcomes_tell_which_verifier_can_be_trusted(verifier: Any, recurrence: float) -> None:
    model = regime_model(Regime(name="x", success=0.3, verifier=verifier, tasks=32), range(1))
    batch = sample_batch(model, episodes_per_task=8, seed=0, policy=model.behaviour[0])
    found = verifier_trust(batch if recurrence else alone(batch), UNKNOWN)
    low, high = REGIMES[verifier, recurrence]
    assert low <= found.agreement <= high
    assert found.weight > 100


@pytest.mark.slow
@given(batch=batches(max_episodes=6), data=st.data())
def test_a_backward_sum_is_that_of_a_loop(batch: EpisodeBatch, data: st.DataObject) -> None:
    size, shares = batch.num_steps, st.sampled_from((0.0, 0.25, 0.5, 1.0))
    decay = np.array(data.draw(st.lists(shares, min_size=size, max_size=size)), dtype=np.float64)
    values = np.array(data.draw(st.lists(st.floats(-9, 9), min_size=size, max_size=size)), dtype=np.float64)
    expected = np.zeros(size)
    for start, end in zip(batch.offsets[:-1], batch.offsets[1:], strict=True):
        after = 0.0
        for step in reversed(range(start, end)):
            after = expected[step] = values[step] + (decay[step] * after if step < end - 1 else 0.0)
    np.testing.assert_allclose(backward_sum(values, decay, batch.offsets), expected, atol=1e-12)


def test_the_page_says_the_defaults() -> None:
    page = (ROOT / "docs" / "scorers.md").read_text(encoding="utf-8")
    for name, option in scorers.get("evidence_lambda").options.items():
        if option.default is not None:
            assert f"| `{name}` | {option.default:g} |" in page

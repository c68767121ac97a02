"""The scorers that read trajectories: vectors worked out by hand, and the identities that define each method."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders.batches import NAN, Run, batch_of, batches
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import compact, group_mean, group_sum
from credit_gym.errors import UnknownNameError
from credit_gym.estimation.normalise import leave_one_out, standardise, standardise_upstream
from credit_gym.scorers import score

drawn = settings(max_examples=60, deadline=None, derandomize=True)

# Two states in a row, 0 -> 1 -> 2 (the goal). Action 0 moves on, action 1 stays. Returns 1, 0, 1 in one group.
STRAIGHT = Run(path=[0, 1, 2], actions=[0, 0])
LOST = Run(path=[0, 1, 1], actions=[0, 1], success=False)
SLOW = Run(path=[0, 0, 1, 2], actions=[1, 0, 0])
TRIO = batch_of([STRAIGHT, LOST, SLOW])


def returns_only(*returns: float) -> EpisodeBatch:
    """One-step episodes with the given returns, in one group, all in one state."""
    return batch_of([Run(path=[0, 1], actions=[i], rewards=[r]) for i, r in enumerate(returns)])


def test_outcome_only_gives_every_step_the_return() -> None:
    np.testing.assert_array_equal(score(TRIO, "outcome_only"), [1, 1, 0, 0, 1, 1, 1])


def test_grpo_by_hand() -> None:
    # Returns 1, 0, 1: mean 2/3, population deviation sqrt(2)/3.
    good, bad = 1 / np.sqrt(2), -np.sqrt(2)
    np.testing.assert_allclose(score(TRIO, "grpo"), [good, good, bad, bad, good, good, good])
    np.testing.assert_allclose(score(TRIO, "grpo", scale=False), np.array([1, 1, -2, -2, 1, 1, 1]) / 3)


def test_grpo_upstream_by_hand() -> None:
    # Sample deviation of (1, 0, 1) is 1/sqrt(3); the lone episode of the second group keeps its raw return.
    batch = batch_of([STRAIGHT, LOST, SLOW, replace(STRAIGHT, group=4)])
    good, bad = (1 / 3) / (1 / np.sqrt(3) + 1e-6), (-2 / 3) / (1 / np.sqrt(3) + 1e-6)
    expected = [good, good, bad, bad, good, good, good, 1, 1]
    np.testing.assert_allclose(score(batch, "grpo", mode="upstream"), expected, rtol=1e-12)


def test_rloo_by_hand() -> None:
    # 1 - (0 + 1)/2 = 1/2 for the successes, 0 - 1 for the failure.
    np.testing.assert_allclose(score(TRIO, "rloo"), [0.5, 0.5, -1, -1, 0.5, 0.5, 0.5])


@pytest.mark.parametrize("name", ["grpo", "rloo", "gigpo", "mc", "gae", "td_error"])
@pytest.mark.parametrize("value", [0.1, -1e6, 1e6 / 3])
def test_equal_returns_earn_nothing(name: str, value: float) -> None:
    batch = returns_only(*[value] * 7)
    np.testing.assert_allclose(score(batch, name), 0.0, atol=1e-9 * abs(value))


@drawn
@given(batch=batches())
def test_group_advantages_sum_to_zero(batch: EpisodeBatch) -> None:
    for name in ("grpo", "rloo"):
        whole = np.zeros(batch.num_groups)
        credit = score(batch, name)
        for e in np.flatnonzero(batch.lengths):
            whole[batch.group[e]] += credit[batch.offsets[e]]
        walked = np.bincount(batch.group[batch.lengths > 0], minlength=batch.num_groups)
        complete = walked == np.bincount(batch.group, minlength=batch.num_groups)
        np.testing.assert_allclose(whole[complete], 0.0, atol=1e-8 * max(1.0, np.abs(batch.reward).max(initial=0)))


def test_normalisations_by_hand() -> None:
    values, ids = np.array([1.0, 3.0, 5.0, 7.0]), np.array([0, 0, 2, 0])  # group 1 is empty, group 2 a lone value
    mean, deviation = 11 / 3, np.sqrt(56) / 3
    np.testing.assert_allclose(standardise(values, ids, 3)[[0, 1, 3]], (np.array([1, 3, 7]) - mean) / deviation)
    sample = np.sqrt(28 / 3)
    np.testing.assert_allclose(standardise_upstream(values, ids, 3)[0], (1 - mean) / (sample + 1e-6))
    np.testing.assert_allclose(leave_one_out(values, ids, 3), [1 - 5, 3 - 4, 0, 7 - 2])
    assert standardise(values, ids, 3)[2] == 0 == standardise_upstream(values, ids, 3)[2]


def test_mc_by_hand() -> None:
    # g = 1/2: returns-to-go .5 1 | 0 0 | .25 .5 1. State 0: mean of (.5, 0, .25, .5) = 5/16; state 1: (1, 0, 1): 2/3.
    bare = np.array([0.5, 1, 0, 0, 0.25, 0.5, 1])
    baseline = np.array([5 / 16, 2 / 3, 5 / 16, 2 / 3, 5 / 16, 5 / 16, 2 / 3])
    np.testing.assert_allclose(score(TRIO, "mc", discount=0.5, baseline="none"), bare)
    np.testing.assert_allclose(score(TRIO, "mc", discount=0.5), bare - baseline)


def test_td_error_by_hand() -> None:
    # Pooled chain, g = 1/2: V(1) = 2/3; V(0) = (3/4)(1/2)V(1) + (1/4)(1/2)V(0), so V(0) = (1/4) / (7/8) = 2/7.
    stay, move = 1 / 7 - 2 / 7, 1 / 3 - 2 / 7
    np.testing.assert_allclose(
        score(TRIO, "td_error", discount=0.5), [move, 1 / 3, move, -2 / 3, stay, move, 1 / 3], atol=1e-12
    )


@drawn
@given(batch=batches(), discount=st.sampled_from([0.0, 0.5, 0.95]))
def test_td_errors_average_to_zero_in_every_state(batch: EpisodeBatch, discount: float) -> None:
    """The fixed point of TD(0) is the value function whose mean surprise is 0 wherever it is visited."""
    credit = score(replace(batch, value=None), "td_error", discount=discount)
    visits = group_sum(credit, batch.step_group * 8 + batch.state, 48)
    np.testing.assert_allclose(visits, 0.0, atol=1e-8 * max(1.0, np.abs(batch.reward).max(initial=0.0)))


def test_gae_with_a_critic_by_hand() -> None:
    # d = (0 + .5*.6 - .4, 1 + 0 - .6): the goal is terminal, so its recorded value of 9 is not bootstrapped from.
    batch = batch_of([STRAIGHT], value=[0.4, 0.6, 9.0])
    np.testing.assert_allclose(score(batch, "gae", discount=0.5, lam=0.5), [-0.1 + 0.25 * 0.4, 0.4], atol=1e-12)
    np.testing.assert_allclose(score(batch, "td_error", discount=0.5), [-0.1, 0.4])


def test_a_cut_off_episode_is_bootstrapped_from_the_critic() -> None:
    run = Run(path=[0, 1], actions=[0], success=False, truncated=True)
    np.testing.assert_allclose(score(batch_of([run], value=[0.2, 0.8]), "td_error", discount=0.5), [0.4 - 0.2])


def test_a_missing_value_falls_back_on_the_fitted_critic() -> None:
    # The second run has no critic; state 0 is worth the mean return 1/2 of its two visits there.
    runs = [Run(path=[0, 1], actions=[0]), Run(path=[0, 1], actions=[0], success=False)]
    batch = batch_of(runs, value=[0.9, NAN, NAN, NAN])
    np.testing.assert_allclose(score(batch, "gae"), [1 - 0.9, 0 - 0.5])


@drawn
@given(batch=batches(), discount=st.sampled_from([0.3, 0.9, 1.0]))
def test_gae_at_lambda_one_is_mc(batch: EpisodeBatch, discount: float) -> None:
    fitted = replace(batch, value=None)
    scale = max(1.0, float(np.abs(batch.reward).max(initial=0.0)))
    expected = score(fitted, "mc", discount=discount)
    np.testing.assert_allclose(score(fitted, "gae", discount=discount, lam=1.0), expected, atol=1e-9 * scale)


def test_gigpo_by_hand() -> None:
    # Unscaled: A^E = R - 2/3; A^S is the mc vector of `test_mc_by_hand`.
    step = np.array([0.5, 1, 0, 0, 0.25, 0.5, 1]) - np.array([5 / 16, 2 / 3, 5 / 16, 2 / 3, 5 / 16, 5 / 16, 2 / 3])
    episode = np.array([1, 1, -2, -2, 1, 1, 1]) / 3
    np.testing.assert_allclose(score(TRIO, "gigpo", discount=0.5, weight=2.0, scale=False), episode + 2 * step)


def test_gigpo_upstream_weighs_long_episodes_more() -> None:
    # A^E over the 7 steps: mean 5/7, not 2/3; sample deviation sqrt((5*(2/7)^2 + 2*(5/7)^2) / 6) = sqrt(10/42).
    credit = score(TRIO, "gigpo", discount=0.5, weight=0.0, mode="upstream")
    spread = np.sqrt(10 / 42) + 1e-6
    np.testing.assert_allclose(credit, np.array([2, 2, -5, -5, 2, 2, 2]) / 7 / spread)
    np.testing.assert_allclose(score(batch_of([Run(path=[0, 1], actions=[0])]), "gigpo", mode="upstream"), [1.0])


def test_hgpo_without_history_is_gigpo() -> None:
    np.testing.assert_allclose(score(TRIO, "hgpo", history=0), score(TRIO, "gigpo"))


def test_hgpo_by_hand() -> None:
    # history 1, g = 1, unscaled, A^E = (1, -2, 1)/3. G = 1 1 | 0 0 | 1 1 1. State 1, reached from state 0 in all three
    # runs: both levels give G - 2/3. State 0: level 0 has G = (1, 0, 1, 1), mean 3/4; level 1 splits off the step that
    # came from state 0 (alone, so only level 0 counts for it) and leaves (1, 0, 1) at the start, mean 2/3.
    first, alone = (np.array([1, 0, 1]) - 3 / 4 + 2 * (np.array([1, 0, 1]) - 2 / 3)) / 3, 1 / 4
    step = [first[0], 1 / 3, first[1], -2 / 3, first[2], alone, 1 / 3]
    credit = score(TRIO, "hgpo", history=1, discount=1.0, scale=False)
    np.testing.assert_allclose(credit, np.array([1, 1, -2, -2, 1, 1, 1]) / 3 + step)


@drawn
@given(batch=batches(), ridge=st.sampled_from([0.1, 1.0, 10.0]))
def test_rudder_redistributes_exactly_the_return(batch: EpisodeBatch, ridge: float) -> None:
    total = group_sum(score(batch, "rudder", ridge=ridge), batch.episode, batch.num_episodes)
    scale = max(1.0, float(np.abs(batch.reward).max(initial=0.0)))
    np.testing.assert_allclose(total, batch.episode_return, atol=1e-9 * scale)


def test_rudder_credits_the_step_that_reached_the_telling_state() -> None:
    # Only runs that pass state 1 succeed. Without ridge w(1) = 1, w(0) = 0: the step into state 1 gets everything.
    runs = [Run(path=[0, 1, 5], actions=[0, 0]), Run(path=[0, 0, 5], actions=[1, 0], success=False)]
    np.testing.assert_allclose(score(batch_of(runs), "rudder", ridge=1e-9), [1, 0, 0, 0], atol=1e-6)


def test_spa_by_hand() -> None:
    # (0, a0) opens both runs, (1, a0) ends the winner, (1, a1) the loser. Ridge 1 on R = (1, 0): the normal equations
    # (3 1 1; 1 2 0; 1 0 2) w = (1, 1, 0) give w = (1/4, 3/8, -1/8).
    credit = score(batch_of([STRAIGHT, LOST]), "spa", ridge=1.0)
    np.testing.assert_allclose(credit, [1 / 4, 3 / 8, 1 / 4, -1 / 8], atol=1e-8)


@drawn
@given(batch=batches())
def test_spa_is_the_ridge_regression(batch: EpisodeBatch) -> None:
    feature, count = compact(batch.step_group, batch.state, batch.action)
    design = np.zeros((batch.num_episodes, count))
    np.add.at(design, (batch.episode, feature), 1.0)
    weights = np.linalg.solve(design.T @ design + np.eye(count), design.T @ batch.episode_return)
    scale = max(1.0, float(np.abs(batch.reward).max(initial=0.0)))
    np.testing.assert_allclose(score(batch, "spa"), weights[feature], atol=1e-7 * scale)


def test_mt_grpo_by_hand() -> None:
    # Readings 1 0 | 1 | NaN 1, returns 1, 0, 1, N = 3. Turn 0: leave-one-out means (1 + 0)/2 = 1/2, 1/2, (none read);
    # turn 1, where the second run is absent and counts as 0: (0 + 1)/2 and (0 + 0)/2.
    runs = [STRAIGHT, Run(path=[0, 3], actions=[0], success=False), STRAIGHT]
    batch = batch_of(runs, verifier=[1, 0, 1, NAN, 1])
    outcome = np.array([0.5, 0.5, -1, 0.5, 0.5])
    np.testing.assert_allclose(score(batch, "mt_grpo", weight=2.0), outcome + 2 * np.array([0.5, -0.5, 0.5, 0, 1]))
    # To go with g = 1: H = 1 0 | 1 | (1) 1. Turn 0: 1 - (1 + 1)/2, 1 - (1 + 1)/2; turn 1: 0 - 1/2, 1 - 0.
    np.testing.assert_allclose(score(batch, "mt_grpo", discount=1.0), outcome + np.array([0, -0.5, 0, 0, 1]))


def test_mt_grpo_upstream_by_hand() -> None:
    # Turn 0 reads (1, 1), without variance; turn 1 is reached by two runs with (0, 1): +-(1/2) / (sqrt(1/2) + 1e-4).
    runs = [STRAIGHT, Run(path=[0, 3], actions=[0], success=False), STRAIGHT]
    batch = batch_of(runs, verifier=[1, 0, 1, NAN, 1])
    outcome = np.array([1, 1, -2, 1, 1]) / 3 / (1 / np.sqrt(3) + 1e-4)
    turn = np.array([0, -0.5, 0, 0, 0.5]) / (np.sqrt(0.5) + 1e-4)
    np.testing.assert_allclose(score(batch, "mt_grpo", mode="upstream"), outcome + turn)


def expected_gradient(mode: str, episodes: int = 4) -> float:
    """Exact expectation of the policy gradient of a stop-or-go game, over all groups of `episodes` rollouts.

    At turn 0 the policy stops or goes on with probability 1/2; every turn reads 1 and a second turn has one action.
    The expected sum of readings is 1 + P(go), whose derivative by the logit of "go" is 1/4.
    """
    total = 0.0
    for outcome in np.ndindex(*(2,) * episodes):
        runs = [Run(path=[0] * (2 + go), actions=[go] + [2] * go, success=False) for go in outcome]
        batch = batch_of(runs, verifier=[1.0] * sum(1 + go for go in outcome))
        credit = score(batch, "mt_grpo", discount=1.0, mode=mode)[batch.offsets[:-1]]
        total += float(np.mean(credit * (np.array(outcome) - 0.5))) / 2**episodes
    return total


def test_mt_grpo_is_unbiased_when_the_policy_chooses_its_stopping_turn() -> None:
    assert expected_gradient("default") == pytest.approx(0.25)


def test_mt_grpo_upstream_hides_the_reward_of_going_on() -> None:
    assert expected_gradient("upstream") == pytest.approx(0.0, abs=1e-12)


@drawn
@given(batch=batches(require={"verifier"}))
def test_mt_grpo_baseline_ignores_the_episode_itself(batch: EpisodeBatch) -> None:
    """Raising one reading by 1 raises the step's own credit by exactly 1: no share of it is in the baseline."""
    known = np.flatnonzero(~np.isnan(batch.verifier))
    crowded = np.bincount(batch.group, minlength=6)[batch.step_group] > 1
    for step in known[crowded[known]][:2]:
        raised = batch.verifier.copy()
        raised[step] += 1.0
        change = score(replace(batch, verifier=raised), "mt_grpo")[step] - score(batch, "mt_grpo")[step]
        assert change == pytest.approx(1.0, abs=1e-6 * max(1.0, np.abs(batch.reward).max()))


def test_pbrs_by_hand() -> None:
    # Potentials 0, 1, -1 with g = 1/2: rewards (0, 1) plus (1/2 * 1 - 0, 1/2 * -1 - 1).
    batch = batch_of([STRAIGHT], verifier=[1.0, -2.0])
    np.testing.assert_allclose(score(batch, "pbrs", discount=0.5), [0.5, 1 - 1.5])


@drawn
@given(batch=batches(require={"verifier", "value"}), discount=st.sampled_from([0.5, 0.99, 1.0]))
def test_shaping_telescopes(batch: EpisodeBatch, discount: float) -> None:
    """``sum_t g^t (c_t - r_t) = g^T Phi_T - Phi_0``: shaping pays only for where an episode ends and began."""
    complete = replace(batch, value=np.nan_to_num(batch.value))
    readings = group_sum(np.nan_to_num(batch.verifier), batch.episode, batch.num_episodes)
    episodes = np.arange(batch.num_episodes)
    first, last = complete.value[batch.offsets[:-1] + episodes], complete.value[batch.offsets[1:] + episodes]
    walked = batch.lengths > 0
    for name, rise in (("pbrs", (readings, 0.0 * readings)), ("pbrs_value", (last, first))):
        if batch.num_steps:
            shaping = (score(complete, name, discount=discount) - batch.reward) * discount**batch.step
            total = group_sum(shaping, batch.episode, batch.num_episodes)
            expected = discount**batch.lengths * rise[0] - rise[1]
            np.testing.assert_allclose(total[walked], expected[walked], atol=1e-8)


def test_imitation_counts_by_hand() -> None:
    # State 0 is left by action 0 in 3 of 4 visits, in 2 of 3 among successes; state 1 by action 0 in 2 of 3 (2 of 2).
    np.testing.assert_allclose(score(TRIO, "majority"), [3 / 4, 2 / 3, 3 / 4, 1 / 3, 1 / 4, 3 / 4, 2 / 3])
    np.testing.assert_allclose(score(TRIO, "filtered_bc"), [2 / 3, 1, 2 / 3, 0, 1 / 3, 2 / 3, 1])


def test_hca_by_hand() -> None:
    # State 0, R = 1: h = 2/3, 1/3, 2/3 against pi = 3/4, 1/4, 3/4; state 1: h = 1 against 2/3. R = 0 earns 0.
    move, stay = 1 - (3 / 4) / (2 / 3), 1 - (1 / 4) / (1 / 3)
    np.testing.assert_allclose(score(TRIO, "hca"), [move, 1 / 3, 0, 0, stay, move, 1 / 3])


@drawn
@given(batch=batches())
def test_hca_averages_to_the_outcome_advantage_of_each_action(batch: EpisodeBatch) -> None:
    """With returns of 0 and 1, an action that ever succeeded has mean credit mean R(s, a) - mean R(s)."""
    solved = (batch.is_last & batch.success[batch.episode]).astype(float)
    binary = replace(batch, reward=solved)
    state = batch.step_group * 8 + batch.state
    action = state * 4 + batch.action
    returns = score(binary, "outcome_only")
    succeeded = group_sum(returns, action, 192) > 0
    expected = group_mean(returns, action, 192) - np.repeat(group_mean(returns, state, 48), 4)
    credit = group_mean(score(binary, "hca"), action, 192)
    np.testing.assert_allclose(credit[succeeded], expected[succeeded], atol=1e-12)


def test_hcapo_by_hand() -> None:
    # Two one-step runs in different states, R = 1 and 0: rho = 1, Q = (1, 0), standardised (1, -1), plus GRPO (1, -1).
    runs = [Run(path=[0, 9], actions=[0]), Run(path=[1, 9], actions=[0], success=False)]
    np.testing.assert_allclose(score(batch_of(runs), "hcapo", weight=0.5), [1.5, -1.5])


def test_salt_by_hand() -> None:
    # GRPO gives (g, b, g). All three walk 0 -a0-> 1: their mean, 0; the winners walk 1 -a0-> 2: g; the others are lone.
    good, bad = 1 / np.sqrt(2), -np.sqrt(2)
    np.testing.assert_allclose(score(TRIO, "salt"), [0, good, 0, bad, good, 0, good], atol=1e-12)


def test_oracle_is_the_recorded_advantage() -> None:
    np.testing.assert_array_equal(score(batch_of([STRAIGHT], advantage=[0.25, NAN]), "oracle"), [0.25, 0.0])


def test_random_is_fixed_by_its_seed_and_has_unit_variance() -> None:
    batch = returns_only(*[0.0] * 4000)
    first = score(batch, "random", seed=1)
    np.testing.assert_array_equal(first, score(batch, "random", seed=1))
    assert abs(np.corrcoef(first, score(batch, "random", seed=2))[0, 1]) < 0.1
    assert first.std() == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize(
    ("name", "options"), [("grpo", {"mode": "upstraem"}), ("gigpo", {"mode": "x"}), ("mc", {"baseline": "stat"})]
)
def test_an_unknown_choice_is_refused(name: str, options: dict[str, str]) -> None:
    with pytest.raises(UnknownNameError, match=next(iter(options.values()))):
        score(TRIO, name, **options)

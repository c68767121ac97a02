"""IGPO with A2TGPO's two options: gains compared at their turn, sums of them rescaled."""

from __future__ import annotations

import numpy as np
import pytest
from builders.batches import Run, batch_of, batches
from hypothesis import given, settings

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import discounted_sum
from credit_gym.estimation.normalise import standardise
from credit_gym.scorers import score

drawn = settings(max_examples=80, deadline=None, derandomize=True)

# A wins after gains of .2 and -.1 (and a last one that its outcome replaces), B fails after one of .1.
PAIR = batch_of(
    [Run([0, 1, 2, 3], [0, 0, 0]), Run([0, 1, 2], [0, 0], success=False)],
    log_belief=np.log([0.1, 0.3, 0.2, 0.5, 0.1, 0.2, 0.6]),
)
BOTH = {"by_turn": True, "rescale": True}


def test_the_worked_vector() -> None:
    # Turn 0: gains .2 and .1, so 1 and -1; turn 1: alone, so 0. Outcomes 1 and -1 (B's last step is no gain at turn 1).
    root = 0.3 / np.sqrt(2)
    np.testing.assert_allclose(score(PAIR, "igpo", weight=0.3, **BOTH), [1 + root, 1, 1, -1.3, -1], rtol=1e-9)
    np.testing.assert_allclose(score(PAIR, "igpo", weight=0.3, by_turn=True), [1.3, 1, 1, -1.3, -1], rtol=1e-9)


def test_the_outcome_is_discounted_only_without_rescaling() -> None:
    np.testing.assert_allclose(score(PAIR, "igpo", by_turn=True, discount=0.5), [1.25, 0.5, 1, -1.5, -1], rtol=1e-9)
    np.testing.assert_allclose(score(PAIR, "igpo", discount=0.5, **BOTH), [1 + 0.5**0.5, 1, 1, -2, -1], rtol=1e-9)


def test_gains_at_a_turn_are_no_worse_for_what_another_turn_gives() -> None:
    """Early gains are large and late ones small: standardised together, who gained most at the end looks bad."""
    gains = np.array([[0.4, 0.02, 0.0], [0.4, 0.01, 0.0]])
    points = np.log(0.1 + np.concatenate([np.zeros((2, 1)), gains.cumsum(1)], axis=1)).ravel()
    batch = batch_of([Run([0, 1, 2, 3], [0, 0, 0], success=False)] * 2, log_belief=points)
    together, apart = score(batch, "igpo"), score(batch, "igpo", by_turn=True)
    assert together[1] < 0.0 < apart[1]
    assert apart[1] == pytest.approx(-apart[4])


@pytest.mark.slow
@drawn
@given(batch=batches(require={"log_belief"}))
def test_rescaled_sums_are_the_published_formula(batch: EpisodeBatch) -> None:
    """A_t = w sum_{t<=j<n} g^(j-t) z_j / sqrt(n - t) + z^R, in plain loops, from what the other options give."""
    single = score(batch, "igpo", discount=0.0, by_turn=True)  # z itself
    expected = []
    for start, stop in zip(batch.offsets[:-1].tolist(), batch.offsets[1:].tolist(), strict=True):
        z = single[start:stop].tolist()
        for t in range(len(z)):
            gains = [0.9**j * gain for j, gain in enumerate(z[t:-1])]
            expected.append(0.3 * sum(gains) / max(len(gains), 1) ** 0.5 + z[-1])
    credit = score(batch, "igpo", discount=0.9, weight=0.3, **BOTH)
    np.testing.assert_allclose(credit, expected, atol=1e-9)


@pytest.mark.slow
@drawn
@given(batch=batches(require={"log_belief"}))
def test_the_defaults_are_igpo_to_the_last_bit(batch: EpisodeBatch) -> None:
    points = np.arange(batch.num_steps) + batch.episode
    gain = np.nan_to_num(np.exp(batch.log_belief[points + 1]) - np.exp(batch.log_belief[points]))
    reward = np.where(batch.is_last, batch.episode_return[batch.episode], gain)
    z = standardise(reward, batch.step_group, batch.num_groups)
    np.testing.assert_array_equal(score(batch, "igpo"), discounted_sum(z, batch.offsets, 1.0))

"""Pooled action values with their evidence: ECPO's shrinkage and gate, RTMC's prior."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
from builders.batches import Run, batch_of, batches
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_gym.data.batch import EpisodeBatch
from credit_gym.scorers import score

drawn = settings(max_examples=80, deadline=None, derandomize=True)


def tries(*returns: tuple[int, float]) -> EpisodeBatch:
    """One-step episodes of one group from one state: (action, return) each."""
    return batch_of([Run([0, 1], [action], rewards=[reward]) for action, reward in returns])


def episodes_of(batch: EpisodeBatch) -> list[list[tuple[int, int, float]]]:
    """(state, action, reward) of each step, episode by episode."""
    rows = list(zip(batch.state.tolist(), batch.action.tolist(), batch.reward.tolist(), strict=True))
    return [rows[a:b] for a, b in zip(batch.offsets[:-1], batch.offsets[1:], strict=True)]


def returns_of(rewards: list[float], discount: float) -> list[float]:
    total, out = 0.0, []
    for reward in reversed(rewards):
        total = reward + discount * total
        out.append(total)
    return out[::-1]


class TestEcpo:
    BATCH = tries((0, 1.0), (0, 0.0), (0, 1.0), (1, 0.0))
    # mean 1/2; m_0 - mean = 2/3 - 1/2 = 1/6, m_1 - mean = -1/2; shrunk by 3/5 and 1/3: 1/10 and -1/6.
    # B = (3/36 + 1/4) / 4 = 1/12, B + W = 1/4, so the gate is tanh(4/2) / 3.
    GATE = np.tanh(2.0) / 3.0

    def test_the_worked_vector(self) -> None:
        good, bad = 0.5 + self.GATE / 10, -0.5 + self.GATE / 10
        expected = [good, bad, good, -0.5 - self.GATE / 6]
        np.testing.assert_allclose(score(self.BATCH, "ecpo", scale=False), expected, rtol=1e-12)

    def test_scaling_divides_both_terms_by_their_deviations(self) -> None:
        # Every state is visited once an episode, so that both deviations are that of the returns, 1/2.
        raw = score(self.BATCH, "ecpo", scale=False)
        np.testing.assert_allclose(score(self.BATCH, "ecpo"), raw / 0.5, rtol=1e-12)

    def test_a_rare_lucky_action_earns_less_than_a_proven_one(self) -> None:
        """GiGPO pays both alike: divergent anchor bias."""
        batch = tries(*[(0, 1.0)] * 6, *[(1, 0.0)] * 6, (2, 1.0))
        credit = score(batch, "ecpo", weight=1.0) - score(batch, "grpo")
        assert 0.0 < credit[-1] < credit[0]
        paid = score(batch, "gigpo")
        assert paid[-1] == pytest.approx(paid[0])
        no_doubt = score(batch, "ecpo", shrinkage=0.0) - score(batch, "grpo")
        assert no_doubt[-1] == pytest.approx(no_doubt[0])

    def test_where_luck_decides_and_not_the_action_the_outcome_is_left(self) -> None:
        noisy = tries((0, 1.0), (0, 0.0), (1, 1.0), (1, 0.0))
        np.testing.assert_allclose(score(noisy, "ecpo"), score(noisy, "grpo"), atol=1e-12)
        lone = tries((0, 1.0), (0, 0.0))
        np.testing.assert_allclose(score(lone, "ecpo"), score(lone, "grpo"), atol=1e-12)

    def test_more_visits_make_a_state_count(self) -> None:
        few, many = tries((0, 1.0), (1, 0.0)), tries(*[(0, 1.0), (1, 0.0)] * 20)
        weights = [(score(b, "ecpo", shrinkage=0.0) - score(b, "grpo"))[0] for b in (few, many)]
        np.testing.assert_allclose(weights, [np.tanh(1.0), 1.0], rtol=1e-12)
        assert (score(few, "ecpo", shrinkage=0.0, evidence=1e-9) - score(few, "grpo"))[0] == pytest.approx(1.0)

    @pytest.mark.slow
    @drawn
    @given(batch=batches(), discount=st.sampled_from((0.0, 0.5, 1.0)), shrinkage=st.sampled_from((0.0, 2.0)))
    def test_it_is_the_published_formula(self, batch: EpisodeBatch, discount: float, shrinkage: float) -> None:
        """mu~ = (n G + k mu) / (n + k), rho = tanh(n_s / tau) B / (B + W), A = A^E + rho (mu~ - mu), in plain loops."""
        small = replace(batch, reward=np.clip(batch.reward, -2.0, 1.0))
        visits: dict[tuple[int, int], dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
        for group, rows in zip(small.group.tolist(), episodes_of(small), strict=True):
            for (s, a, _), value in zip(rows, returns_of([r for *_, r in rows], discount), strict=True):
                visits[group, s][a].append(value)
        expected = []
        for group, rows in zip(small.group.tolist(), episodes_of(small), strict=True):
            for s, a, _ in rows:
                actions = visits[group, s]
                pooled = [value for values in actions.values() for value in values]
                mu, count = np.mean(pooled), len(pooled)
                between = sum(len(v) * (np.mean(v) - mu) ** 2 for v in actions.values()) / count
                within = sum(((np.array(v) - np.mean(v)) ** 2).sum() for v in actions.values()) / count
                n = len(actions[a])
                shrunk = (n * np.mean(actions[a]) + shrinkage * mu) / (n + shrinkage)
                gate = np.tanh(count / 2.0) * between / (between + within + 1e-30)
                expected.append(gate * (shrunk - mu))
        credit = score(small, "ecpo", discount=discount, shrinkage=shrinkage, scale=False)
        np.testing.assert_allclose(credit - score(small, "grpo", scale=False), expected, atol=1e-9)


# Two states in a row, 0 -> 1 -> 2 (the goal). Action 0 moves on, action 1 stays. Returns 1, 0, 1 in one group.
STRAIGHT = Run(path=[0, 1, 2], actions=[0, 0])
LOST = Run(path=[0, 1, 1], actions=[0, 1], success=False)
SLOW = Run(path=[0, 0, 1, 2], actions=[1, 0, 0])
TRIO = batch_of([STRAIGHT, LOST, SLOW])


class TestRtmc:
    def test_the_worked_vector(self) -> None:
        # g = 1/2: returns (1/2, 1), (0, 0), (1/4, 1/2, 1). Q(0,0) = (1/2 + 0 + 1/2) / 3, Q(0,1) = 1/4; the 4 returns
        # sum to 5/4, smoothed with 2 x 2/3: V'(0) = (5/4 + 4/3) / 6 = 31/72. Q(1,0) = 1, Q(1,1) = 0,
        # V'(1) = (2 + 4/3) / 5.
        on, stay, goal, lost = 1 / 3 - 31 / 72, 1 / 4 - 31 / 72, 1 - 2 / 3, -2 / 3
        expected = [on, goal, on, lost, stay, on, goal]
        np.testing.assert_allclose(score(TRIO, "rtmc", discount=0.5), expected, rtol=1e-12)

    def test_only_the_first_visit_of_an_episode_counts(self) -> None:
        # Staying twice: returns 1/4 and 1/2, of which Q(0, 1) is the first; V(0) = (1/4 + 1) / 2.
        loop = batch_of([Run([0, 0, 0, 1], [1, 1, 0])])
        credit = score(loop, "rtmc", discount=0.5, prior=0.0)
        np.testing.assert_allclose(credit, [0.25 - 0.625, 0.25 - 0.625, 1.0 - 0.625], rtol=1e-12)

    def test_without_a_prior_states_that_do_not_recur_earn_nothing_and_with_one_the_outcome(self) -> None:
        alone = batch_of([Run([0, 1, 2], [0, 0]), Run([3, 4, 5], [0, 0], success=False)])
        np.testing.assert_allclose(score(alone, "rtmc", prior=0.0), 0.0, atol=1e-12)
        centred = score(alone, "grpo", scale=False)
        np.testing.assert_allclose(score(alone, "rtmc", discount=1.0), 2 / 3 * centred, rtol=1e-12)

    @pytest.mark.slow
    @drawn
    @given(batch=batches(), discount=st.sampled_from((0.0, 0.5, 1.0)), prior=st.sampled_from((0.0, 2.0, 7.5)))
    def test_it_is_the_published_formula(self, batch: EpisodeBatch, discount: float, prior: float) -> None:
        """A = Q(s, a) - V'(s) over a tree of first visits, in plain loops."""
        small = replace(batch, reward=np.clip(batch.reward, -2.0, 1.0))
        tree: dict[tuple[int, int, int], list[float]] = defaultdict(list)
        returns: dict[int, list[float]] = defaultdict(list)
        for group, rows in zip(small.group.tolist(), episodes_of(small), strict=True):
            rewards = [reward for *_, reward in rows]
            returns[group].append(sum(rewards))
            seen = set()
            for (s, a, _), value in zip(rows, returns_of(rewards, discount), strict=True):
                if (s, a) not in seen:
                    seen.add((s, a))
                    tree[group, s, a].append(value)
        expected = []
        for group, rows in zip(small.group.tolist(), episodes_of(small), strict=True):
            for s, a, _ in rows:
                here = [v for (g, state, _), values in tree.items() if (g, state) == (group, s) for v in values]
                smoothed = (sum(here) + prior * np.mean(returns[group])) / (len(here) + prior)
                expected.append(np.mean(tree[group, s, a]) - smoothed)
        credit = score(small, "rtmc", discount=discount, prior=prior)
        np.testing.assert_allclose(credit, expected, atol=1e-9)

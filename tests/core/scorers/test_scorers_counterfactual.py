"""Scorers on replay trees and teams: the published vectors, their equivalences, and what each is unbiased for."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from math import prod

import numpy as np
import pytest
from builders.batches import NAN, Run, batch_of
from hypothesis import given, settings
from hypothesis import strategies as st

import credit_gym.scorers.c3
import credit_gym.scorers.magrpo
import credit_gym.scorers.mappo
import credit_gym.scorers.role_shapley
import credit_gym.scorers.vine  # noqa: F401
from credit_gym.data.batch import EpisodeBatch
from credit_gym.errors import BatchError, MissingColumnError, OptionError, UnknownNameError
from credit_gym.estimation.siblings import check_product_tree
from credit_gym.scorers import score

LEAVES = (1, 0, 0, 1, 0, 0, 1, 0)  # spec: fan-out [2, 4]
quick = settings(max_examples=40, deadline=None, derandomize=True)


def tree_batch(
    fanout: tuple[int, ...], rewards: np.ndarray, *, groups: int = 1, value: np.ndarray | None = None
) -> EpisodeBatch:
    """Product trees whose leaves earn `rewards` (groups * leaves), every action of a context different."""
    paths = list(product(*map(range, fanout)))
    runs, parent, role = [], [], []
    for g in range(groups):
        points = {path[: d + 1]: k for k, (path, d) in enumerate((p, d) for p in paths for d in range(len(fanout)))}
        for k, path in enumerate(paths):
            reward = [0.0] * (len(path) - 1) + [float(rewards[g * len(paths) + k])]
            runs.append(Run([0] * (len(path) + 1), list(path), group=g, rewards=reward))
            parent += [-1 if d == 0 else points[path[:d]] for d in range(len(path))]
            role += list(range(len(path)))
    return batch_of(runs, parent=np.array(parent), role=np.array(role), value=value)


def plays(batch: EpisodeBatch, credit: np.ndarray, step: int) -> np.ndarray:
    """The credits of the plays of one depth, each once, in order."""
    rows = np.flatnonzero(batch.step == step)
    after = np.where(batch.is_last, np.arange(batch.num_steps), np.roll(batch.parent, -1))
    _, first = np.unique(np.stack([batch.step_group[rows], after[rows]]), axis=1, return_index=True)
    return credit[rows][np.sort(first)]


fanouts = st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple).filter(lambda f: prod(f) <= 60)


@st.composite
def trees(draw: st.DrawFn, *, groups: int = 2) -> tuple[tuple[int, ...], EpisodeBatch]:
    fanout = draw(fanouts)
    size = groups * prod(fanout)
    rewards = draw(st.lists(st.sampled_from((0.0, 0.1, 0.25, 0.5, 1.0)), min_size=size, max_size=size))
    return fanout, tree_batch(fanout, np.array(rewards), groups=groups)


@pytest.mark.parametrize(
    ("options", "first", "second"),
    [
        ({}, (0.25, -0.25), (2 / 3, -2 / 3, -2 / 3, 2 / 3, -1 / 3, -1 / 3, 1, -1 / 3)),
        ({"baseline": "mean"}, (0.125, -0.125), (0.5, -0.5, -0.5, 0.5, -0.25, -0.25, 0.75, -0.25)),
        ({"replay": False}, (0.25, -0.25), tuple(5 / 7 if leaf else -3 / 7 for leaf in LEAVES)),
    ],
)  # fmt: skip
def test_c3_gives_the_published_vectors(
    options: dict[str, object], first: tuple[float, ...], second: tuple[float, ...]
) -> None:
    batch = tree_batch((2, 4), np.array(LEAVES))
    credit = score(batch, "c3", **options)
    np.testing.assert_allclose(plays(batch, credit, 0), first)
    np.testing.assert_allclose(plays(batch, credit, 1), second)


def test_upstream_gives_two_siblings_a_sign_and_shrinking_keeps_their_gap() -> None:
    rewards = np.array([1, 1, 1, 0, 1, 1, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0])  # 3/4 against 2/4, and 4/4 against 0/4
    batch = tree_batch((2, 2, 4), rewards)
    signs = plays(batch, score(batch, "c3", mode="upstream"), 1)
    np.testing.assert_allclose(signs, [1, -1, 1, -1], rtol=1e-5)
    shrunk = plays(batch, score(batch, "c3", scale="shrunk"), 1)
    np.testing.assert_allclose(shrunk[[0, 2]] + shrunk[[1, 3]], 0.0, atol=1e-12)
    assert 0.0 < 2 * shrunk[0] < shrunk[2]


@quick
@given(trees())
def test_credits_of_siblings_cancel_and_leave_one_out_is_a_scaled_mean(
    drawn: tuple[tuple[int, ...], EpisodeBatch],
) -> None:
    fanout, batch = drawn
    check_product_tree(batch, fanout)
    loo, mean = score(batch, "c3"), score(batch, "c3", baseline="mean")
    for depth, n in enumerate(fanout):
        siblings = plays(batch, loo, depth).reshape(-1, n)
        np.testing.assert_allclose(siblings.sum(axis=1), 0.0, atol=1e-12)
        expected = plays(batch, mean, depth) * (n / (n - 1) if n > 1 else 0.0)
        np.testing.assert_allclose(siblings.ravel(), expected, atol=1e-12)
        if n == 2:
            np.testing.assert_allclose(siblings[:, 0], -siblings[:, 1], atol=1e-12)


@quick
@given(trees(), st.sampled_from(("context", "role", "group", "batch")))
def test_standardised_leave_one_out_is_the_standardised_mean(
    drawn: tuple[tuple[int, ...], EpisodeBatch], scale: str
) -> None:
    fanout, batch = drawn
    if scale != "context" and len(set(fanout) - {1}) > 1:
        return  # only within one n are the two proportional
    loo, mean = (score(batch, "c3", baseline=b, scale=scale) for b in ("loo", "mean"))
    np.testing.assert_allclose(loo, mean, atol=1e-9)


@pytest.mark.parametrize("scale", ["none", "context", "role", "group", "batch", "shrunk"])
@pytest.mark.parametrize("scorer", ["c3", "counterfactual", "vine", "magrpo", "role_shapley"])
@pytest.mark.parametrize("reward", [0.1, 1 / 3, 1e6])
def test_equal_rewards_give_no_credit_however_scaled(scorer: str, scale: str, reward: float) -> None:
    batch = tree_batch((3, 3), np.full(18, reward), groups=2)
    np.testing.assert_allclose(score(batch, scorer, scale=scale), 0.0, atol=1e-9 * reward)


@pytest.mark.parametrize("scorer", ["c3", "counterfactual", "vine", "magrpo", "role_shapley"])
def test_the_order_and_company_of_trees_change_nothing(scorer: str) -> None:
    batch = tree_batch((2, 3), np.random.default_rng(0).random(18), groups=3)
    credit = score(batch, scorer)
    order = np.random.default_rng(1).permutation(batch.num_episodes)
    rows = np.concatenate([np.arange(batch.offsets[e], batch.offsets[e + 1]) for e in order])
    np.testing.assert_allclose(score(batch.select(order), scorer), credit[rows], atol=1e-12)
    parts = [score(batch.select(np.flatnonzero(batch.group == g)), scorer) for g in range(3)]
    np.testing.assert_allclose(np.concatenate(parts), credit, atol=1e-12)


def test_what_does_not_belong_to_a_tree_is_refused_by_name() -> None:
    batch = tree_batch((2, 2), np.arange(4.0))
    with pytest.raises(BatchError, match="fan-out asks for 3"):
        check_product_tree(batch, (3, 2))
    with pytest.raises(BatchError, match="has 1 plays"):
        check_product_tree(batch.select([0, 2, 3]), (2, 2))
    with pytest.raises(BatchError, match="has 3 plays"):  # a leaf twice
        check_product_tree(batch.select([0, 0, 1, 2, 3]), (2, 2))
    with pytest.raises(BatchError, match="depth 1"):
        check_product_tree(batch, (4,))
    with pytest.raises(MissingColumnError, match="ReplayTree"):
        score(replace(batch, parent=None), "c3")
    with pytest.raises(BatchError, match="reward"):
        tree_batch((2, 2), np.array([0.0, NAN, 1.0, 1.0]))
    with pytest.raises(BatchError, match="below -1"):
        score(replace(batch, parent=batch.parent - 1), "c3")
    lonely = tree_batch((1, 2, 2), np.arange(4.0))
    merged = replace(lonely, parent=np.where(lonely.step == 2, 0, lonely.parent))
    with pytest.raises(BatchError, match=r"fan-out|one point"):
        check_product_tree(merged, (1, 2, 2))


@pytest.mark.slow
@quick
@given(st.data())
def test_the_critic_is_added_after_centring(data: st.DataObject) -> None:
    n = data.draw(st.integers(2, 5))
    numbers = st.lists(st.floats(-1, 1, allow_subnormal=False), min_size=n, max_size=n)
    r, q = np.array(data.draw(numbers)), np.array(data.draw(numbers))
    value = np.stack([np.zeros(n), q], axis=1).ravel()  # the point before and the point after each message
    batch = tree_batch((n,), r, value=value)
    assisted = score(batch, "c3", variant="value_assisted")
    expected = (r - r.mean()) + (q - q.mean()) / (n - 1)
    np.testing.assert_allclose(assisted - assisted.mean(), expected, atol=1e-9)
    np.testing.assert_allclose(score(batch, "c3", variant="value_assisted", alpha=0.0), score(batch, "c3"), atol=1e-12)
    np.testing.assert_allclose(score(batch, "c3", variant="value_only"), n / (n - 1) * (q - q.mean()), atol=1e-9)


def test_a_critic_without_a_reading_is_refused() -> None:
    batch = tree_batch((2,), np.array([0.0, 1.0]), value=np.array([0.0, 1.0, 0.0, NAN]))
    with pytest.raises(BatchError, match="after step 1"):
        score(batch, "c3", variant="value_only")
    with pytest.raises(MissingColumnError, match="critic"):
        score(replace(batch, value=None), "c3", variant="value_assisted")
    for options in ({"variant": "q"}, {"baseline": "l"}, {"scale": "x"}, {"mode": "y"}):
        with pytest.raises(UnknownNameError):
            score(batch, "c3", **options)
    with pytest.raises(OptionError, match="alpha"):
        score(batch, "c3", variant="value_assisted", alpha=2.0)


def test_flat_without_replay_is_joint_magrpo() -> None:
    rewards = np.random.default_rng(3).random(8)
    batch = tree_batch((8, 1), rewards)
    for scale in ("none", "batch"):
        no_replay = score(batch, "c3", replay=False, scale=scale)
        np.testing.assert_allclose(no_replay, score(batch, "magrpo", baseline="loo", scale=scale), atol=1e-12)


def test_a_value_of_a_play_weighs_its_branches_evenly() -> None:
    """One branch below the first message was explored three times as much; it is still one of two."""
    runs = [Run([0] * 3, [0, a], group=0, rewards=[0.0, r]) for a, r in ((0, 1.0), (1, 0.0))]
    runs += [Run([0] * 4, [0, 2, a], group=0, rewards=[0.0, 0.0, r]) for a, r in ((0, 0.0), (1, 0.0), (2, 0.6))]
    runs += [Run([0, 0], [1], group=0, rewards=[0.0])]
    batch = batch_of(runs, parent=[-1, 0, -1, 0, -1, 0, 1, -1, 0, 1, -1, 0, 1, -1])
    credit = score(batch, "c3")
    np.testing.assert_allclose(credit[batch.step == 0][0], (1.0 + 0.0 + 0.2) / 3)


def test_counterfactual_pools_equal_actions_and_counts_draws() -> None:
    runs = [Run([0, 0], [a], rewards=[r]) for a, r in ((0, 1.0), (0, 0.0), (1, 1.0), (1, 1.0))]
    batch = batch_of(runs, parent=[-1] * 4)
    np.testing.assert_allclose(score(batch, "counterfactual", scale="none"), 4 / 3 * np.array([-1, -1, 1, 1]) / 4)
    np.testing.assert_allclose(score(batch, "counterfactual", scale="none", draws=2), np.array([-1, -1, 1, 1]) / 2)
    with pytest.raises(OptionError, match="draws"):
        score(batch, "counterfactual", draws=0)


def test_vine_takes_the_other_plays_as_restarts_and_telescopes() -> None:
    batch = tree_batch((2, 4), np.array(LEAVES))
    credit = score(batch, "vine")
    # First episode: V(root) without its play .25, V(next) without its leaf 1/3, reward 1.
    np.testing.assert_allclose(credit[:2], [1 / 3 - 1 / 4, 1 - 1 / 3])
    total = np.bincount(batch.episode, weights=credit)
    other = np.repeat([0.25, 0.5], 4)
    np.testing.assert_allclose(total, np.array(LEAVES) - other)


def test_vine_without_restarts_telescopes_to_nothing() -> None:
    batch = tree_batch((1, 1, 1), np.array([1.0]))
    np.testing.assert_allclose(score(batch, "vine"), 0.0, atol=1e-12)


@pytest.mark.parametrize(
    ("discount", "lam", "two", "three"),
    [
        (1.0, 1.0, (0.6, 0.3), (0.5, 0.4, 0.2)),
        (0.9, 0.95, (0.23 + 0.855 * 0.3, 0.3), (0.04 + 0.855 * 0.12 + 0.855**2 * 0.2, 0.12 + 0.855 * 0.2, 0.2)),
    ],
)  # fmt: skip
def test_mappo_gives_the_advantages_worked_by_hand(
    discount: float, lam: float, two: tuple[float, ...], three: tuple[float, ...]
) -> None:
    """V = .4, .7 then .5, .6, .8; reward 1 at the end: deltas g*.7-.4, .3 and g*.6-.5, g*.8-.6, .2."""
    runs = [Run([0] * 3, [0, 1]), Run([0] * 4, [0, 1, 2])]
    value = [0.4, 0.7, 0.0, 0.5, 0.6, 0.8, 0.0]
    batch = batch_of(runs, value=value, role=[0, 1, 0, 1, 2])
    credit = score(batch, "mappo", discount=discount, lam=lam)
    np.testing.assert_allclose(credit, [*two, *three])
    np.testing.assert_allclose(score(batch.select([1, 0]), "mappo", discount=discount, lam=lam), [*three, *two])


def test_mappo_counts_a_role_that_acts_twice_as_one_turn() -> None:
    batch = batch_of([Run([0] * 4, [0, 1, 2])], value=[0.5, 0.9, 0.6, 0.0], role=[0, 0, 1])
    np.testing.assert_allclose(score(batch, "mappo", lam=0.0), [0.1, 0.1, 0.4])


def test_mappo_upstream_divides_by_the_number_of_tokens() -> None:
    columns = {"value": [0.5, 0.0, 0.5, 0.0], "role": [0, 0], "logprob_offsets": [0, 2, 7], "policy_logprob": [0.0] * 7}
    batch = batch_of([Run([0, 0], [0]), Run([0, 0], [1], success=False)], **columns)
    np.testing.assert_allclose(score(batch, "mappo", mode="upstream"), [1 / 2, -1 / 5], rtol=1e-6)


def test_magrpo_levels_and_baselines() -> None:
    batch = tree_batch((2, 4), np.array(LEAVES))
    np.testing.assert_allclose(plays(batch, score(batch, "magrpo"), 1), np.array(LEAVES) - 3 / 8)
    np.testing.assert_allclose(score(batch, "magrpo", baseline="loo"), score(batch, "magrpo") * 8 / 7)
    role = score(batch, "magrpo", level="role")
    np.testing.assert_allclose(plays(batch, role, 0), [0.125, -0.125])
    np.testing.assert_allclose(plays(batch, role, 1), np.array(LEAVES) - 3 / 8)
    flat = tree_batch((8, 1), np.array(LEAVES))
    np.testing.assert_allclose(score(flat, "magrpo", level="role"), score(flat, "magrpo"))


def test_magrpo_alone_in_its_group() -> None:
    batch = tree_batch((1, 1), np.array([1.0]))
    assert score(batch, "magrpo").tolist() == [0.0, 0.0]
    assert score(batch, "magrpo", baseline="loo").tolist() == [0.0, 0.0]
    assert score(batch, "magrpo", mode="upstream").tolist() == [0.0, 0.0]
    assert score(batch, "magrpo", baseline="loo", mode="upstream").tolist() == [1.0, 1.0]  # the raw return


def test_magrpo_upstream_divides_by_the_deviation_of_returns() -> None:
    """Leave-one-out of n is n / (n - 1) times the centred return, over one and the same deviation."""
    pair = tree_batch((2, 1), np.array([1.0, 0.0]))
    upstream = {"mode": "upstream"}
    np.testing.assert_allclose(plays(pair, score(pair, "magrpo", **upstream), 1), [1.0, -1.0], rtol=1e-6)
    for level in ("joint", "role"):
        credit = score(pair, "magrpo", baseline="loo", level=level, **upstream)
        np.testing.assert_allclose(plays(pair, credit, 1), [2.0, -2.0], rtol=1e-6)
    flat = tree_batch((8, 1), np.array(LEAVES))
    mean = score(flat, "magrpo", **upstream)
    np.testing.assert_allclose(score(flat, "magrpo", baseline="loo", **upstream), mean * 8 / 7, rtol=1e-12)
    np.testing.assert_allclose(plays(flat, mean, 1), (np.array(LEAVES) - 3 / 8) / np.sqrt(15 / 64 + 1e-8), rtol=1e-9)


def team_batch(policy: np.ndarray, success: np.ndarray) -> EpisodeBatch:
    """Every pair of messages once for each unit of `policy`; the pair (a, b) earns success[a, b]."""
    pairs = [(a, b) for a in range(2) for b in range(2) for _ in range(int(policy[a, b]))]
    runs = [Run([0] * 3, [a, b], rewards=[0.0, float(success[a, b])]) for a, b in pairs]
    return batch_of(runs, role=[0, 1] * len(pairs))


def test_shapley_divides_a_hand_made_game_as_it_should() -> None:
    even = np.ones((2, 2))
    dictator = score(team_batch(even, np.array([[0, 0], [1, 1]])), "role_shapley")
    np.testing.assert_allclose(dictator, [-0.5, 0, -0.5, 0, 0.5, 0, 0.5, 0], atol=1e-12)
    xor = score(team_batch(even, np.array([[0, 1], [1, 0]])), "role_shapley")
    np.testing.assert_allclose(xor, np.repeat([-0.25, 0.25, 0.25, -0.25], 2), atol=1e-12)
    redundant = score(team_batch(even, np.array([[0, 1], [1, 1]])), "role_shapley")
    np.testing.assert_allclose(redundant[6:], 0.125)  # both right: one right message was enough, they share
    np.testing.assert_allclose(redundant[:2], -0.375)


@pytest.mark.slow
@quick
@given(st.data())
def test_shapley_values_add_up_to_the_transcript_less_the_mean(data: st.DataObject) -> None:
    roles, episodes = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 8))
    words = st.lists(st.integers(0, 1), min_size=roles, max_size=roles)
    rewards = data.draw(st.lists(st.sampled_from((0.0, 0.5, 1.0)), min_size=episodes, max_size=episodes))
    said = [data.draw(words) for _ in range(episodes)]
    runs = [Run([0] * (roles + 1), s, rewards=[0.0] * (roles - 1) + [r]) for s, r in zip(said, rewards, strict=True)]
    batch = batch_of(runs, role=list(range(roles)) * episodes)
    total = np.bincount(batch.episode, weights=score(batch, "role_shapley"))
    same = [np.mean([r for s, r in zip(said, rewards, strict=True) if s == mine]) for mine in said]
    np.testing.assert_allclose(total, np.array(same) - np.mean(rewards), atol=1e-12)


def test_shapley_splits_a_role_over_its_steps_and_refuses_a_crowd() -> None:
    runs = [Run([0] * 3, [a, a], rewards=[0.0, float(a)]) for a in (0, 1)]
    credit = score(batch_of(runs, role=[0, 0, 0, 0]), "role_shapley")
    np.testing.assert_allclose(credit, [-0.25, -0.25, 0.25, 0.25])
    crowd = batch_of([Run([0] * 14, [0] * 13)], role=list(range(13)))
    with pytest.raises(BatchError, match="13 roles"):
        score(crowd, "role_shapley")

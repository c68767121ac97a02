"""Scorers on the pooled graph: hand-worked vectors, slow references and the identities of their definitions."""

from __future__ import annotations

from collections import defaultdict
from itertools import permutations

import numpy as np
import pytest
from builders.batches import NAN, Run, batch_of, batches
from hypothesis import assume, given
from hypothesis import strategies as st

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray, group_mean
from credit_gym.errors import MissingColumnError
from credit_gym.estimation.policy_iteration import optimal_action_value
from credit_gym.estimation.pooled_graph import PooledGraph, action_value, pool, success_value
from credit_gym.estimation.successes import success_path, successes_through
from credit_gym.scorers import score

LOOP, ON, DIE = 0, 1, 2

# One state, three actions: the loop returns, ON wins at once, DIE fails. V = b (V / 3 + 1 / 3).
FORK = batch_of(
    [
        Run(path=[0, 0, 9], actions=[LOOP, ON]),
        Run(path=[0, 8], actions=[DIE], success=False),
    ]
)


def edge_mean(graph: PooledGraph, credit: FloatArray) -> FloatArray:
    return group_mean(credit, graph.edge, graph.num_edges)


# crbc


def test_crbc_raw_of_the_fork_by_hand() -> None:
    # b = 1/2: V = (1/6) / (1 - 1/6) = 1/5; Q = (V/2, 1/2, 0).
    assert score(FORK, "crbc_raw", discount=0.5) == pytest.approx([-0.1, 0.3, -0.2])


def test_crbc_adds_the_normalised_state_term_to_the_outcome() -> None:
    spread = np.sqrt((0.01 + 0.09 + 0.04) / 3)
    outcome = np.array([1.0, 1.0, -1.0])
    state = np.array([-0.1, 0.3, -0.2]) / spread
    assert score(FORK, "crbc", discount=0.5) == pytest.approx(outcome + 5 * state)
    assert score(FORK, "crbc", discount=0.5, weight_group=0.0, floor=10.0) == pytest.approx([-0.05, 0.15, -0.1])


def test_crbc_counts_truncation_as_failure() -> None:
    cut = batch_of([Run(path=[0, 0, 9], actions=[LOOP, ON]), Run([0, 8], [DIE], success=False, truncated=True)])
    np.testing.assert_array_equal(score(cut, "crbc"), score(FORK, "crbc"))


@pytest.mark.slow
@given(batches())
def test_closure_credit_is_centred_at_every_state(batch: EpisodeBatch) -> None:
    graph = pool(batch)
    total = np.bincount(graph.node, score(batch, "crbc_raw"), graph.num_nodes)
    np.testing.assert_allclose(total, 0.0, atol=1e-9)


# graphhca, graphgpo


def test_graphhca_standardises_the_log_potential_of_the_next_state() -> None:
    # b = 1/2: Phi(0) = 1/5, so the log-potentials reached are log 1/5, log 1 and log 0.01.
    reached = np.log([0.2, 1.0, 0.01])
    expected = np.array([1.0, 1.0, -1.0]) + 3 * (reached - reached.mean()) / reached.std()
    assert score(FORK, "graphhca", discount=0.5, weight_state=3.0) == pytest.approx(expected)


def test_graphgpo_ranks_by_the_shortest_recorded_distance() -> None:
    # The loop leads one step before success (g^1), ON to success (g^0), DIE nowhere (0).
    reached = np.array([0.5, 1.0, 0.0])
    expected = (reached - reached.mean()) / reached.std()
    assert score(FORK, "graphgpo", discount=0.5) == pytest.approx(expected)
    assert score(FORK, "graphgpo", discount=0.5, offset=3.0) == pytest.approx(expected)


def test_graphgpo_is_blind_to_how_unlikely_a_lucky_transition_was() -> None:
    gamble = [Run([0, 1, 9], [0, 0])] + [Run([0, 1, 8], [0, 0], success=False)] * 9
    safe = [Run([0, 2, 3, 9], [1, 0, 0])] * 10
    batch = batch_of(gamble + safe)
    first = batch.step == 0
    risky, sure = (score(batch, "graphgpo")[first & (batch.action == action)].mean() for action in (0, 1))
    assert risky > sure
    risky, sure = (score(batch, "emp_qstar")[first & (batch.action == action)].mean() for action in (0, 1))
    assert risky < sure


# emp_qstar


def test_optimal_value_differs_from_the_behaviours() -> None:
    # From state 1 the behaviour wins half the time, the best action always: Q*(0, ON) = b^2, not b^2 / 2.
    batch = batch_of([Run([0, 1, 9], [ON, ON]), Run([0, 1, 8], [ON, DIE], success=False), Run([0, 9], [LOOP])])
    graph = pool(batch)
    assert optimal_action_value(graph, 0.5, 0.0) == pytest.approx([0.5, 0.25, 0.5, 0.0])
    assert score(batch, "emp_qstar", discount=0.5) == pytest.approx([-1 / 12, 0.25, -1 / 12, -0.25, 1 / 6])


def test_emp_qstar_censors_truncation_where_crbc_blames_it() -> None:
    runs = [Run([0, 9], [ON]), Run([0, 5], [ON], success=False, truncated=True), Run([0, 9], [LOOP])]
    cut = batch_of(runs)
    assert score(cut, "emp_qstar") == pytest.approx([0.0, 0.0, 0.0])
    assert score(cut, "crbc_raw")[0] < 0
    failed = batch_of([runs[0], Run([0, 5], [ON], success=False), runs[2]])
    assert score(failed, "emp_qstar")[0] < 0


def test_pseudo_count_keeps_n_over_n_plus_k_of_a_value() -> None:
    batch = batch_of([Run([0, 9], [ON])] * 3 + [Run([0, 9], [LOOP])])
    assert optimal_action_value(pool(batch), 1.0, 2.0) == pytest.approx([1 / 3, 3 / 5])
    credit = edge_mean(pool(batch), score(batch, "emp_qstar_pessimistic"))
    assert credit[0] < credit[1]


def test_undiscounted_circle_is_worth_nothing_and_is_left() -> None:
    # 0 -> 0 circles for ever if chosen greedily; Q*(0, LOOP) is that of leaving afterwards.
    batch = batch_of([Run([0, 0, 0, 1, 9], [LOOP, LOOP, ON, ON])])
    assert optimal_action_value(pool(batch), 1.0, 0.0) == pytest.approx([1.0, 1.0, 1.0])
    never = batch_of([Run([0, 0, 0], [LOOP, ON], success=False, truncated=True)])
    assert optimal_action_value(pool(never), 1.0, 0.0) == pytest.approx([0.0, 0.0])


@pytest.mark.slow
@given(batches(), st.sampled_from((0.5, 0.98)), st.sampled_from((0.0, 1.0)))
def test_policy_iteration_equals_value_iteration(batch: EpisodeBatch, discount: float, pseudo: float) -> None:
    graph = pool(batch)
    counts = graph.edge_counts.toarray()
    trials = np.maximum(counts[:, :-1].sum(axis=1) + pseudo, 1.0)
    quality = np.zeros(graph.num_edges)
    for _ in range(1500):
        value = np.zeros(graph.num_nodes)
        np.maximum.at(value, graph.edge_node, quality)
        quality = discount * counts @ np.concatenate([value, [1.0, 0.0, 0.0]]) / trials
    np.testing.assert_allclose(optimal_action_value(graph, discount, pseudo), quality, atol=1e-8)


# hindsight


def erase_loops(states: list[int]) -> list[int]:
    """Steps left by chronological loop erasure, the slow way: drop the steps since a state that is met again."""
    path: list[int] = []
    for step, state in enumerate(states):
        for position, kept in enumerate(path):
            if states[kept] == state:
                del path[position:]
                break
        path.append(step)
    return path


def test_hindsight_by_hand() -> None:
    #  0 -a-> 1 -b-> 2 -c-> 1 -d-> 3 -e-> 3 -f-> goal: b, c and e are loops.
    win = Run([0, 1, 2, 1, 3, 3, 9], [0, 1, 2, 3, 4, 5])
    lose = Run([0, 1], [0], success=False)
    assert score(batch_of([win, lose]), "hindsight").tolist() == [1, 0, 0, 1, 0, 1, 0]
    assert score(batch_of([win, lose]), "hindsight", signed=True).tolist() == [1, -1, -1, 1, -1, 1, 0]


def test_a_repeated_edge_keeps_its_last_copy() -> None:
    assert score(batch_of([Run([0, 1, 0, 1, 9], [5, 6, 5, 7])]), "hindsight").tolist() == [0, 0, 1, 1]


@given(st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=30), min_size=1, max_size=4))
def test_last_exits_equal_chronological_loop_erasure(paths: list[list[int]]) -> None:
    batch = batch_of([Run([*path, 99], [0] * len(path)) for path in paths])
    kept = success_path(batch, pool(batch))
    slow = [batch.offsets[e] + step for e, path in enumerate(paths) for step in erase_loops(path)]
    assert np.flatnonzero(kept).tolist() == slow


# branch_aware, combined


def test_branch_aware_by_hand() -> None:
    runs = [Run([0, 9], [a]) for a in (0, 0, 1, 2)]
    batch = batch_of([*runs, Run([4, 9], [0])], verifier=[1.0, 0.0, -1.0, 0.5, 1.0])
    # Means 0.5, -1, 0.5; others of 0: -0.25; of 1: 0.5; of 2: -0.25; state 4 has one action only.
    assert score(batch, "branch_aware") == pytest.approx([1.25, 0.25, -1.5, 0.75, 0.0])


def test_branch_aware_leaves_missing_readings_out() -> None:
    runs = [Run([0, 9], [a]) for a in (0, 0, 1, 2)]
    batch = batch_of(runs, verifier=[1.0, NAN, 0.0, NAN])
    # Action 2 has no reading: it is no alternative and gets 0; the unread step of action 0 takes its mean.
    assert score(batch, "branch_aware") == pytest.approx([1.0, 1.0, -1.0, 0.0])


def test_branch_aware_without_readings_names_the_wrapper() -> None:
    with pytest.raises(MissingColumnError, match="RecordVerifier"):
        score(FORK, "branch_aware")


@pytest.mark.slow
@given(batches(require=("verifier",)))
def test_mean_contrast_is_k_over_k_minus_1_times_the_centred_mean(batch: EpisodeBatch) -> None:
    assume(batch.num_steps > 0)
    graph, reading = pool(batch), batch.require("verifier")
    credit = edge_mean(graph, score(batch, "branch_aware"))
    read = np.isfinite(reading)
    means: dict[int, dict[int, float]] = defaultdict(dict)
    for edge in np.unique(graph.edge[read]):
        means[int(graph.edge_node[edge])][int(edge)] = float(reading[read & (graph.edge == edge)].mean())
    for actions in means.values():
        k, centre = len(actions), np.mean(list(actions.values()))
        for edge, mean in actions.items():
            expected = k / (k - 1) * (mean - centre) if k > 1 else 0.0
            assert credit[edge] == pytest.approx(expected, abs=1e-9)


@given(st.floats(-2, 2), st.floats(-2, 2), st.floats(0.1, 4))
def test_combined_prefers_the_success_path_within_the_verifiers_margin(good: float, bad: float, lambda_: float) -> None:
    # Two actions (k = 2): ON always lies on the success path (h = 1), LOOP never (h = 0).
    batch = batch_of([Run([0, 0, 9], [LOOP, ON])], verifier=[bad, good])
    margin = 2.0 * (bad - good)  # k / (k - 1) times the difference of the mean readings
    assume(abs(margin - lambda_) > 1e-6)
    loop, on = score(batch, "combined", lambda_=lambda_)
    assert (on > loop) == (margin < lambda_)
    assert on - loop == pytest.approx(lambda_ - margin)


# adaptive


def test_successes_through_counts_an_episode_once() -> None:
    batch = batch_of([Run([0, 0, 1, 9], [LOOP, ON, ON]), Run([0, 9], [ON]), Run([0, 1, 8], [ON, DIE], success=False)])
    assert successes_through(batch, pool(batch)).tolist() == [2.0, 1.0]


@pytest.mark.parametrize("name", ["adaptive", "adaptive_q"])
def test_adaptive_weighs_outcome_and_verifier_by_the_successes_at_the_state(name: str) -> None:
    runs = [Run([0, 9], [ON]), Run([0, 9], [ON]), Run([0, 8], [DIE], success=False)]
    verifier = [-1.0, -1.0, 1.0]
    batch = batch_of(runs, verifier=verifier)
    z = np.array([1.0, 1.0, -2.0]) / np.sqrt(2.0)
    contrast = np.array([-2.0, -2.0, 2.0])
    for kappa, weight in ((2.0, 0.5), (6.0, 0.25), (0.0, 1.0)):
        assert score(batch, name, kappa=kappa) == pytest.approx(weight * z + (1 - weight) * contrast)
    hopeless = batch_of([Run([0, 8], [a], success=False) for a in (ON, ON, DIE)], verifier=verifier)
    assert score(hopeless, name, kappa=0.0) == pytest.approx(contrast)


def test_two_names_of_one_action_are_not_told_apart_by_rounding() -> None:
    # Actions 0 and 1 of state 0 do the same thing; a standard score must not blow their rounding up.
    wins = [Run([0, 1, 9], [a, 0]) for a in (0, 0, 0, 1, 1, 1, 1)]
    losses = [Run([0, 1, 8], [a, 0], success=False) for a in (0, 1, 1)]
    batch = batch_of(wins + losses, verifier=[0.0] * 20)
    for credit in (score(batch, "adaptive"), score(batch, "adaptive_q", pseudo_count=0.0), score(batch, "graphgpo")):
        np.testing.assert_allclose(credit[batch.state == 0], 0.0, atol=1e-6)


# loo, shapley


@pytest.mark.slow
@given(batches(max_episodes=8))
def test_loo_and_shapley_equal_the_game_solved_by_enumeration(batch: EpisodeBatch) -> None:
    graph = pool(batch)
    quality = action_value(graph, success_value(graph, 0.98), 0.98)
    loo, shapley = (edge_mean(graph, score(batch, name)) for name in ("loo", "shapley"))
    for node in range(graph.num_nodes):
        players = np.flatnonzero(graph.edge_node == node).tolist()

        def worth(coalition: list[int]) -> float:
            return float(np.mean(quality[coalition])) if coalition else 0.0

        orders = list(permutations(players))
        for player in players:
            joins = [
                worth([*order[: order.index(player)], player]) - worth([*order[: order.index(player)]])
                for order in orders
            ]
            assert shapley[player] == pytest.approx(np.mean(joins), abs=1e-9)
            rest = [other for other in players if other != player]
            assert loo[player] == pytest.approx(worth(players) - worth(rest), abs=1e-9)
        assert shapley[players].sum() == pytest.approx(worth(players), abs=1e-9)


# what the methods are for


def test_a_lucky_loop_fools_the_outcome_and_not_the_graph() -> None:
    # The loop was tried once, in an episode that went on to win; progress wins two times in three.
    wins = [Run([0, 0, 1, 9], [LOOP, ON, ON]), Run([0, 1, 9], [ON, ON])]
    batch = batch_of([*wins, Run([0, 1, 8], [ON, DIE], success=False)], verifier=[0, 1, 1, 1, 1, 1, -1])
    graph = pool(batch)
    loop, on = 0, 1
    outcome = edge_mean(graph, score(batch, "outcome_only"))
    assert outcome[loop] > outcome[on]
    for name in (
        "crbc",
        "crbc_raw",
        "graphhca",
        "graphgpo",
        "emp_qstar",
        "emp_qstar_pessimistic",
        "hindsight",
        "branch_aware",
        "combined",
        "adaptive",
        "adaptive_q",
        "loo",
        "shapley",
    ):
        credit = edge_mean(graph, score(batch, name))
        assert credit[on] > credit[loop], name

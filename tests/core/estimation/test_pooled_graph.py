"""The pooled graph and its linear solve, against hand-worked chains, dense algebra and networkx."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from builders.batches import Run, batch_of, batches
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from credit_gym.data.batch import EpisodeBatch
from credit_gym.estimation.pooled_graph import (
    FAILURE,
    SUCCESS,
    TRUNCATED,
    action_value,
    chain_value,
    pool,
    solve_chain,
    steps_to,
    success_value,
    with_outcomes,
)

# State 0 (actions 0: loop, 1: go on, 2: die), state 1 (action 0: win).
CLIMB = batch_of(
    [
        Run(path=[0, 0, 1, 9], actions=[0, 1, 0]),
        Run(path=[0, 8], actions=[2], success=False),
        Run(path=[0, 0], actions=[0], success=False, truncated=True),
    ]
)


def test_nodes_edges_and_outcomes_of_a_small_batch() -> None:
    graph = pool(CLIMB)
    assert (graph.num_nodes, graph.num_edges) == (2, 4)
    assert graph.node.tolist() == [0, 0, 1, 0, 0]
    assert graph.edge.tolist() == [0, 1, 3, 2, 0]
    assert graph.next_node.tolist() == [0, 1, 2 + SUCCESS, 2 + FAILURE, 2 + TRUNCATED]
    assert graph.node_visits.tolist() == [4, 1]
    assert graph.num_actions.tolist() == [3, 1]
    assert graph.behaviour.tolist() == [0.5, 0.25, 0.25, 1.0]
    assert graph.edge_counts.toarray().tolist() == [
        [1, 0, 0, 0, 1],
        [0, 1, 0, 0, 0],
        [0, 0, 0, 1, 0],
        [0, 0, 1, 0, 0],
    ]
    assert graph.node_counts.toarray().tolist() == [[1, 1, 0, 1, 1], [0, 0, 1, 0, 0]]


@pytest.mark.parametrize(
    ("success", "terminated", "truncated", "outcome"),
    [
        (True, True, False, SUCCESS),
        (True, False, True, SUCCESS),
        (False, True, False, FAILURE),
        (False, False, True, TRUNCATED),
        (False, False, False, TRUNCATED),
    ],
)
def test_success_decides_first_and_a_cut_episode_is_not_a_failure(
    success: bool, terminated: bool, truncated: bool, outcome: int
) -> None:
    run = Run(path=[0, 1], actions=[0], success=success, terminated=terminated, truncated=truncated)
    assert pool(batch_of([run])).next_node.tolist() == [1 + outcome]


def test_value_of_the_small_chain_by_hand() -> None:
    graph = pool(CLIMB)
    # V1 = b; V0 = b (V0 / 4 + V1 / 4), so with b = 1: V0 = 1/3; with b = 1/2: V0 = (1/16) / (1 - 1/8) = 1/14.
    assert success_value(graph, 1.0) == pytest.approx([1 / 3, 1.0])
    half = success_value(graph, 0.5)
    assert half == pytest.approx([1 / 14, 0.5])
    # The loop was cut off in one of two trials: Q = b V0 / 2.
    assert action_value(graph, half, 0.5) == pytest.approx([1 / 56, 1 / 4, 0.0, 0.5])


def test_chain_value_adds_the_rewards_of_every_step() -> None:
    batch = batch_of([Run(path=[0, 0, 1], actions=[0, 1], rewards=[-1.0, 4.0])])
    # V = (-1 + b V) / 2 + 4 / 2, so with b = 1/2: V = 1.5 / 0.75 = 2.
    assert chain_value(pool(batch), batch.reward, 0.5) == pytest.approx([2.0])


def test_groups_never_share_a_node() -> None:
    win, lose = Run(path=[3, 4], actions=[0], group=5), Run(path=[3, 4], actions=[0], success=False, group=2)
    graph = pool(batch_of([win, lose]))
    assert graph.node_group.tolist() == [2, 5]
    assert graph.local_node.tolist() == [0, 0]
    assert success_value(graph, 1.0).tolist() == [0.0, 1.0]


@pytest.mark.slow
@given(batches())
def test_counts_and_shares_are_consistent(batch: EpisodeBatch) -> None:
    graph = pool(batch)
    assert graph.edge_counts.sum() == batch.num_steps
    np.testing.assert_array_equal(graph.edge_counts.sum(axis=1), graph.edge_visits)
    np.testing.assert_array_equal(graph.node_counts.sum(axis=1), graph.node_visits)
    np.testing.assert_array_equal(graph.edge_node[graph.edge], graph.node)
    np.testing.assert_array_equal(graph.node_group[graph.node], batch.step_group)
    np.testing.assert_allclose(np.bincount(graph.edge_node, graph.behaviour, graph.num_nodes), 1.0)


@pytest.mark.slow
@given(batches(), st.sampled_from((0.0, 0.5, 0.98, 1.0)))
def test_success_value_equals_the_dense_solve(batch: EpisodeBatch, discount: float) -> None:
    graph = pool(batch)
    share = graph.node_counts.toarray() / graph.node_visits[:, None]
    moves, wins = share[:, : graph.num_nodes], share[:, graph.num_nodes + SUCCESS]
    dense = np.linalg.solve(np.eye(graph.num_nodes) - discount * moves, discount * wins)
    np.testing.assert_allclose(success_value(graph, discount), dense, atol=1e-9)


@pytest.mark.slow
@given(batches(), st.sampled_from((0.9, 1.0)))
def test_value_is_the_behaviours_mean_of_the_action_values(batch: EpisodeBatch, discount: float) -> None:
    graph = pool(batch)
    value = success_value(graph, discount)
    mean = np.bincount(graph.edge_node, graph.behaviour * action_value(graph, value, discount), graph.num_nodes)
    np.testing.assert_allclose(mean, value, atol=1e-9)


def test_undiscounted_chain_that_circles_for_ever_is_worth_nothing_there() -> None:
    # 0 <-> 1 never leave; 2 moves into that circle or stops with gain 1; 3 moves to 2.
    chain = csr_array(np.array([[0, 1, 0, 0], [1, 0, 0, 0], [0.5, 0, 0, 0], [0, 0, 1, 0]], dtype=float))
    gain = np.array([0.0, 0.0, 0.5, 0.0])
    assert solve_chain(chain, gain, 1.0) == pytest.approx([0.0, 0.0, 0.5, 0.5])


@given(st.integers(1, 7), st.data())
def test_steps_to_equals_networkx(size: int, data: st.DataObject) -> None:
    ends = st.integers(0, size - 1)
    arcs = data.draw(st.sets(st.tuples(ends, ends)))
    targets = data.draw(st.sets(ends))
    dense = np.zeros((size, size))
    for tail, head in arcs:
        dense[tail, head] = 0.5
    mask = np.isin(np.arange(size), sorted(targets))
    graph = nx.DiGraph(arcs)
    graph.add_nodes_from(range(size))
    expected = [
        min((nx.shortest_path_length(graph, s, t) for t in targets if nx.has_path(graph, s, t)), default=np.inf)
        for s in range(size)
    ]
    assert steps_to(csr_array(dense), mask).tolist() == expected


def test_empty_batch_gives_an_empty_graph() -> None:
    graph = pool(batch_of([Run(path=[0], actions=[])]))
    assert (graph.num_nodes, graph.num_edges) == (0, 0)
    assert success_value(graph, 1.0).size == 0


def test_outcomes_are_worth_one_nothing_and_nothing() -> None:
    assert with_outcomes(np.array([0.25])).tolist() == [0.25, 1.0, 0.0, 0.0]

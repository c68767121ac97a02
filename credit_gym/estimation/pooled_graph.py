"""The pooled graph of a batch: what all episodes of a group, taken together, say about each state and action.

Episodes of one group that meet the same state share a node, so an action is judged by everything that ever followed
from where it led, not only by the end of its own episode. Groups never share a node: every matrix here is
block-diagonal over groups, and one sparse solve serves all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import csr_array, diags_array, eye_array
from scipy.sparse.csgraph import dijkstra
from scipy.sparse.linalg import spsolve

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import BoolArray, FloatArray, IntArray, compact, group_mean, group_size

SUCCESS, FAILURE, TRUNCATED = 0, 1, 2
OUTCOMES = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class PooledGraph:
    """N nodes, K edges and the M recorded steps that run along them.

    A node is a distinct (group, state), an edge a distinct (node, action). The last step of an episode leads to one of
    three absorbing outcomes, numbered after the nodes: ``N + SUCCESS`` (the task was solved), ``N + FAILURE`` (the
    environment ended the episode unsolved) and ``N + TRUNCATED`` (a limit or an error cut it off: no outcome was seen).

    Attributes:
        node: (M,) int64 node of each step, in group-major order.
        edge: (M,) int64 edge of each step, in node-major order.
        next_node: (M,) int64 in ``0..N+2``, where each step led.
        edge_node: (K,) int64 node that each edge leaves, ascending.
        node_group: (N,) int64 group of each node, ascending; group ids may have gaps.
    """

    node: IntArray
    edge: IntArray
    next_node: IntArray
    edge_node: IntArray
    node_group: IntArray

    @property
    def num_nodes(self) -> int:
        """N."""
        return int(self.node_group.size)

    @property
    def num_edges(self) -> int:
        """K."""
        return int(self.edge_node.size)

    @cached_property
    def node_visits(self) -> IntArray:
        """(N,) number of steps taken from each node, at least 1."""
        return group_size(self.node, self.num_nodes)

    @cached_property
    def edge_visits(self) -> IntArray:
        """(K,) number of steps taken along each edge, at least 1."""
        return group_size(self.edge, self.num_edges)

    @cached_property
    def num_actions(self) -> IntArray:
        """(N,) number of distinct actions tried at each node, at least 1."""
        return group_size(self.edge_node, self.num_nodes)

    @cached_property
    def local_node(self) -> IntArray:
        """(N,) index of each node within its group: small numbers that make cheap keys."""
        return np.arange(self.num_nodes) - np.searchsorted(self.node_group, self.node_group)

    @cached_property
    def behaviour(self) -> FloatArray:
        """(K,) share of its node's visits that took each edge; sums to 1 over a node."""
        share: FloatArray = self.edge_visits / self.node_visits[self.edge_node]
        return share

    @cached_property
    def edge_counts(self) -> csr_array:
        """(K, N+3) float64 CSR: how often each edge led to each node or outcome."""
        shape = (self.num_edges, self.num_nodes + OUTCOMES)
        counts = csr_array((np.ones(self.edge.size), (self.edge, self.next_node)), shape=shape)
        counts.sum_duplicates()
        return counts

    @cached_property
    def node_counts(self) -> csr_array:
        """(N, N+3) float64 CSR: how often each node was followed by each node or outcome."""
        # Edges are in node-major order: the rows of a node's edges lie side by side and merge by dropping row bounds.
        rows = np.concatenate([[0], np.cumsum(self.num_actions)])
        counts = self.edge_counts
        merged = csr_array(
            (counts.data.copy(), counts.indices.copy(), counts.indptr[rows]),
            shape=(self.num_nodes, self.num_nodes + OUTCOMES),
        )
        merged.sum_duplicates()
        return merged


def pool(batch: EpisodeBatch) -> PooledGraph:
    """Pool the episodes of each group into one graph, in O(M).

    Args:
        batch: any legal batch; episodes without steps add nothing.

    Returns:
        The graph of the batch's M steps.
    """
    group = batch.group[batch.episode]  # which the batch need not keep
    node, num_nodes = compact(group, batch.state)
    edge, num_edges = compact(node, batch.action)
    outcome = np.where(batch.success, SUCCESS, np.where(batch.terminated, FAILURE, TRUNCATED))
    moved = batch.lengths > 0
    next_node = np.empty_like(node)
    next_node[:-1] = node[1:]
    next_node[batch.offsets[1:][moved] - 1] = num_nodes + outcome[moved]
    edge_node = np.zeros(num_edges, dtype=np.int64)
    edge_node[edge] = node
    node_group = np.zeros(num_nodes, dtype=np.int64)
    node_group[node] = group
    return PooledGraph(node=node, edge=edge, next_node=next_node, edge_node=edge_node, node_group=node_group)


def success_value(graph: PooledGraph, discount: float) -> FloatArray:
    """Discounted probability that the pooled chain succeeds from each node under the recorded behaviour.

    ``V = b (M V + p)``, where ``M[s, x]`` is the share of visits to s that were followed by x and ``p[s]`` the share
    followed by success. Failure and truncation are worth 0.

    Args:
        graph: the pooled graph.
        discount: b in [0, 1]; with b = 1, V is the plain probability of success.

    Returns:
        (N,) float64 in [0, 1] up to rounding.
    """
    return chain_value(graph, discount * (graph.next_node == graph.num_nodes + SUCCESS), discount)


def chain_value(graph: PooledGraph, reward: FloatArray, discount: float) -> FloatArray:
    """Certainty-equivalent value of each node: the fixed point of ``V = r + b M V`` on the pooled chain.

    Args:
        graph: the pooled graph.
        reward: (M,) float64 reward of each step; r is its mean over the visits of a node.
        discount: b in [0, 1].

    Returns:
        (N,) float64; outcomes are worth 0 after their step's reward.
    """
    gain = group_mean(reward, graph.node, graph.num_nodes)
    del reward  # where nobody else holds it, it need not lie beside the matrices
    return solve_chain(scaled_rows(graph.node_counts[:, : graph.num_nodes], 1.0 / graph.node_visits), gain, discount)


def scaled_rows(matrix: csr_array, factors: FloatArray) -> csr_array:
    """Multiply each row of a matrix by a factor, in place, and return it; (N, N), (N,) -> (N, N)."""
    matrix.data *= np.repeat(factors, np.diff(matrix.indptr))
    return matrix


def solve_chain(chain: csr_array, gain: FloatArray, discount: float) -> FloatArray:
    """Solve ``V = gain + discount * chain @ V`` with one sparse LU factorisation.

    With ``discount < 1`` the solution is unique. With ``discount = 1`` it is unique on the nodes that can leave the
    chain; the others circle for ever, and their value is 0 by definition (the least solution when their gain is 0).
    The chain of a pooled graph has no such nodes, because the rest of an episode leads every visit to an outcome.

    Args:
        chain: (N, N) non-negative rows that sum to at most 1.
        gain: (N,) float64.
        discount: in [0, 1].

    Returns:
        (N,) float64.
    """
    size = gain.size
    if size == 0:
        return np.zeros(0)
    if discount == 1.0:
        leaks = chain.sum(axis=1) < 1.0 - 1e-12
        leaves = np.isfinite(steps_to(chain, leaks))
        chain = csr_array(diags_array(leaves.astype(np.float64)) @ chain)
        gain = np.where(leaves, gain, 0.0)
    value: FloatArray = spsolve((eye_array(size) - discount * chain).tocsc(), gain, use_umfpack=False)
    return value


def action_value(graph: PooledGraph, value: FloatArray, discount: float) -> FloatArray:
    """Value of each edge: ``Q(s, a) = b sum_x P(x | s, a) V(x)``, success worth 1, failure and truncation 0.

    Args:
        graph: the pooled graph.
        value: (N,) float64 value of each node.
        discount: b.

    Returns:
        (K,) float64.
    """
    return discount * group_mean(with_outcomes(value)[graph.next_node], graph.edge, graph.num_edges)


def with_outcomes(value: FloatArray) -> FloatArray:
    """Append the worth of the three outcomes to the value of the nodes; (N,) -> (N+3,)."""
    return np.concatenate([value, np.eye(OUTCOMES)[SUCCESS]])


def steps_to(chain: csr_array, targets: BoolArray) -> FloatArray:
    """Fewest moves along the chain's non-zero entries from each node to the nearest target.

    Args:
        chain: (N, N) sparse, non-zero where a move was seen.
        targets: (N,) bool.

    Returns:
        (N,) float64, 0 at the targets, infinite where no target can be reached.
    """
    goals = np.flatnonzero(targets)
    if goals.size == 0:
        return np.full(targets.size, np.inf)
    backwards = csr_array(chain.T)
    distance: FloatArray = dijkstra(backwards, unweighted=True, indices=goals, min_only=True)
    return distance

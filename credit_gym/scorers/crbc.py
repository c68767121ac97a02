"""Bellman-closure credit: the advantage of an action in the absorbing chain that all episodes of a group form.

``A^S = (Q(s, a) - V(s)) / max(sd(s), floor)``, ``V = b (M V + p)``, ``Q(s, a) = b sum_x P(x | s, a) V(x)`` (Ren et al.
2026, Cross-Rollout Bellman Closure, arXiv:2609.35082).
"""

from __future__ import annotations

import numpy as np

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray, group_std
from credit_gym.estimation.pooled_graph import PooledGraph, action_value, pool, success_value
from credit_gym.estimation.ranges import Positive, Share
from credit_gym.scorers.explanation import Explanation, Term, explains, outcome_terms
from credit_gym.scorers.outcome import grpo
from credit_gym.scorers.registry import register

_REFERENCE = "Ren et al., 2026, Cross-Rollout Bellman Closure, arXiv:2609.35082"


@register("crbc", reference=_REFERENCE)
def crbc(
    batch: EpisodeBatch,
    *,
    discount: Share = 0.98,
    weight_group: float = 1.0,
    weight_state: float = 5.0,
    floor: Positive = 0.01,
) -> FloatArray:
    """Credit an action by how much it raises the pooled chain's success, on top of the episode's outcome.

    ``A = w_G A^G + w_S A^S`` with A^G the standardised return of the episode (:func:`~credit_gym.scorers.outcome.grpo`)
    and ``A^S = 1[|A(s)| >= 2] (Q(s, a) - V(s)) / max(sd(s), floor)``, where ``V = b (M V + p)`` is the discounted
    probability that the chain of recorded transitions succeeds from s, ``Q(s, a) = b sum_x P(x | s, a) V(x)`` and sd(s)
    the standard deviation of Q over the visits of s (equations 8, 9, 13, 14). Truncation counts as failure, as there.

    Args:
        batch: any legal batch.
        discount: b in [0, 1]; below 1 it makes a loop worth less than leaving it.
        weight_group: w_G.
        weight_state: w_S.
        floor: smallest divisor of A^S, in (0, inf). The paper trains with 0.1, where the luck of A^G outweighs A^S at
            nearly flat states: a gradient averages it out, the argmax of a table does not.

    Returns:
        (S,) float64 credit, dimensionless.
    """
    graph = pool(batch)
    advantage = _chain_advantage(graph, discount)[graph.edge]
    spread = np.maximum(group_std(advantage, graph.node, graph.num_nodes), floor)[graph.node]
    advantage *= weight_state
    advantage /= spread
    del spread
    credit: FloatArray = weight_group * grpo(batch)
    credit += advantage
    return credit


@register("crbc_raw", reference=_REFERENCE)
def crbc_raw(batch: EpisodeBatch, *, discount: Share = 0.98) -> FloatArray:
    """Credit an action by its advantage ``Q(s, a) - V(s)`` in the pooled chain, in units of success probability.

    The state term of :func:`crbc` before normalisation: dividing by sd(s) keeps the ranks but destroys the magnitudes,
    which matter to a gradient.

    Args:
        batch: any legal batch.
        discount: b in [0, 1].

    Returns:
        (S,) float64 in [-1, 1]; the visits of a state sum to 0.
    """
    graph = pool(batch)
    return _chain_advantage(graph, discount)[graph.edge]


def _chain_advantage(graph: PooledGraph, discount: float) -> FloatArray:
    """Advantage ``Q(s, a) - V(s)`` of each edge of the pooled chain under the recorded behaviour.

    Args:
        graph: the pooled graph.
        discount: b.

    Returns:
        (K,) float64, exactly 0 where only one action was tried.
    """
    value = success_value(graph, discount)
    advantage = action_value(graph, value, discount) - value[graph.edge_node]
    return np.where(graph.num_actions[graph.edge_node] > 1, advantage, 0.0)


@explains("crbc")
def _explain_crbc(
    batch: EpisodeBatch, *, discount: float, weight_group: float, weight_state: float, floor: float
) -> Explanation:
    graph = pool(batch)
    advantage = _chain_advantage(graph, discount)[graph.edge]
    terms = {
        **outcome_terms(batch),
        **_chain_terms(graph, discount),
        "sd_A": Term(
            "standard deviation of A over the visits", group_std(advantage, graph.node, graph.num_nodes)[graph.node]
        ),
    }
    equations = (
        "A_G = (R - mean_R) / sd_R",
        "A = (Q - V) * (tried > 1)",
        "c = weight_group * A_G + weight_state * A / max(sd_A, floor)",
    )
    constants = {"discount": discount, "weight_group": weight_group, "weight_state": weight_state, "floor": floor}
    return Explanation(equations, terms, constants)


@explains("crbc_raw")
def _explain_crbc_raw(batch: EpisodeBatch, *, discount: float) -> Explanation:
    return Explanation(("c = (Q - V) * (tried > 1)",), _chain_terms(pool(batch), discount), {"discount": discount})


def _chain_terms(graph: PooledGraph, discount: float) -> dict[str, Term]:
    value = success_value(graph, discount)
    return {
        "Q": Term("discounted chance of success after this action", action_value(graph, value, discount)[graph.edge]),
        "V": Term("discounted chance of success from the state", value[graph.node]),
        "tried": Term("actions tried at the state", graph.num_actions[graph.node].astype(np.float64)),
    }

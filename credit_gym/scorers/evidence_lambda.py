"""Evidence-weighted lambda-returns: as much per-step credit as the evidence bears, and GRPO where there is none.

    lambda_t = k / (n_t + k)
    G_t      = r_t + (1 - lambda_{t+1}) g V(s_{t+1}) + lambda_{t+1} G_{t+1}
    s_t      = ((1 - lambda_t) sd_s G + lambda_t sd R)^a_t (sd R)^(1 - a_t),  a_t = crowd / (n_t + crowd)
    w_t      = (1 - lambda_t) (1 - L^-c)
    A_t      = w_t (G_t - mean_s G) / s_t + (1 - w_t) (R - mean R) / sd R + T kappa / (m_t + kappa) z_t
    T        = max(D - 2 sqrt(4 (1 - D^2) / W), 0)

s_t was visited n_t other times in the group, and m_t of the visitors returned more than the group's mean; L is the
mean length of the group's episodes, V the TD(0) fixed point of the pooled transitions, z_t the verifier's centred
reading. D is how well the readings told won from lost in the other groups and in batches before, W the evidence that
this rests on, T what they are trusted by: nothing that luck explains (:mod:`credit_gym.estimation.trust`). A method of
this project. Lambda-returns are Sutton's (1988); that a mean of few is shrunk to the mean of more is James and Stein's
(1961).
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

import numpy as np

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import (
    FloatArray,
    IntArray,
    backward_sum,
    compact,
    group_mean,
    group_size,
    group_std,
    group_sum,
)
from credit_gym.estimation.critic import certainty_equivalent_value
from credit_gym.estimation.normalise import RELATIVE_FLOOR
from credit_gym.estimation.ranges import NonNegative, Positive, Range, Share
from credit_gym.estimation.trust import EXACT, UNKNOWN, Trust, above_mean, evidence, trust_from
from credit_gym.scorers.explanation import Explanation, Term, explains, outcome_terms
from credit_gym.scorers.outcome import grpo
from credit_gym.scorers.registry import DEFAULT, register

_FLOOR = 0.01  # least s_t, in deviations of the group's returns


@register("evidence_lambda", scope="batch", reference="credit_gym: evidence-weighted lambda-returns")
def evidence_lambda(
    batch: EpisodeBatch,
    *,
    discount: Share = 0.98,
    pseudo_count: Positive = 0.05,
    sharing: Share = 0.5,
    crowd: Positive = 128.0,
    kappa: NonNegative = 2.0,
    trust: Annotated[float, Range("[-1, 1]")] | None = None,
    trust_weight: NonNegative | None = None,
) -> FloatArray:
    """Credit a step by what followed, read off where others have been, and by the verifier as far as it is borne out.

    In a state that nothing else visited it is GRPO's, exactly. Where a state was visited more than once, its visits are
    the baseline and the scale, and what a step led to is read off the state that it led to. The verifier's reading,
    less its mean at the state, adds to that as far as it told won from lost in the *other* groups of the batch and in
    what was learned before; it gives way where outcomes passed through the state, and is silent until some were seen.

    Args:
        batch: the episodes; the columns ``verifier`` and ``exact_verifier`` are read where they are there.
        discount: g of V, in [0, 1]; below 1 it makes a wasted step cost something.
        pseudo_count: k, in (0, inf): other visits that weigh as much as having none.
        sharing: c in [0, 1]. The luck of an outcome, shared by L steps, adds up L-fold, that of separate credits by the
            root of L: so the plain outcome's share falls with the root of the length. 0 is GRPO alone.
        crowd: other visits of a state, in (0, inf), from which on differences count by their size rather than in the
            state's own deviations: what few have tried is faint and drowns without a scale of its own, what many have
            is known.
        kappa: successes through a state at which the verifier's say is halved, in [0, inf).
        trust: what is known of the verifier: its agreement with the outcomes, in [-1, 1]; None takes 1 where the
            environment declares an exact potential, else 0. A trainer hands on what it learned
            (:func:`verifier_trust`).
        trust_weight: the evidence behind it, in [0, inf); None takes 60 where it is declared exact, else 6.

    Returns:
        (S,) float64, in standard deviations. A group whose episodes all returned the same has the verifier's part only.
    """
    value = certainty_equivalent_value(batch, discount)  # first, because it takes most memory
    visits = _visits(batch)
    own = pseudo_count / (visits.times + pseudo_count)  # lambda
    credit = _advantage(batch, visits, own, value, discount, crowd)
    del value
    length = group_mean(batch.lengths, batch.group, batch.num_groups)
    weight = (1.0 - own) * (1.0 - np.maximum(length, 1.0) ** -sharing)[visits.group]
    credit *= weight[visits.node]
    outcome = grpo(batch)
    outcome *= (1.0 - weight)[visits.node]
    credit += outcome
    del outcome
    if not _is_read(batch):
        return credit
    centred = _centred(batch, visits, pseudo_count)
    believed = _believed(batch, centred, _known(batch, trust, trust_weight))
    heard = believed[visits.group] * _room(batch, visits, kappa)
    told = _scaled(centred)
    told *= heard[visits.node]
    credit += told
    return credit


def verifier_trust(batch: EpisodeBatch, known: Trust | None = None, *, pseudo_count: float = 0.05) -> Trust:
    """Return what is known of a verifier after a batch; a trainer hands it to the next batch's scorer.

    Args:
        batch: the episodes.
        known: what was known before; None takes what the environment declares.
        pseudo_count: k.
    """
    prior = _known(batch, None, None)
    before = known or prior
    if not _is_read(batch):
        return before
    return before.after(trust_from(batch, _centred(batch, _visits(batch), pseudo_count)), prior)


def verifier_evidence(batch: EpisodeBatch, *, pseudo_count: float = 0.05) -> tuple[FloatArray, FloatArray]:
    """Return what each group says of its verifier, as :func:`credit_gym.estimation.trust.evidence` does.

    Args:
        batch: the episodes.
        pseudo_count: k.

    Raises:
        MissingColumnError: there is no verifier.
    """
    return evidence(batch, _centred(batch, _visits(batch), pseudo_count))


class _Visits(NamedTuple):
    """Who was where: (S,) dense node of each step; of each of the N nodes its group, other visits, other episodes."""

    node: IntArray
    group: IntArray
    times: FloatArray
    others: FloatArray


def _visits(batch: EpisodeBatch) -> _Visits:
    node, nodes = compact(batch.step_group, batch.state)
    group = np.zeros(nodes, dtype=np.int64)
    group[node] = batch.step_group
    episodes = _episodes_through(batch, node, nodes, np.ones(batch.num_episodes))
    return _Visits(node, group, group_size(node, nodes).astype(np.float64) - 1.0, episodes - 1.0)


def _episodes_through(batch: EpisodeBatch, node: IntArray, nodes: int, weight: FloatArray) -> FloatArray:
    """Sum of a weight over the distinct episodes that visited each node; (E,) -> (nodes,)."""
    pair, pairs = compact(node, batch.episode)
    first = np.zeros(pairs, dtype=np.int64)
    first[pair] = np.arange(batch.num_steps)
    del pair
    return group_sum(weight[batch.episode[first]], node[first], nodes)


def _spread(batch: EpisodeBatch) -> FloatArray:
    """Standard deviation of the returns of each group, 0 where it is rounding; (groups,)."""
    returns, groups = batch.episode_return, batch.num_groups
    spread = group_std(returns, batch.group, groups)
    rounding = RELATIVE_FLOOR * group_mean(np.abs(returns), batch.group, groups)
    return np.where(spread > rounding, spread, 0.0)


def _advantage(
    batch: EpisodeBatch, visits: _Visits, own: FloatArray, value: FloatArray, discount: float, crowd: float
) -> FloatArray:
    """``(G_t - mean_s G) / s_t``, 0 in a group whose episodes all returned the same; (S,). ``own`` is lambda, (N,).

    What is one number a node is worked out for the nodes, and what is one a step in place: of ten million steps every
    array counts.
    """
    node, nodes = visits.node, visits.group.size
    own_next = _following(batch, own[node])
    gained = 1.0 - own_next
    gained *= discount
    gained *= _following(batch, value)
    gained += batch.reward
    followed = backward_sum(gained, own_next, batch.offsets)
    del gained, own_next
    here = group_std(followed, node, nodes)
    followed -= group_mean(followed, node, nodes)[node]
    spread = _spread(batch)[visits.group]
    unit = np.maximum((1.0 - own) * here + own * spread, _FLOOR * spread)
    faint = crowd / (visits.times + crowd)
    scale = (unit**faint * spread ** (1.0 - faint))[node]
    return np.divide(followed, scale, out=np.zeros(batch.num_steps), where=(spread > 0.0)[node])


def _following(batch: EpisodeBatch, values: FloatArray) -> FloatArray:
    """Value of the next step of the episode, 0 after its last; (S,) -> (S,)."""
    following = np.zeros(batch.num_steps)
    following[:-1] = values[1:]
    following[batch.is_last] = 0.0
    return following


def _is_read(batch: EpisodeBatch) -> bool:
    """Whether there is a verifier that has a reading anywhere."""
    return batch.verifier is not None and bool(np.isfinite(batch.verifier).any())


def _centred(batch: EpisodeBatch, visits: _Visits, pseudo_count: float) -> FloatArray:
    """Readings less their mean at the state, which is shrunk to the group's; 0 where there is none. (S,)."""
    reading: FloatArray = batch.require("verifier")
    read = np.isfinite(reading)
    centred: FloatArray = np.where(read, reading, 0.0)

    def mean(ids: IntArray, count: int) -> FloatArray:
        return group_sum(centred, ids, count) / np.maximum(group_sum(read, ids, count), 1.0)

    own = pseudo_count / (visits.others + pseudo_count)
    of_group = mean(batch.step_group, batch.num_groups)[visits.group]
    usual = (1.0 - own) * mean(visits.node, own.size) + own * of_group
    centred -= usual[visits.node]
    centred[~read] = 0.0
    return centred


def _known(batch: EpisodeBatch, trust: float | None, weight: float | None) -> Trust:
    exact = batch.exact_verifier
    declared = EXACT if exact is not None and exact.size and bool(exact.all()) else UNKNOWN
    return Trust(
        declared.agreement if trust is None else trust,
        declared.weight if weight is None else weight,
    )


def _believed(batch: EpisodeBatch, centred: FloatArray, known: Trust) -> FloatArray:
    """T of each group, in [0, 1]: what is known and what the other groups say beyond luck, never the group's own."""
    agreement, weight = evidence(batch, centred)
    others = weight.sum() - weight
    told = (weight @ agreement) - weight * agreement
    total = others + known.weight
    mean = np.divide(told + known.weight * known.agreement, total, out=np.zeros_like(total), where=total > 0.0)
    mean = np.clip(mean, -1.0, 1.0)  # it is by a rounding error beyond them at most
    error = np.sqrt(np.divide(4.0 * (1.0 - mean**2), total, out=np.zeros_like(total), where=total > 0.0))
    trusted: FloatArray = np.maximum(mean - 2.0 * error, 0.0)
    return trusted


def _room(batch: EpisodeBatch, visits: _Visits, kappa: float) -> FloatArray:
    """``kappa / (m_t + kappa)`` of each node; (N,)."""
    passed = _episodes_through(batch, visits.node, visits.group.size, above_mean(batch).astype(np.float64))
    return np.divide(kappa, passed + kappa, out=np.ones_like(passed), where=passed > 0.0)


def _scaled(centred: FloatArray) -> FloatArray:
    """Readings over their root mean square in the batch, in place; 0 where all are."""
    size = float(np.sqrt(np.mean(centred**2))) if centred.size else 0.0
    if size > 0.0:
        centred /= size
    return centred


@explains(DEFAULT)
def _explain_evidence_lambda(
    batch: EpisodeBatch,
    *,
    discount: float,
    pseudo_count: float,
    sharing: float,
    crowd: float,
    kappa: float,
    trust: float | None,
    trust_weight: float | None,
) -> Explanation:
    visits = _visits(batch)
    node, nodes = visits.node, visits.group.size
    own = (pseudo_count / (visits.times + pseudo_count))[node]
    own_next = _following(batch, own)
    value_next = _following(batch, certainty_equivalent_value(batch, discount))
    gained = batch.reward + (1.0 - own_next) * discount * value_next
    followed = backward_sum(gained, own_next, batch.offsets)
    length = np.maximum(group_mean(batch.lengths, batch.group, batch.num_groups), 1.0)
    terms = {
        **outcome_terms(batch),
        "spread": Term("the same, as the scale of G", _spread(batch)[batch.step_group]),
        "n": Term("other visits to the state", visits.times[node]),
        "L": Term("mean length of the group's episodes", length[batch.step_group]),
        "r": Term("reward of the step", batch.reward),
        "V_next": Term("pooled value of the next state", value_next),
        "lambda_next": Term("lambda of the next step", own_next),
        "G_next": Term("G of the next step", _following(batch, followed)),
        "mean_G": Term("mean of G over the visits to the state", group_mean(followed, node, nodes)[node]),
        "sd_G": Term("standard deviation of G over them", group_std(followed, node, nodes)[node]),
    }
    equations = [
        "lambda_ = pseudo_count / (n + pseudo_count)",
        "w = (1 - lambda_) * (1 - L ** -sharing)",
        "G = r + (1 - lambda_next) * discount * V_next + lambda_next * G_next",
        "unit = max((1 - lambda_) * sd_G + lambda_ * spread, 0.01 * spread)",
        "faint = crowd / (n + crowd)",
        "s = unit ** faint * spread ** (1 - faint)",
        "A = w * (G - mean_G) / s + (1 - w) * (R - mean_R) / sd_R",
    ]
    constants = {"discount": discount, "pseudo_count": pseudo_count, "sharing": sharing, "crowd": crowd}
    if not _is_read(batch):
        return Explanation((*equations, "c = A"), terms, constants)
    centred = _centred(batch, visits, pseudo_count)
    believed = _believed(batch, centred, _known(batch, trust, trust_weight))
    terms["T"] = Term("trust in the verifier", believed[batch.step_group])
    terms["room"] = Term("kappa / (kappa + better episodes through the state)", _room(batch, visits, kappa)[node])
    terms["z"] = Term("centred reading over its root mean square", _scaled(centred))
    return Explanation((*equations, "c = A + T * room * z"), terms, constants)

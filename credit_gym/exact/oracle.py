"""Exact values of small environments by dynamic programming: the ground truth that scorers are measured against.

All functions take a :class:`~credit_gym.exact.tabular_model.TabularModel` and work on all of its tasks at once. A
policy is an (S, A) array of action probabilities, zero where a slot is not admissible. ``h`` counts the steps that are
left.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import spsolve

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import BoolArray, FloatArray, IntArray
from credit_gym.errors import BatchError
from credit_gym.exact.tabular_model import TabularModel

TIE = 1e-9  # values closer than this are one value


class Values(NamedTuple):
    """Exact values with h = 0..H steps left.

    Attributes:
        q: (H+1, S, A) expected reward to come of each action, 0 where not admissible; q[0] is 0.
        v: (H+1, S) expected reward to come.
    """

    q: FloatArray
    v: FloatArray


def uniform_policy(model: TabularModel) -> FloatArray:
    """Return the (S, A) policy that is uniform over the admissible actions."""
    count = np.maximum(model.admissible.sum(axis=1, keepdims=True), 1)
    policy: FloatArray = model.admissible / count
    return policy


def backup(model: TabularModel, value: FloatArray, discount: float = 1.0) -> FloatArray:
    """One Bellman backup: ``Q(s,a) = sum_x P(x|s,a) (1[x is a success] + discount * value(x))``; (S,) -> (S, A)."""
    gain = model.success + discount * np.where(model.terminal, 0.0, value)
    q = np.einsum("sak,sak->sa", model.probability, gain[model.successor])
    return np.where(model.admissible & ~model.terminal[:, None], q, 0.0)


def policy_values(model: TabularModel, policy: FloatArray, horizon: int | None = None) -> Values:
    """Return Q and V of a policy for every number of steps left.

    Args:
        model: the environment.
        policy: (S, A).
        horizon: largest number of steps left; the longest horizon of the tasks by default.
    """
    steps = int(model.horizon.max()) if horizon is None else horizon
    q = np.zeros((steps + 1, *policy.shape))
    v = np.zeros((steps + 1, policy.shape[0]))
    for h in range(1, steps + 1):
        q[h] = backup(model, v[h - 1])
        v[h] = (policy * q[h]).sum(axis=1)
    return Values(q, v)


def success_probability(model: TabularModel, policy: FloatArray, *, evaluation: bool = True) -> FloatArray:
    """Return the exact probability that a policy solves each task within its horizon.

    Args:
        model: the environment.
        policy: (S, A).
        evaluation: use ``evaluation_horizon`` rather than the horizon of data collection.

    Returns:
        (N,) probabilities.
    """
    horizon = model.evaluation_horizon if evaluation else model.horizon
    return _at_start(model, lambda value: (policy * backup(model, value)).sum(axis=1), horizon)


def behaviour_success(model: TabularModel) -> FloatArray:
    """Return the exact success of the data-collecting mixture in each task; (N,)."""
    parts = [success_probability(model, policy, evaluation=False) for policy in model.behaviour]
    return np.tensordot(model.behaviour_weight, np.asarray(parts), axes=1)


def ceiling(model: TabularModel, observed: BoolArray | None = None) -> FloatArray:
    """Return the success of the best policy that uses only observed actions, in each task; (N,).

    The policy may depend on the number of steps left but not on what the agent cannot see: where states share a key,
    every joint deterministic choice at the shared keys is tried (their number must stay small).

    Args:
        model: the environment.
        observed: (S, A) actions that the data contain; all admissible ones by default. A state without any observed
            action is played uniformly, as the score table does.
    """
    allowed = model.admissible if observed is None else observed & model.admissible
    unseen = ~allowed.any(axis=1)
    uniform = uniform_policy(model)
    live_keys, sizes = np.unique(model.key[~model.terminal], return_counts=True)
    shared = live_keys[sizes > 1]

    def best(mask: BoolArray) -> FloatArray:
        def step(value: FloatArray) -> FloatArray:
            q = backup(model, value)
            top = np.where(mask, q, -np.inf).max(axis=1)
            return np.where(unseen, (uniform * q).sum(axis=1), np.where(mask.any(axis=1), top, 0.0))

        return _at_start(model, step, model.evaluation_horizon)

    if shared.size == 0:
        return best(allowed)
    return _ceiling_with_shared_keys(model, allowed, shared, best)


def _ceiling_with_shared_keys(
    model: TabularModel, allowed: BoolArray, shared: IntArray, best: Callable[[BoolArray], FloatArray]
) -> FloatArray:
    """Maximise over one action per shared key. Tasks are independent: the r-th key of every task is tried together."""
    first = np.asarray([int(np.flatnonzero(model.key == key)[0]) for key in shared])
    owner = model.task[first]
    rank = np.asarray([int((owner[:i] == t).sum()) for i, t in enumerate(owner)])
    result = np.zeros(model.num_tasks)
    for choice in itertools.product(range(allowed.shape[1]), repeat=int(rank.max()) + 1):
        mask = allowed.copy()
        legal = np.ones(model.num_tasks, dtype=np.bool_)
        for key, state, task, r in zip(shared, first, owner, rank, strict=True):
            slot = choice[r]
            if not allowed[state, slot]:
                legal[task] = False
                continue
            members = np.flatnonzero(model.key == key)
            mask[members] &= model.action_id[members] == model.action_id[state, slot]
        result = np.where(legal, np.maximum(result, best(mask)), result)
    return result


def _at_start(model: TabularModel, step: Callable[[FloatArray], FloatArray], horizon: IntArray) -> FloatArray:
    """Iterate ``value = step(value)`` and read the value of each task's start when its horizon is reached."""
    value = np.zeros(model.num_states)
    result = np.zeros(model.num_tasks)
    for h in range(1, int(horizon.max()) + 1):
        value = step(value)
        mixed = (1 - model.start_split) * value[model.start] + model.start_split * value[model.start_alternative]
        result = np.where(horizon == h, mixed, result)
    return result


def optimal_values(model: TabularModel, discount: float = 0.99) -> FloatArray:
    """Return the optimal discounted Q by policy iteration, each round one sparse solve; (S, A).

    Args:
        model: the environment.
        discount: in (0, 1): it orders actions that would tie without it (a loop costs one factor).
    """
    policy = uniform_policy(model)
    states = np.arange(model.num_states)
    while True:
        value = _discounted_value(model, policy, discount)
        q = backup(model, value, discount)
        masked = np.where(model.admissible, q, -np.inf)
        current = (policy * q).sum(axis=1)
        improvable = masked.max(axis=1) > current + TIE
        if not bool((improvable & ~model.terminal).any()):
            return q
        policy = policy.copy()
        policy[improvable] = 0.0
        policy[states[improvable], masked.argmax(axis=1)[improvable]] = 1.0


def _discounted_value(model: TabularModel, policy: FloatArray, discount: float) -> FloatArray:
    """Solve ``V = r + discount P V`` of a stationary policy; (S,)."""
    states = model.num_states
    weight = policy[:, :, None] * model.probability * ~model.terminal[:, None, None]
    row = np.broadcast_to(np.arange(states)[:, None, None], weight.shape)
    chain = sparse.csr_matrix((weight.ravel(), (row.ravel(), model.successor.ravel())), shape=(states, states))
    live = sparse.diags_array((~model.terminal).astype(np.float64))
    return np.asarray(spsolve((sparse.eye_array(states) - discount * chain @ live).tocsc(), chain @ model.success))


def optimal_advantage(model: TabularModel, discount: float = 0.99) -> FloatArray:
    """Return ``A*(s,a) = Q*(s,a) - max_b Q*(s,b)`` with a discount; 0 where not admissible; (S, A)."""
    q = optimal_values(model, discount)
    top = np.where(model.admissible, q, -np.inf).max(axis=1, keepdims=True)
    return np.where(model.admissible & ~model.terminal[:, None], q - np.where(np.isfinite(top), top, 0.0), 0.0)


def optimal_actions(model: TabularModel, discount: float = 0.99) -> BoolArray:
    """Return which admissible actions are optimal with a discount; (S, A), all False in terminal states."""
    return model.admissible & ~model.terminal[:, None] & (optimal_advantage(model, discount) > -TIE)


def visits(model: TabularModel, policy: FloatArray) -> FloatArray:
    """Return the probability of being in each live state at each time; (H, S), 0 from each task's horizon on."""
    steps = int(model.horizon.max())
    occupied = np.zeros((steps, model.num_states))
    np.add.at(occupied[0], model.start, 1 - model.start_split)
    np.add.at(occupied[0], model.start_alternative, model.start_split)
    flow = policy[:, :, None] * model.probability
    alive = ~model.terminal
    for t in range(1, steps):
        mass = (occupied[t - 1][:, None, None] * flow).ravel()
        occupied[t] = np.bincount(model.successor.ravel(), weights=mass, minlength=model.num_states)
        occupied[t] *= alive & (t < model.horizon[model.task])
    return occupied


def behaviour_advantage(model: TabularModel) -> FloatArray:
    """Return the exact advantage of each (key, action) under the data-collecting behaviour; (S, A).

    ``A(s,a) = sum_t d_t(s) (Q_{H-t}(s,a) - V_{H-t}(s)) / sum_t d_t(s)``: the finite-horizon advantage averaged over the
    times at which the behaviour visits the state, which is what a (state, action) table estimates. With several prior
    policies and with states that share a key, the average runs over priors and states by the same visits.
    """
    steps = int(model.horizon.max())
    left = np.clip(model.horizon[model.task][None, :] - np.arange(steps)[:, None], 0, steps)  # (H, S)
    state = np.arange(model.num_states)
    ids = int(model.action_id.max()) + 1 if model.action_id.size else 0
    slot = np.where(model.admissible, model.key[:, None] * ids + model.action_id, -1)
    total, mass = np.zeros(model.num_states * ids), np.zeros(model.num_states * ids)
    used = slot >= 0
    for policy, weight in zip(model.behaviour, model.behaviour_weight, strict=True):
        exact = policy_values(model, policy)
        occupied = weight * visits(model, policy)
        gap = exact.q[left, state] - exact.v[left, state][:, :, None]  # (H, S, A)
        total += np.bincount(slot[used], weights=np.einsum("ts,tsa->sa", occupied, gap)[used], minlength=total.size)
        seen = np.broadcast_to(occupied.sum(axis=0)[:, None], used.shape)
        mass += np.bincount(slot[used], weights=seen[used], minlength=mass.size)
    average = np.divide(total, mass, out=np.zeros_like(total), where=mass > 0)
    return np.where(used, average[np.maximum(slot, 0)], 0.0)


def step_advantage(model: TabularModel, policy: FloatArray, batch: EpisodeBatch) -> FloatArray:
    """Return the exact advantage of each step of a batch under the policy that sampled it.

    ``A_t(s, a) = Q_{E-t}(s, a) - V_{E-t}(s)`` at the step's own time t, E the evaluation horizon: what the action is
    worth for the success that the policy is judged by; 0 from E on. Over states that share a key it is averaged by the
    policy's visits at that time, which is all that can be known of a key.

    Args:
        model: the environment.
        policy: (S, A).
        batch: sampled from the model with the policy.

    Returns:
        (S_batch,) float64.
    """
    judged = replace(model, horizon=model.evaluation_horizon)
    exact, occupied = policy_values(judged, policy), visits(judged, policy)
    steps, states = occupied.shape
    time, row = np.minimum(batch.step, steps - 1), np.arange(states)
    left = np.clip(judged.horizon[model.task][None, :] - np.arange(steps)[:, None], 0, steps)  # (H, S)
    gap = exact.q[left, row] - exact.v[left, row][:, :, None]  # (H, S, A)
    cell = np.arange(steps)[:, None] * states + model.key  # (H, S)
    mass = np.bincount(cell.ravel(), weights=occupied.ravel(), minlength=steps * states)
    slot = slots(model, batch)
    total = np.zeros((steps * states, gap.shape[2]))
    np.add.at(total, cell.ravel(), (occupied[:, :, None] * gap).reshape(-1, gap.shape[2]))
    here = time * states + batch.state
    credit = np.divide(total[here, slot], mass[here], out=np.zeros(batch.num_steps), where=mass[here] > 0)
    return np.where(batch.step < steps, credit, 0.0)


def slots(model: TabularModel, batch: EpisodeBatch) -> IntArray:
    """Return the action slot of each step of a batch sampled from a model; (S_batch,) int64.

    Raises:
        BatchError: a step's action does not exist in its state.
    """
    match = model.action_id[model.key_owner[batch.state]] == batch.action[:, None]
    if not bool(match.any(axis=1).all()):
        raise BatchError("The batch was not sampled from this model: an action does not exist in its state.")
    slot: IntArray = match.argmax(axis=1)
    return slot


def annotate(batch: EpisodeBatch, model: TabularModel) -> EpisodeBatch:
    """Return the batch with its ``advantage`` column filled by :func:`behaviour_advantage`.

    Args:
        batch: a batch sampled from the model (its state column holds the model's keys).
        model: the environment.
    """
    exact = behaviour_advantage(model)
    return replace(batch, advantage=exact[model.key_owner[batch.state], slots(model, batch)])

"""Many episodes of a tabular model at once, straight into the columns that scorers read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray, IntArray
from credit_gym.envs.tabular.dynamics import choose, dynamics, start_states, thresholds
from credit_gym.exact.tabular_model import TabularModel
from credit_gym.rng import UIntArray, advance_array, derive_array, mix_array

_ENVIRONMENT, _AGENT = np.uint64(0), np.uint64(1)


def sample_batch(
    model: TabularModel,
    *,
    episodes_per_task: int = 64,
    seed: int,
    policy: FloatArray | None = None,
    task_indices: Sequence[int] | IntArray | None = None,
) -> EpisodeBatch:
    """Play every task many times, all episodes in lockstep.

    Episode j of task i has two SplitMix64 streams of its own, one for the environment and one for the agent, derived
    from ``(seed, i, j)``: leaving tasks out, or asking for more episodes, changes none of the others.

    Args:
        model: the tasks.
        episodes_per_task: episodes of each task; they form one group.
        seed: fixes every draw.
        policy: (S, A) probabilities over slots; None plays the model's behaviour, one prior drawn per episode.
        task_indices: tasks to play; None plays all.

    Returns:
        A batch whose states are the model's keys, actions its action ids and groups its tasks. ``reward`` is 1 on
        entering a success state; an episode that the horizon cut is ``truncated``.
    """
    tasks = np.arange(model.num_tasks) if task_indices is None else np.asarray(task_indices, dtype=np.int64)
    task = np.repeat(tasks, episodes_per_task)
    number = np.tile(np.arange(episodes_per_task, dtype=np.uint64), tasks.size)
    environment = _streams(seed, _ENVIRONMENT, task, number)
    agent = _streams(seed, _AGENT, task, number)

    priors, weights = (model.behaviour, model.behaviour_weight) if policy is None else (policy[None], np.ones(1))
    bounds = thresholds(priors)
    prior = choose(np.broadcast_to(thresholds(weights), (task.size, weights.size)), mix_array(agent))
    state = start_states(model, task, mix_array(environment))
    rule = dynamics(model)

    playing = np.arange(task.size)
    columns: list[tuple[IntArray, ...]] = []
    readings: list[FloatArray] = []
    for time in range(1, int(model.horizon[tasks].max(initial=0)) + 1):
        environment, agent = advance_array(environment), advance_array(agent)
        here = state[playing]
        slot = choose(bounds[prior[playing], here], mix_array(agent[playing]))
        there, verifier = rule.step(here, slot, mix_array(environment[playing]))
        columns.append((playing, here, slot, there))
        readings.append(verifier)
        state[playing] = there
        playing = playing[~model.terminal[there] & (model.horizon[task[playing]] > time)]
        if playing.size == 0:
            break

    episode, here, slot, there = (np.concatenate(parts) for parts in zip(*columns, strict=True))
    order = np.argsort(episode, kind="stable")
    lengths = np.bincount(episode, minlength=task.size)
    terminated = model.terminal[state]
    return EpisodeBatch(
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        state=model.key[here[order]],
        next_state=model.key[there[order]],
        action=model.action_id[here, slot][order],
        reward=model.success[there[order]].astype(np.float64),
        verifier=np.concatenate(readings)[order],
        group=task,
        task=task,
        success=model.success[state],
        terminated=terminated,
        truncated=~terminated,
        state_vocabulary=model.observations,
        action_vocabulary=model.action_names,
        task_vocabulary=model.task_names,
        group_vocabulary=model.task_names,
    )


def _streams(seed: int, purpose: np.uint64, task: IntArray, number: UIntArray) -> UIntArray:
    """The (E,) first states of one stream per episode."""
    root = np.full(1, seed & 0xFFFFFFFFFFFFFFFF, dtype=np.uint64)
    return advance_array(derive_array(root, np.full(1, purpose), task.astype(np.uint64), number))

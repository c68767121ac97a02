"""Columns that a model would have recorded: entropies, the exact chance of success, a reward model fitted by DPO."""

from __future__ import annotations

import numpy as np
import pytest

from credit_gym.baselines.protocol.controlled import load_model
from credit_gym.baselines.protocol.exact_columns import with_exact_columns
from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray, group_sum
from credit_gym.envs.tabular.sample import sample_batch
from credit_gym.exact import oracle
from credit_gym.exact.tabular_model import TabularModel


def recorded(task: str, episodes: int) -> tuple[TabularModel, FloatArray, EpisodeBatch]:
    model = load_model("credit/Diagnostic-v0", arguments={"task": task})
    policy = model.behaviour[0]
    batch = sample_batch(model, episodes_per_task=episodes, seed=0, policy=policy)
    return model, policy, with_exact_columns(batch, model, policy)


@pytest.mark.parametrize("task", ["lucky", "slip", "alias"])
def test_the_belief_is_the_chance_of_success_of_those_who_are_there(task: str) -> None:
    """Calibrated: over many episodes the mean belief at a time is the share that is won."""
    model, policy, batch = recorded(task, 4000)
    belief = np.exp(batch.require("log_belief"))
    first = belief[batch.offsets[:-1] + np.arange(batch.num_episodes)]
    np.testing.assert_allclose(first, oracle.success_probability(model, policy, evaluation=False)[batch.task])
    last = belief[batch.offsets[1:] + np.arange(batch.num_episodes)]
    np.testing.assert_allclose(last, batch.success, atol=2e-6)
    second = (batch.offsets[:-1] + np.arange(batch.num_episodes) + 1)[batch.lengths > 1]
    won = batch.success[batch.lengths > 1]
    assert belief[second].mean() == pytest.approx(won.mean(), abs=4 / np.sqrt(won.size))


def test_tokens_are_the_policys() -> None:
    _, policy, batch = recorded("lucky", 8)
    chosen = np.exp(batch.require("reference_logprob"))
    slots = policy[batch.state]
    assert (np.abs(slots - chosen[:, None]).min(axis=1) < 1e-6).all()
    entropy = -(slots * np.log(np.where(slots > 0, slots, 1.0))).sum(axis=1)
    np.testing.assert_allclose(batch.require("policy_entropy"), entropy, rtol=1e-5)


@pytest.mark.parametrize("task", ["ring", "lucky"])
def test_the_reward_model_prefers_won_episodes(task: str) -> None:
    _, _, batch = recorded(task, 64)
    gained = batch.require("policy_logprob").astype(float) - batch.require("reference_logprob")
    score = group_sum(gained, batch.episode, batch.num_episodes)
    for group in np.unique(batch.group):
        mine = batch.group == group
        won, lost = score[mine & batch.success], score[mine & ~batch.success]
        if won.size and lost.size:
            assert won.mean() > lost.mean()


def test_without_a_pair_the_reward_model_is_the_policy() -> None:
    model = load_model("credit/Diagnostic-v0", arguments={"task": "selfloop"})
    batch = sample_batch(model, episodes_per_task=4, seed=0)
    assert batch.success.all()
    found = with_exact_columns(batch, model, model.mean_behaviour)
    np.testing.assert_allclose(found.require("policy_logprob"), found.require("reference_logprob"), atol=1e-6)

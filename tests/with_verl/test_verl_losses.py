"""verl's own estimator registry and losses on credits that are known."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from verl.trainer.ppo.core_algos import agg_loss, get_adv_estimator_fn, get_policy_loss_fn
from verl.workers.config import ActorConfig

MASK = torch.tensor([[1, 1, 0, 0, 0, 1], [1, 1, 0, 0, 0, 0]], dtype=torch.float32)  # turns of 2 and 1 tokens; of 2
CREDITS = torch.tensor([[0.5, 0.5, 0.0, 0.0, 0.0, -1.0], [2.0, 2.0, 0.0, 0.0, 0.0, 0.0]])
MEANS = {
    "token-mean": -(0.5 + 0.5 - 1.0 + 2.0 + 2.0) / 5,
    "token-sum": -(0.5 + 0.5 - 1.0 + 2.0 + 2.0),
    "seq-mean-token-sum": -((0.5 + 0.5 - 1.0) + (2.0 + 2.0)) / 2,
    "seq-mean-token-sum-norm": -((0.5 + 0.5 - 1.0) + (2.0 + 2.0)) / 2 / 6,
    "seq-mean-token-mean": -((0.5 + 0.5 - 1.0) / 3 + (2.0 + 2.0) / 2) / 2,
}


def loss_of(name, mode="token-mean"):
    """verl's loss on our credits, and its gradient by the log-probability of each token; the ratio is 1."""
    logprobs = torch.full_like(CREDITS, -1.5, requires_grad=True)
    config = ActorConfig(strategy="fsdp", rollout_n=1, ppo_micro_batch_size_per_gpu=1)
    advantages, _ = get_adv_estimator_fn("credit_gym")(
        token_level_rewards=CREDITS, response_mask=MASK, config=None, index=None
    )
    loss, _ = get_policy_loss_fn(name)(
        old_log_prob=logprobs.detach(),
        log_prob=logprobs,
        advantages=advantages,
        response_mask=MASK,
        loss_agg_mode=mode,
        config=config,
    )
    loss.backward()
    return loss.item(), logprobs.grad


@pytest.mark.parametrize("mode", MEANS)
def test_turn_credits_give_the_loss_that_the_formula_says(mode):
    loss, gradient = loss_of("vanilla", mode)
    assert loss == pytest.approx(MEANS[mode], abs=1e-6)
    assert torch.equal(gradient != 0, MASK.bool())
    assert agg_loss(-CREDITS, MASK, mode).item() == pytest.approx(MEANS[mode], abs=1e-6)


@pytest.mark.parametrize("name", ["vanilla", "cispo", "gpg", "gspo", "dppo_tv", "dppo_kl", "clip_cov", "kl_cov"])
def test_the_gradient_is_the_credit_of_each_token(name):
    _, gradient = loss_of(name)
    assert torch.allclose(gradient, -CREDITS / 5, atol=1e-6)


def test_a_geometric_mean_over_a_sequence_loses_the_turns():
    """So the page on training names it as one that does not fit: the credits of the first row cancel."""
    _, gradient = loss_of("geo_mean")
    assert torch.allclose(gradient[0], torch.zeros(6))


def test_the_estimator_passes_credits_on_and_drops_what_lies_outside_the_mask():
    advantages, returns = get_adv_estimator_fn("credit_gym")(
        token_level_rewards=CREDITS + (1 - MASK), response_mask=MASK, config=None, index=None
    )
    assert torch.equal(advantages, CREDITS)
    assert torch.equal(returns, CREDITS)


def test_importing_verl_alone_registers_the_estimator():
    code = "import verl; from verl.trainer.ppo.core_algos import ADV_ESTIMATOR_REGISTRY as r; print('credit_gym' in r)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == "True"

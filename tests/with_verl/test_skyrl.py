"""SkyRL's own checks, batches, estimator registry and loss on the rows that we make of episodes."""

from __future__ import annotations

import asyncio
import sys
import typing

import gymnasium as gym
import numpy as np
import pytest
import torch
import typing_extensions
from builders.episodes import walk
from builders.model_servers import chosen_action
from builders.tiny_models import tiny_tokenizer

from credit_gym.agents.harnesses.skyrl_env import register
from credit_gym.agents.learning.skyrl import generator_output, register_estimator

if sys.version_info < (3, 12):  # pydantic refuses typing.TypedDict there, and with it SkyRL 0.3.0 cannot be imported
    OWN, typing.TypedDict = typing.TypedDict, typing_extensions.TypedDict

from skyrl.backends.skyrl_train.utils import ppo_utils
from skyrl.train.config import AlgorithmConfig, GeneratorConfig, SkyRLGymConfig
from skyrl.train.dataset.preprocess import convert_prompts_responses_to_batch_tensors
from skyrl.train.generators.skyrl_gym_generator import SkyRLGymGenerator
from skyrl.train.utils.trainer_utils import validate_generator_output

if sys.version_info < (3, 12):  # what others import later is theirs
    typing.TypedDict = OWN

TOKENS = {
    "prompt_token_ids": ((1, 2), (1, 2, 3, 4, 5, 6)),
    "token_ids": ((3, 4), (7,)),
    "policy_logprobs": ((-0.5, -0.25), (-1.0,)),
}
LONG = walk(steps=2, rewards=(4.0, -3.0), **TOKENS)  # two turns, of 2 tokens and of 1, with returns to go 1 and -3
SHORT = walk(steps=1, rewards=(4.0,), episode_id="b", prompt_token_ids=((1,),), token_ids=((8, 9),))
CREDITS = ([1.0, 1.0, 0.0, 0.0, -3.0], [4.0, 4.0])


@pytest.fixture(scope="module", autouse=True)
def estimator():
    register_estimator()


def batch():
    output = generator_output([LONG, SHORT], "mc", discount=1.0, baseline="none")
    assert output["rewards"] == list(CREDITS)
    validate_generator_output(2, output)
    pad = type("Tokenizer", (), {"pad_token_id": 0, "padding_side": "left"})()
    return convert_prompts_responses_to_batch_tensors(
        pad, *(output[name] for name in ("prompt_token_ids", "response_ids", "rewards", "loss_masks"))
    )


@pytest.mark.parametrize(
    ("reduction", "expected"),
    [
        ("token_mean", -(1.0 + 1.0 - 3.0 + 4.0 + 4.0) / 5),
        ("sequence_mean", -((1.0 + 1.0 - 3.0) / 3 + (4.0 + 4.0) / 2) / 2),
        ("seq_mean_token_sum_norm", -((1.0 + 1.0 - 3.0) + (4.0 + 4.0)) / 2 / 100),
    ],
)
def test_turn_credits_give_the_loss_that_the_formula_says(reduction, expected):
    _, _, response_mask, rewards, loss_mask, *_ = batch()
    config = AlgorithmConfig(advantage_estimator="credit_gym", policy_loss_type="regular")
    advantages, returns = ppo_utils.compute_advantages_and_returns(
        token_level_rewards=rewards,
        response_mask=response_mask,
        index=np.array(["a", "b"]),
        adv_estimator=config.advantage_estimator,
        config=config,
    )
    assert [row.tolist() for row in advantages] == [CREDITS[0], [0.0, 0.0, 0.0, *CREDITS[1]]]  # SkyRL pads on the left
    assert torch.equal(returns, advantages)
    scaled = ppo_utils.apply_loss_reduction_to_advantages_minibatch(advantages, loss_mask, reduction, 2, 100)
    logprobs = torch.full(scaled.shape, -1.5, requires_grad=True)
    loss, _ = ppo_utils.PolicyLossRegistry.get("regular")(
        logprobs, logprobs.detach(), scaled, config=config, loss_mask=loss_mask
    )
    assert loss.item() == pytest.approx(expected, abs=1e-6)
    loss.backward()
    assert torch.equal(logprobs.grad != 0, loss_mask.bool())


class Engine:
    """Answers with an action that the last message offers, as tokens."""

    def __init__(self, tokenizer):
        self._tokenizer = tokenizer
        self.replies = []

    async def generate(self, engine_input, model=None):
        (prompt,) = engine_input["prompt_token_ids"]
        asked = self._tokenizer.decode(prompt).rpartition("<|im_start|>user")[2]
        text = chosen_action({"messages": [{"content": asked}]})
        self.replies.append(text)
        ids = [*self._tokenizer.encode(text, add_special_tokens=False), self._tokenizer.eos_token_id]
        return {"responses": [text], "response_ids": [ids], "stop_reasons": ["stop"]}

    async def finish_session(self, session_id):
        pass


def test_skyrl_s_own_generator_plays_a_game_with_its_rewards_at_the_ends_of_turns():
    tokenizer = tiny_tokenizer()
    engine = Engine(tokenizer)
    generator = SkyRLGymGenerator(GeneratorConfig(max_turns=50), SkyRLGymConfig(max_env_workers=1), engine, tokenizer)
    name = register("credit/Stochastic-v0")
    row = {"seed": 4, "task": 2}
    output = asyncio.run(generator.agent_loop([{"role": "user", "content": ""}], name, row, 64, 10**6))
    env = gym.make(name)
    observation, info = env.reset(seed=4, options={"task": 2})
    shown = tokenizer.decode(output.prompt_ids)
    assert info["task"]["goal"] in shown
    assert observation in shown
    rewards = [env.step(reply)[1] for reply in engine.replies]
    ends = [place for place, token in enumerate(output.response_ids) if token == tokenizer.eos_token_id]
    sampled = [place for place in ends if output.loss_mask[place]]
    assert [output.reward[place] for place in sampled] == rewards
    assert sum(output.reward) == sum(rewards) == output.env_metrics["return"]
    said = [token for token, own in zip(output.response_ids, output.loss_mask, strict=True) if own]
    assert tokenizer.decode(said).split("<|im_end|>")[:-1] == engine.replies

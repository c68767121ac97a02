"""verl's own estimator registry and loss on credits that are known, and our agent loop on a model in this process."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.tiny_models import tiny_model

torch = pytest.importorskip("torch")
pytest.importorskip("verl", reason="verl is not installed")

MASK = [[1, 1, 0, 0, 0, 1], [1, 1, 0, 0, 0, 0]]  # two turns of 2 and 1 tokens; one turn of 2
CREDITS = [[0.5, 0.5, 0.0, 0.0, 0.0, -1.0], [2.0, 2.0, 0.0, 0.0, 0.0, 0.0]]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("token-mean", -(0.5 + 0.5 - 1.0 + 2.0 + 2.0) / 5),
        ("seq-mean-token-sum", -((0.5 + 0.5 - 1.0) + (2.0 + 2.0)) / 2),
        ("seq-mean-token-mean", -((0.5 + 0.5 - 1.0) / 3 + (2.0 + 2.0) / 2) / 2),
    ],
)
def test_turn_credits_give_the_loss_that_the_formula_says(mode: str, expected: float) -> None:
    from verl.trainer.ppo.core_algos import compute_policy_loss_vanilla, get_adv_estimator_fn
    from verl.workers.config import ActorConfig

    import credit_gym.agents.integrations.verl  # noqa: F401 - what verl's plug-in loader does

    mask, credits = torch.tensor(MASK, dtype=torch.float32), torch.tensor(CREDITS)
    advantages, returns = get_adv_estimator_fn("credit_gym")(
        token_level_rewards=credits + (1 - mask), response_mask=mask, config=None, index=None
    )
    assert torch.equal(advantages, credits)  # what lies outside the mask is dropped
    assert torch.equal(returns, credits)
    logprobs = torch.full_like(credits, -1.5, requires_grad=True)
    config = ActorConfig(strategy="fsdp", rollout_n=1, ppo_micro_batch_size_per_gpu=1)
    loss, _ = compute_policy_loss_vanilla(logprobs.detach(), logprobs, advantages, mask, mode, config)
    assert loss.item() == pytest.approx(expected, abs=1e-6)
    loss.backward()
    assert torch.equal(logprobs.grad != 0, mask.bool())


@pytest.mark.slow
def test_the_agent_loop_returns_a_group_whose_rm_scores_are_the_credits_of_its_turns(tmp_path: Path) -> None:
    from omegaconf import OmegaConf
    from verl.experimental.agent_loop.agent_loop import DictConfigWrap
    from verl.workers.rollout.replica import TokenOutput

    from credit_gym.agents.integrations.verl_loop import CreditGymAgentLoop
    from credit_gym.agents.llm.hf import HuggingFaceBackend

    torch.set_num_threads(1)
    folder = tiny_model(tmp_path / "tiny", layers=1, hidden=32, vocab=300, max_position_embeddings=4096)
    backend = HuggingFaceBackend(str(folder), kept_tokens=0)
    asked: list[Any] = []

    async def generate(*, request_id: str, prompt_ids: list[int], sampling_params: dict[str, Any]) -> TokenOutput:
        asked.append((request_id, prompt_ids, sampling_params))
        ids = backend.model.generate(
            torch.tensor([prompt_ids]), max_new_tokens=sampling_params["max_tokens"], do_sample=True
        )[0, len(prompt_ids) :].tolist()
        return TokenOutput(token_ids=ids, log_probs=[-1.0] * len(ids))

    config = OmegaConf.create({"actor_rollout_ref": {"rollout": {"response_length": 4000}}, "data": {}})
    prompting = tmp_path / "short.yaml"
    prompting.write_text("max_tokens: 3\ndecoding: nearest\n")

    async def play() -> list[Any]:
        loop = CreditGymAgentLoop(
            trainer_config=DictConfigWrap(config),
            server_manager=SimpleNamespace(generate=generate),
            tokenizer=backend.tokenizer,
            processor=None,
            dataset_cls=None,
            data_config=DictConfigWrap(config.data),
            scorer="random",
            group_size=3,
            prompting=str(prompting),
            env_args={"num_tasks": 2, "max_episode_steps": 3},
        )
        return await loop.run({"temperature": 1.0}, extra_info={"index": 1, "env_id": "credit/Stochastic-v0"})

    outputs = asyncio.run(play())
    assert len(outputs) == 3
    assert {params["temperature"] for _, _, params in asked} == {1.0}
    for output in outputs:
        fields = output.as_dict()
        scores, mask = fields["rm_scores"], fields["response_mask"]
        assert scores.shape == mask.shape == fields["responses"].shape
        assert torch.equal(scores != 0, mask.bool())
        turns = mask.diff(prepend=torch.zeros(1, dtype=mask.dtype)).eq(1).sum()
        assert turns == output.num_turns // 2
        assert len(set(scores[mask.bool()].tolist())) == turns  # every turn its own credit, the same on all its tokens
        assert "token_credits" not in fields


def test_the_ready_configuration_names_the_loop_and_settings_that_it_takes() -> None:
    import inspect
    from importlib import import_module

    import yaml

    (entry,) = yaml.safe_load((Path(__file__).parents[1] / "docs" / "verl" / "agent_loop.yaml").read_text())
    module, _, name = entry.pop("_target_").rpartition(".")
    known = inspect.signature(getattr(import_module(module), name).__init__).parameters
    assert entry.pop("name") == "credit_gym"
    assert entry.keys() <= known.keys()

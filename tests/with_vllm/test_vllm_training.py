"""Training with rollouts by vLLM: vLLM answers with the weights that training has just reached."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
import torch
from builders.tiny_models import tiny_model

from credit_gym.agents.learning.synced import SyncedVLLM, merged_weights
from credit_gym.agents.learning.train import train
from credit_gym.agents.learning.training import Training
from credit_gym.agents.llm.completion import Completion
from credit_gym.agents.llm.prompting import Prompting
from credit_gym.errors import CreditGymError

TEXT = tuple(range(10, 200))
SHAPE = {"head_dim": 32, "num_attention_heads": 2, "num_key_value_heads": 2, "max_position_embeddings": 4096}


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def settings(model, **changes):
    fields = {
        "env": "credit/Stochastic-v0",
        "env_args": {"num_tasks": 3, "max_episode_steps": 3},
        "model": str(model),
        "scorer": "random",
        "prompting": Prompting(max_tokens=4, decoding="nearest"),
        "rollouts": "vllm",
        "steps": 2,
        "groups": 2,
        "group_size": 2,
        "learning_rate": 1e-2,
    }
    return Training(**{**fields, **changes})


def by_transformers(model, text=TEXT):
    with torch.inference_mode():
        logits = model(torch.tensor([text])).logits[0, :-1]
    return logits.log_softmax(-1).gather(1, torch.tensor(text[1:])[:, None])[:, 0]


def by_vllm(backend, text=TEXT):
    (logprobs,) = backend._logprobs([Completion(text="", prompt_token_ids=text[:1], token_ids=text[1:])])
    return torch.tensor(logprobs)


@pytest.mark.parametrize(("tied", "rank"), [(True, 0), (False, 0), (True, 2)])
def test_after_every_step_vllm_scores_a_text_as_the_model_does(tied, rank, tmp_path, monkeypatch):
    folder = tiny_model(tmp_path / "tiny", tie_word_embeddings=tied, **SHAPE)
    follow, scored = SyncedVLLM.follow, []

    def compared(backend, model):
        follow(backend, model)
        expected, got = by_transformers(model), by_vllm(backend)
        assert (expected - got).abs().max() < 1e-4
        scored.append(got)

    monkeypatch.setattr(SyncedVLLM, "follow", compared)
    train(tmp_path / "run", settings(folder, steps=3, lora_rank=rank))
    first, *rest = scored  # the evaluation before, three steps, the evaluation after
    assert len(rest) == 4
    assert (first - rest[0]).abs().max() < 1e-6
    assert all((before - after).abs().max() > 1e-2 for before, after in pairwise(rest))


def test_what_was_cached_with_earlier_weights_is_not_read_again(tmp_path):
    from transformers import AutoModelForCausalLM

    from credit_gym.agents.llm.completion import Request

    folder = tiny_model(tmp_path / "tiny", **SHAPE)
    backend = SyncedVLLM(str(folder))
    request = Request(messages=({"role": "user", "content": "go north " * 100},), max_tokens=8, seed=1)
    backend.complete([request])  # its prompt is in the prefix cache
    model = AutoModelForCausalLM.from_pretrained(folder, dtype="float32")
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.05 * torch.randn_like(weight))
    backend.follow(model)
    (answer,) = backend.complete([request])
    whole = (*answer.prompt_token_ids, *answer.token_ids)
    expected = by_transformers(model, whole)[-len(answer.token_ids) :]
    assert answer.logprobs == pytest.approx(expected.tolist(), abs=1e-4)


def test_rows_carry_the_log_probabilities_of_the_distribution_sampled_from(tmp_path, monkeypatch):
    """TRL divides its logits by the temperature, so at 0.7 vLLM must have done so too for the ratios to be 1."""
    from credit_gym.agents.learning.trl_trainer import CreditGRPOTrainer

    prepare, ratios = CreditGRPOTrainer._generate_and_score_completions, []

    def noted(trainer, inputs):
        output = prepare(trainer, inputs)
        ratios.append(output["importance_sampling_ratio"])
        return output

    monkeypatch.setattr(CreditGRPOTrainer, "_generate_and_score_completions", noted)
    folder = tiny_model(tmp_path / "tiny", **SHAPE)
    prompting = Prompting(max_tokens=4, decoding="nearest", temperature=0.7)
    train(tmp_path / "run", settings(folder, prompting=prompting, accumulate=2))
    assert len(ratios) == 2
    assert all((ratio - 1).abs().max() < 1e-4 for ratio in ratios)
    assert (tmp_path / "run" / "model" / "model.safetensors").exists()
    rows = [json.loads(line) for line in (tmp_path / "run" / "speed.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2]


def test_arguments_of_vllm_reach_it(tmp_path):
    folder = tiny_model(tmp_path / "tiny", **SHAPE)
    with pytest.raises(CreditGymError, match="has room for 64"):
        train(tmp_path / "run", settings(folder, vllm_options={"max_model_len": 64}))


def test_merged_weights_are_named_and_valued_as_those_of_the_merged_model(tmp_path):
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny_model(tmp_path / "tiny", **SHAPE), dtype="float32")
    adapted = get_peft_model(model, LoraConfig(r=2, target_modules="all-linear", init_lora_weights=False))
    before = {name: weight.clone() for name, weight in adapted.named_parameters()}
    got = dict(merged_weights(adapted))
    assert all(torch.equal(weight, before[name]) for name, weight in adapted.named_parameters())
    expected = dict(adapted.merge_and_unload().named_parameters())
    assert got.keys() == expected.keys()
    assert all(torch.allclose(got[name], expected[name], atol=1e-6) for name in expected)

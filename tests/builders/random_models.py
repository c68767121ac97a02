"""Random models of many families in memory, and the slow, obviously right way to what scoring computes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
torch.set_num_threads(1)

from builders.tiny_models import tiny_config  # noqa: E402

from credit_gym.agents.likelihood.beliefs import Probe  # noqa: E402
from credit_gym.agents.likelihood.forest import TokenSequence  # noqa: E402
from credit_gym.agents.likelihood.language_model import LanguageModel  # noqa: E402

VOCABULARY = 97
LINEAR = {
    "linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 8, "linear_value_head_dim": 8,
    "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16, "shared_expert_intermediate_size": 16,
    "layer_types": ["linear_attention", "full_attention"],
}  # fmt: skip
ROPE = {"rope_theta": 1e4, "factor": 4.0, "original_max_position_embeddings": 16}
FAMILIES: dict[str, dict[str, Any]] = {
    "qwen2": {},
    "qwen3": {},
    "llama": {},
    "gpt2": {},
    "mistral": {"sliding_window": 8},
    "gemma3": {"sliding_window": 8, "layer_types": ["sliding_attention", "full_attention"]},
    "gemma2": {"model_type": "gemma2", "sliding_window": 8, "final_logit_softcapping": 3.0},
    "qwen2 half sliding": {
        "model_type": "qwen2", "use_sliding_window": True, "sliding_window": 8, "max_window_layers": 1,
    },
    "qwen2 eager": {"model_type": "qwen2", "attn_implementation": "eager"},
    "llama yarn": {"model_type": "llama", "rope_parameters": {"rope_type": "yarn", **ROPE}},
    "llama dynamic": {
        "model_type": "llama", "max_position_embeddings": 16, "rope_parameters": {"rope_type": "dynamic", **ROPE},
    },
    "granite": {"model_type": "granite", "logits_scaling": 8.0},
    "qwen3_next": {"model_type": "qwen3_next", **LINEAR},
    "mamba2": {
        "model_type": "mamba2", "num_heads": 8, "head_dim": 16, "state_size": 8, "n_groups": 1, "chunk_size": 8,
    },
    "bloom": {"model_type": "bloom"},
    "gpt_neo": {"model_type": "gpt_neo", "attention_types": [[["global", "local"], 1]], "window_size": 8},
}  # fmt: skip


@cache
def random_model(name: str = "qwen2", seed: int = 0) -> Any:
    """A random model whose weights are large enough for a wrong mask to show."""
    options = dict(FAMILIES[name])
    attention = options.pop("attn_implementation", None)
    config = _config(options.pop("model_type", name), options)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        extra = {} if attention is None else {"attn_implementation": attention}
        model = transformers.AutoModelForCausalLM.from_config(config, **extra).eval()
        for parameter in model.parameters():
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, 0.0, 0.2)
    return model


def language_model(name: str = "qwen2", seed: int = 0) -> LanguageModel:
    return LanguageModel.of(random_model(name, seed))


def naive_logprobs(model: Any, ids: Sequence[int]) -> np.ndarray:
    """(N, vocabulary) log-probabilities at every position of one sequence, alone in one forward."""
    with torch.no_grad():
        if "dynamic" in str(getattr(model.config, "rope_parameters", "")):
            model(input_ids=torch.tensor([[1]]))  # forgets the longest sequence it has seen
        return model(input_ids=torch.as_tensor(np.asarray(ids))[None]).logits[0].float().log_softmax(-1).numpy()


def naive_scores(model: Any, sequence: TokenSequence, top_k: int = 20) -> np.ndarray:
    """(4, L) columns of a sequence from the full matrix of log-probabilities."""
    table = naive_logprobs(model, sequence.ids) if sequence.ids.size else np.zeros((0, 0))
    columns = []
    for position in sequence.positions:
        if position == 0:
            columns.append([np.nan] * 4)
            continue
        row = table[position - 1].astype(np.float64)
        own = row[sequence.ids[position]]
        top = np.sort(row)[::-1][:top_k].mean()
        columns.append([own, -(np.exp(row) * row).sum(), top, 1 + (row > own).sum()])
    return np.array(columns).reshape(-1, 4).T


def naive_belief(model: Any, probe: Probe) -> tuple[np.ndarray, np.ndarray]:
    """log b_0..log b_T and the distractors' log-probabilities, one forward for each point and branch."""
    points, others = [], []
    for context in probe.contexts:
        values = []
        for branch in probe.branches:
            table = naive_logprobs(model, [*context, *branch.ids[: branch.end]])
            places = range(len(context) + branch.start, len(context) + branch.end)
            values.append(sum(table[place - 1, branch.ids[place - len(context)]] for place in places))
        points.append(np.logaddexp.reduce(values[: len(probe.variants)]))
        others.append(values[len(probe.variants) :])
    return np.array(points), np.array(others).reshape(len(points), -1)


def _config(model_type: str, options: dict[str, Any]) -> Any:
    if model_type in ("gpt2", "bloom", "gpt_neo", "mamba2"):
        sizes: dict[str, Any] = {"hidden_size": 64, "vocab_size": VOCABULARY, "bos_token_id": 1, "eos_token_id": 2}
        names = {"gpt_neo": ("num_layers", "num_heads"), "mamba2": ("num_hidden_layers", "")}
        layers, heads = names.get(model_type, ("n_layer", "n_head"))
        sizes |= {layers: 2} | ({heads: 4} if heads else {})
        return transformers.AutoConfig.for_model(model_type, **sizes, **options)
    return tiny_config("qwen2", vocab=VOCABULARY, **options) if model_type == "qwen2" else _sized(model_type, options)


def _sized(model_type: str, options: dict[str, Any]) -> Any:
    known = {"gemma3": "gemma3_text"}
    template = tiny_config("qwen2", vocab=VOCABULARY).to_dict()
    shape = (
        "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
        "num_key_value_heads", "max_position_embeddings", "bos_token_id", "eos_token_id", "pad_token_id",
    )  # fmt: skip
    sizes = {name: template[name] for name in shape} | {"head_dim": 16}
    return transformers.AutoConfig.for_model(known.get(model_type, model_type), **{**sizes, **options})

"""Language models made here, no download: random ones in milliseconds, and one that has learned to play in seconds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from filelock import FileLock
from transformers import AutoConfig, AutoModelForCausalLM

from credit_gym.agents.learning.tiny_lm import train_tiny_lm
from credit_gym.agents.learning.tiny_lm.tokenizer import CHAT_TEMPLATE as CHATML
from credit_gym.agents.learning.tiny_lm.tokenizer import learn_tokenizer
from credit_gym.agents.llm.prompting import Prompting

torch.set_num_threads(1)  # on a busy machine two threads are many times slower than one

_CORPUS = (
    "user assistant system You are playing a text game. Your goal: reach the end. Answer with your next action.",
    "go north go south go east go west take the lamp open the door look around you see a room",
    "Is it an apple? Is it a banana? yes no maybe 0 1 2 3 4 5 6 7 8 9",
)


def tiny_model(
    folder: Path,
    *,
    family: str = "qwen2",
    seed: int = 0,
    layers: int = 2,
    hidden: int = 64,
    vocab: int = 512,
    chat_template: str | None = CHATML,
    **config: Any,
) -> Path:
    """Save a random causal language model to a folder and return it.

    Args:
        folder: where; made if need be.
        family: a key of :data:`FAMILIES`.
        seed: fixes the weights.
        layers: number of blocks.
        hidden: width; heads have 16 dimensions, two of them share one key-value head.
        vocab: number of token ids; the tokenizer may use fewer.
        chat_template: None leaves the folder without one.
        config: further fields of the family's configuration, such as ``sliding_window=8``.
    """
    tokenizer = tiny_tokenizer(vocab, chat_template)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(tiny_config(family, layers, hidden, vocab, **config))
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def tiny_config(family: str = "qwen2", layers: int = 2, hidden: int = 64, vocab: int = 512, **config: Any) -> Any:
    """Return the configuration of a tiny model; ``initializer_range`` 0.1 keeps its predictions far from uniform."""
    shape = {
        "vocab_size": vocab,
        "hidden_size": hidden,
        "intermediate_size": 2 * hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": hidden // 16,
        "num_key_value_heads": max(hidden // 32, 1),
        "head_dim": 16,
        "max_position_embeddings": 1024,
        "initializer_range": 0.1,
        "bos_token_id": None,
        "eos_token_id": 2,
        "pad_token_id": 0,
    }
    model_type, own = FAMILIES[family]
    return AutoConfig.for_model(model_type, **{**shape, **own, **config})


def tiny_tokenizer(vocab: int = 512, chat_template: str | None = CHATML) -> Any:
    """Return a byte-level BPE tokenizer of at most ``vocab`` entries (at least 259) that encodes any text."""
    tokenizer = learn_tokenizer(_CORPUS, vocab)
    tokenizer.chat_template = chat_template
    return tokenizer


@pytest.fixture(scope="session")
def trained_tiny_lm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that has learned to climb the towers of ``credit/Stochastic-v0``; all processes of a test run share it.

    Import it into the test file that asks for it, and mark the test slow: training takes about 18 seconds of one core.
    """
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "trained_tiny_lm"
    with FileLock(f"{shared}.lock"):
        if not shared.exists():
            train_tiny_lm(shared.with_suffix(".part"), **TRAINED)
            shared.with_suffix(".part").rename(shared)
    return shared


TRAINED: dict[str, Any] = {
    "env_ids": ["credit/Stochastic-v0"],
    "episodes": 400,
    "steps": 350,
    "layers": 1,
    "prompting": Prompting(name="brief", system=""),
}
"""What :func:`trained_tiny_lm` was trained with, and is asked with."""

FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "qwen2": ("qwen2", {}),
    "qwen3": ("qwen3", {}),
    "llama": ("llama", {}),
    "gpt2": ("gpt2", {"tie_word_embeddings": True}),
    "mistral": ("mistral", {"sliding_window": 16}),
    "gemma3": ("gemma3_text", {"sliding_window": 16, "layer_types": None, "query_pre_attn_scalar": 16}),
}
"""Name of a family: its model type and what its configuration needs besides the common shape."""

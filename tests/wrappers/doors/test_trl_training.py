"""TRL's own GRPOTrainer trains a tiny model that calls tools on one of our environments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest

from credit_gym.data.calls import write_call
from credit_gym.wrappers.doors.trl_environment import environment, row_dataset

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

pytestmark = pytest.mark.slow

WORDS = ("amber", "black", "copper", "denim")
RESPONSES = {  # how transformers finds calls in what the model wrote
    "defaults": {"role": "assistant"},
    "start_anchor": "<|im_start|>assistant\n",
    "fields": {
        "tool_calls": {
            "open": "<tool_call>",
            "close_pattern": r"</tool_call>\s*",
            "repeats": True,
            "content": "json",
            "transform": {"type": "function", "function": "{content}"},
        },
        "content": {"close_pattern": r"<\|im_end\|>\s*", "content": "text"},
    },
}
LONGEST = 400


def called(word: str) -> str:
    return f"<tool_call>\n{write_call('choose', {'action': f'say {word}'})}\n</tool_call>"


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[int]]:
    """A random model with a token for each call that it may make, and those tokens."""
    from builders.tiny_models import tiny_model
    from builders.tool_templates import HERMES
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = tmp_path_factory.mktemp("caller")
    tiny_model(folder, layers=1, hidden=32, vocab=300, chat_template=HERMES, max_position_embeddings=4096)
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
    tokenizer.add_tokens([called(word) for word in WORDS])
    tokenizer.response_template = RESPONSES
    model.resize_token_embeddings(len(tokenizer))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder, tokenizer.convert_tokens_to_ids([called(word) for word in WORDS])


def test_grpo_trains_on_what_the_game_gives(caller: tuple[Path, list[int]], tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import GRPOConfig, GRPOTrainer

    folder, calls = caller
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype="float32")
    before = model.model.embed_tokens.weight.detach().clone()
    seen: list[tuple[Any, Any, int, int]] = []

    def watch(completions: Any, environments: Any, seed: Any, task: Any, **_: Any) -> list[float]:
        seen.extend(zip(completions, (each.episode for each in environments), seed, task, strict=True))
        return [0.0] * len(completions)

    trainer = GRPOTrainer(
        model,
        [watch],
        GRPOConfig(
            str(tmp_path),
            per_device_train_batch_size=4,
            num_generations=4,
            max_completion_length=LONGEST,
            max_tool_calling_iterations=3,
            generation_kwargs={
                "sequence_bias": [
                    *([[call], 30.0] for call in calls),
                    *([[call, tokenizer.eos_token_id], 90.0] for call in calls),
                ]
            },
            learning_rate=1e-2,
            max_steps=2,
            logging_steps=1,
            gradient_checkpointing=False,
            use_cpu=True,
            bf16=False,
            report_to=[],
            disable_tqdm=True,
            save_strategy="no",
        ),
        row_dataset("credit/TeamGame-v0", 2, seed=8, num_tasks=5),  # about half of what can be said wins
        processing_class=tokenizer,
        environment_factory=environment("credit/TeamGame-v0", num_tasks=5),
    )
    trainer.train()

    assert len(seen) == 8
    returns = []
    for completion, episode, seed, task in seen:
        env = gym.make("credit/TeamGame-v0", num_tasks=5)
        env.reset(seed=seed, options={"task": task})
        made = [call["function"] for said in completion for call in said.get("tool_calls") or ()]
        assert [call["name"] for call in made] == ["choose"] * len(made)
        results = [env.step(call["arguments"]["action"]) for call in made[:2]]  # the team has two messages
        assert episode.actions == tuple(call["arguments"]["action"] for call in made[:2])
        assert episode.terminated
        assert episode.observations[1:] == tuple(result[0] for result in results)
        told = [said["content"] for said in completion if said["role"] == "tool"]
        assert told[0] == results[0][0]  # the reset listed what is on offer, and it is the same
        assert told[1].endswith("The game is over.")
        assert all("The game is over. Do nothing more." in text for text in told[2:])
        returns.append(sum(float(result[1]) for result in results))
    log = [row for row in trainer.state.log_history if "rewards/TeamGame-v0/mean" in row]
    assert [row["rewards/TeamGame-v0/mean"] for row in log] == [
        pytest.approx(sum(returns[:4]) / 4),
        pytest.approx(sum(returns[4:]) / 4),
    ]
    assert len(set(returns)) > 1
    assert not torch.equal(model.model.embed_tokens.weight, before)

"""A process reward model made here: it finds fault with whoever looks around, and says so as ThinkPRM does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from builders.tiny_models import tiny_config, tiny_tokenizer
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

from credit_gym.agents.learning.tiny_lm.tokenizer import learn_tokenizer
from credit_gym.agents.likelihood.think_prm import OPENING, critique_prompt, numbered_steps
from credit_gym.agents.likelihood.transcripts import Transcript, Turn
from credit_gym.agents.llm.chat_tokens import ChatTokens

GOOD, BAD = "open the door", "look around"
_WORDS = " Step 1 2 3 is \\boxed.\ncorrect\nincorrect" * 20


def one_step(action: str, task: int = 0, reward: float | None = None) -> Transcript:
    """A run of one action."""
    turns = (Turn("user", f"go to room {task}"), Turn("assistant", action))
    return Transcript(f"{task}-{action}", str(task), turns, reward=reward)


def tiny_critic(folder: Path, *, steps: int = 60, **config: Any) -> Path:
    """Train the critic on runs of one step, a few seconds of one core; return its folder."""
    shown = [(each, _critique(each)) for each in (one_step(a, t) for t in range(4) for a in (GOOD, BAD))]
    prompts = [critique_prompt(run, numbered_steps(run)) for run, _ in shown]
    words = [prompt.replace("{", " ") for prompt in prompts]  # as in Qwen's, no token holds a brace and a verdict
    tokenizer = learn_tokenizer([*words, f"{GOOD} {BAD} {_WORDS}"], 600)
    chat = ChatTokens(tokenizer)
    rows, starts = [], []
    for prompt, (_, critique) in zip(prompts, shown, strict=True):
        asked = (*chat.prompt([{"role": "user", "content": prompt}]).ids, *chat.text_ids(OPENING))
        rows.append(torch.tensor((*asked, *chat.answer(critique))))
        starts.append(len(asked))
    ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    labels = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=-100)
    for row, start in enumerate(starts):
        labels[row, :start] = -100
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        shape = tiny_config(vocab=len(tokenizer), **{"max_position_embeddings": 4096, **config})
        model: Any = AutoModelForCausalLM.from_config(shape)
        optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
        for _ in range(steps):
            optimizer.zero_grad()
            model(input_ids=ids, labels=labels).loss.backward()
            optimizer.step()
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _critique(run: Transcript) -> str:
    wrong = "in" if run.turns[-1].content == BAD else ""
    return f" Step 1 is \\boxed{{{wrong}correct}}."


def wild_reward(folder: Path, labels: int = 4) -> str:
    """The folder of a random classifier."""
    config = tiny_config(max_position_embeddings=5000)
    config.num_labels = labels
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return str(folder)

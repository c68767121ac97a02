"""Training: imitate recorded episodes, loss on the assistant's tokens alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import gymnasium as gym

from credit_gym import rng
from credit_gym.agents.learning.gradient_step import gradient_step
from credit_gym.agents.learning.one_thread import one_thread
from credit_gym.agents.learning.tiny_lm.corpus import Transcript, texts, transcripts
from credit_gym.agents.llm.prompting import Prompting, load_prompting
from credit_gym.agents.rollout.runner import run_episodes
from credit_gym.agents.spec import parse_agent
from credit_gym.data.episode import Episode
from credit_gym.errors import CreditGymError, missing_extra

try:
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    from credit_gym.agents.learning.tiny_lm.tokenizer import SMALLEST, learn_tokenizer
    from credit_gym.agents.llm.chat_tokens import ChatTokens
except ModuleNotFoundError as error:
    raise missing_extra(error.name or "transformers", "hf") from None

_POSITIONS = 4096
_HEAD_WIDTH = 32  # the narrowest that vLLM's CPU attention takes


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a training came to.

    Attributes:
        folder: where the model is.
        episodes: number of episodes that were imitated.
        success_rate: of those episodes.
        transcripts: rows of training data.
        taught_tokens: tokens of the assistant among them.
        vocabulary: number of tokens.
        parameters: number of weights.
        losses: mean loss of each training step, nats per taught token.
    """

    folder: Path
    episodes: int
    success_rate: float
    transcripts: int
    taught_tokens: int
    vocabulary: int
    parameters: int
    losses: tuple[float, ...]


def train_tiny_lm(
    folder: str | Path,
    *,
    env_ids: Sequence[str] = ("credit/Stochastic-v0",),
    env_arguments: Mapping[str, Any] = MappingProxyType({}),
    agent: str = "noisy:0.3",
    episodes: int = 600,
    expert_only: bool = True,
    prompting: str | Prompting = "plain",
    steps: int = 500,
    batch_size: int = 8,
    learning_rate: float = 3e-3,
    hidden: int = 64,
    layers: int = 2,
    vocabulary: int = 1024,
    seed: int = 0,
    on_step: Callable[[int, float], None] = lambda step, loss: None,
) -> Report:
    """Train a Qwen2 causal language model to play as a scripted agent does, and save it as a Hugging Face folder.

    The same arguments give the same files to the byte on one machine: training runs on one thread of the CPU. The
    weights start with a deviation of 0.1, which lets models this small learn in hundreds of steps; the learning rate
    of AdamW falls as a half cosine.

    Args:
        folder: where the model goes; it may exist, but not hold a model.
        env_ids: Gymnasium ids of the environments; the episodes are shared out among them.
        env_arguments: arguments of them all.
        agent: who is imitated, as :func:`credit_gym.agents.spec.parse_agent` reads it.
        episodes: number of recorded episodes.
        expert_only: learn only from actions that the environment calls an expert's, where it says what an expert would
            do; the slips of a noisy expert are then shown, but not learned. Without it the noise is imitated too.
        prompting: how episodes are shown to the model; it must be played with the same one.
        steps: training steps.
        batch_size: rows of a step.
        learning_rate: at the start.
        hidden: width, a multiple of 32.
        layers: number of blocks.
        vocabulary: most tokens of its tokenizer.
        seed: fixes everything.
        on_step: told the number and the loss of each training step.

    Raises:
        CreditGymError: an argument is out of range, the folder holds a model, or there is nothing to imitate.
    """
    folder = Path(folder)
    _check(folder, env_ids, episodes, steps, batch_size, hidden, layers, vocabulary)
    prompting = prompting if isinstance(prompting, Prompting) else load_prompting(prompting)
    recorded = _record(env_ids, env_arguments, agent, episodes, seed)
    tokenizer = learn_tokenizer(texts(recorded, prompting), vocabulary)
    rows = transcripts(recorded, prompting, ChatTokens(tokenizer), expert_only=expert_only)
    if not rows:
        raise CreditGymError(
            f"{agent} took no action that an expert would: imitate another agent, or give expert_only=False."
        )
    model, losses = teach(
        tokenizer,
        rows,
        steps=steps,
        batch_size=batch_size,
        learning_rate=learning_rate,
        hidden=hidden,
        layers=layers,
        seed=seed,
        on_step=on_step,
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return Report(
        folder=folder,
        episodes=len(recorded),
        success_rate=sum(episode.success for episode in recorded) / len(recorded),
        transcripts=len(rows),
        taught_tokens=sum(len(row.taught) for row in rows),
        vocabulary=len(tokenizer),
        parameters=model.num_parameters(),
        losses=losses,
    )


def teach(
    tokenizer: Any,
    rows: Sequence[Transcript],
    *,
    steps: int,
    batch_size: int,
    learning_rate: float,
    hidden: int,
    layers: int,
    seed: int,
    on_step: Callable[[int, float], None] = lambda step, loss: None,
) -> tuple[Any, tuple[float, ...]]:
    """Train a new model on some rows; see :func:`train_tiny_lm` for the arguments.

    Returns:
        The model, and the loss of each step in nats per taught token.
    """
    with one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(rng.derive(seed, 1) >> 1)
        model = small_qwen(tokenizer, hidden, layers)
        losses = tuple(_fit(model, rows, steps, batch_size, learning_rate, on_step))
    return model, losses


def teach_further(
    model: Any, rows: Sequence[Transcript], *, steps: int, batch_size: int, learning_rate: float, seed: int
) -> tuple[float, ...]:
    """Train a model on some rows, from the weights that it has; see :func:`train_tiny_lm` for the arguments.

    Returns:
        The loss of each step in nats per taught token.
    """
    with one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(rng.derive(seed, 4) >> 1)
        return tuple(_fit(model, rows, steps, batch_size, learning_rate, lambda step, loss: None))


def _record(
    env_ids: Sequence[str], arguments: Mapping[str, Any], agent: str, episodes: int, seed: int
) -> list[Episode]:
    recorded = []
    for index, env_id in enumerate(env_ids):
        share = episodes // len(env_ids) + (index < episodes % len(env_ids))
        player = parse_agent(agent, seed=rng.derive(seed, 2, index))
        make_env = partial(gym.make, env_id, **arguments)
        recorded += run_episodes(make_env, player, episodes=share, seed=rng.derive(seed, 3, index), progress=False)
    failed = next((episode for episode in recorded if episode.error), None)
    if failed is not None:
        raise CreditGymError(f"{agent} could not play {failed.env_id}: {failed.error}")
    return recorded


def small_qwen(tokenizer: Any, hidden: int, layers: int, positions: int = _POSITIONS) -> Any:
    """Return a random Qwen2 for a tokenizer.

    Args:
        tokenizer: gives the vocabulary and the special tokens.
        hidden: width, a multiple of 32, the width of a head.
        layers: number of blocks.
        positions: longest sequence.
    """
    heads = hidden // _HEAD_WIDTH
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        max_position_embeddings=positions,
        initializer_range=0.1,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return Qwen2ForCausalLM(config)


def _fit(
    model: Any,
    rows: Sequence[Transcript],
    steps: int,
    batch_size: int,
    learning_rate: float,
    on_step: Callable[[int, float], None],
) -> Iterator[float]:
    """Train, and yield the loss of each step."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    model.train()
    for step in range(steps):
        batch = [rows[index] for index in torch.randint(len(rows), (batch_size,)).tolist()]
        loss = _loss(model, batch)
        gradient_step(model, optimizer, loss)
        schedule.step()
        on_step(step, loss.item())
        yield loss.item()
    model.eval()


def _loss(model: Any, batch: Sequence[Transcript]) -> Any:
    """Mean of -log p over the taught tokens; only what predicts them meets the vocabulary."""
    ids = torch.nn.utils.rnn.pad_sequence([torch.tensor(row.ids[:_POSITIONS]) for row in batch], batch_first=True)
    taught = [(number, index) for number, row in enumerate(batch) for index in row.taught if index < _POSITIONS]
    number, index = torch.tensor(taught).T
    states = model.model(ids[:, :-1]).last_hidden_state  # padding is on the right, where causal attention never looks
    return torch.nn.functional.cross_entropy(model.lm_head(states[number, index - 1]), ids[number, index])


def _check(
    folder: Path,
    env_ids: Sequence[str],
    episodes: int,
    steps: int,
    batch_size: int,
    hidden: int,
    layers: int,
    vocabulary: int,
) -> None:
    problems = {
        "name at least one environment": not env_ids,
        f"episodes must be at least {len(env_ids)}, one per environment": episodes < len(env_ids),
        "steps, batch_size and layers must be at least 1": min(steps, batch_size, layers) < 1,
        f"hidden must be a positive multiple of {_HEAD_WIDTH}": hidden < 1 or hidden % _HEAD_WIDTH != 0,
        f"vocabulary must be at least {SMALLEST}": vocabulary < SMALLEST,
        f"{folder} already holds a model; give another folder": (folder / "config.json").exists(),
    }
    for problem, applies in problems.items():
        if applies:
            raise CreditGymError(f"No tiny model was trained: {problem}.")

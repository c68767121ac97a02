"""A tiny policy and its reference for Sokoban: imitation of a stumbling expert, then of the rooms that this solved.

A model that learns from its own solved episodes alone tends to its own distribution given success, whose log-ratio to
the model that it was is ``log Q(s, a) - log V(s)`` of that model's probability of success: progress advantage at its
word, for a reward that nothing but success has.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import gymnasium as gym

from credit_gym import rng
from credit_gym.agents.learning.one_thread import one_thread
from credit_gym.agents.learning.playing import Seat, play_together
from credit_gym.agents.llm.prompting import Prompting
from credit_gym.data.episode import Episode
from credit_gym.errors import CreditGymError

ENV_ID = "credit/Sokoban-v0"

PROMPTING = Prompting(name="room", system="", history_turns=0, max_tokens=8)
"""The picture alone: it says all of a position, and so few tokens can be learned in a minute."""

_GAME = {"max_steps": 20}
_AT_A_TIME = 128  # episodes in play
_NOISE = "noisy:0.5"


class Effort(NamedTuple):
    """What a pair is made with.

    Attributes:
        rooms: of the split ``train``; each is played once by the expert and once by the reference.
        steps: training steps of the reference.
        further: training steps that make it the policy.
        batch_size: decisions a step.
    """

    rooms: int = 2000
    steps: int = 600
    further: int = 300
    batch_size: int = 64


def make_pair(folder: Path, effort: Effort, *, seed: int) -> tuple[Path, Path]:
    """Make a policy and its reference, unless the folder has them; about two minutes of one core.

    Args:
        folder: where they go.
        effort: what they are made with.
        seed: fixes everything, the rooms too.

    Returns:
        The folders of policy and reference.

    Raises:
        CreditGymError: the reference solved no room, so that there is nothing to learn further.
    """
    name = "-".join(map(str, (*effort, seed)))
    policy, reference = folder / f"sokoban-policy-{name}", folder / f"sokoban-reference-{name}"
    if not (reference / "config.json").exists():
        _imitate(reference, effort, seed)
    if not (policy / "config.json").exists():
        _go_on(policy, reference, effort, seed)
    return policy, reference


def play_rooms(model: Path, split: str, rooms: int, *, candidates: int, seed: int) -> list[Episode]:
    """Return episodes of a model at temperature 1, its tokens recorded: so many candidates of each room, in order.

    Args:
        model: its folder.
        split: of the rooms.
        rooms: how many.
        candidates: episodes of each.
        seed: fixes the rooms and the draws.
    """
    from credit_gym.agents.llm.agent import BatchAgent
    from credit_gym.agents.llm.hf import HuggingFaceBackend

    agent = BatchAgent(HuggingFaceBackend(str(model), device="cpu", kept_tokens=0), PROMPTING)
    seats = [
        Seat(rng.derive(seed, room, number), f"{seed}-{room}-{number}", f"{seed}-{room}", room)
        for room in range(rooms)
        for number in range(candidates)
    ]
    envs = [gym.make(ENV_ID, split=split, **_game(rooms, seed)) for _ in seats[:_AT_A_TIME]]
    parts = range(0, len(seats), _AT_A_TIME)
    with one_thread():
        return [episode for part in parts for episode in play_together(envs, agent, seats[part : part + _AT_A_TIME])]


def _game(rooms: int, seed: int) -> dict[str, Any]:
    return {**_GAME, "num_tasks": rooms, "room_seed": seed}


def _imitate(reference: Path, effort: Effort, seed: int) -> None:
    from credit_gym.agents.learning.tiny_lm import train_tiny_lm

    train_tiny_lm(
        reference,
        env_ids=[ENV_ID],
        env_arguments=_game(effort.rooms, seed),
        agent=_NOISE,
        episodes=effort.rooms,
        expert_only=False,
        prompting=PROMPTING,
        steps=effort.steps,
        batch_size=effort.batch_size,
        vocabulary=500,
        seed=seed,
    )


def _go_on(policy: Path, reference: Path, effort: Effort, seed: int) -> None:
    """Train the reference further on the episodes of its own that solved their room."""
    from transformers import AutoModelForCausalLM

    from credit_gym.agents.learning.tiny_lm.corpus import transcripts
    from credit_gym.agents.learning.tiny_lm.pretrain import teach_further
    from credit_gym.agents.llm.chat_tokens import ChatTokens
    from credit_gym.agents.llm.pretrained import load_model, load_tokenizer

    model, tokenizer = load_model(AutoModelForCausalLM, reference), load_tokenizer(reference)
    played = play_rooms(reference, "train", effort.rooms, candidates=1, seed=seed)
    solved = [episode for episode in played if episode.success]
    if not solved:
        raise CreditGymError("The reference solved no room, so the policy has nothing to learn from: give more steps.")
    rows = transcripts(solved, PROMPTING, ChatTokens(tokenizer))
    teach_further(model, rows, steps=effort.further, batch_size=effort.batch_size, learning_rate=1e-3, seed=seed)
    model.save_pretrained(policy)
    tokenizer.save_pretrained(policy)

"""The three environments, and the weak players that the model imitates before it is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gymnasium as gym

from credit_gym.agents.core import Agent, Context, random_bits
from credit_gym.agents.llm.prompting import Prompting
from credit_gym.agents.replay.allocation import Allocation, FanOut, PerDecision
from credit_gym.agents.scripted import NoisyExpert
from credit_gym.wrappers import RecordVerifier

WORDS = ("dog", "eagle", "shark", "oak", "rose", "apple", "bread", "hammer", "piano", "car", "castle", "shirt")
QUESTIONS = (
    *("Would you find it inside many homes?", "Is it bigger than a car?", "Is it bigger than a baseball bat?"),
    *(
        "Is it an animal?",
        "Is it made by people?",
        "Do people commonly eat it?",
        "Do people wear it?",
        "Is it a plant?",
    ),
)


@dataclass(frozen=True)
class Questioner:
    """Asks what the expert would now and then, and otherwise one of a few questions, or guesses one of a few words.

    Attributes:
        expert_share: probability of the expert's question; of the rest, half are guesses.
    """

    expert_share: float = 0.25
    name: str = "questioner"

    def act(self, contexts: Sequence[Context], /) -> list[str]:
        """Return one question per context."""
        return [self._question(context) for context in contexts]

    def _question(self, context: Context) -> str:
        bits = random_bits(context, 0)
        if bits >> 32 < self.expert_share * 2**32:
            return str(context.info["expert_actions"][0])
        number = bits & 0xFFFF
        if bits >> 16 & 1:
            return QUESTIONS[number % len(QUESTIONS)]
        word = WORDS[number % len(WORDS)]
        return f"Is it {'an' if word[0] in 'aeo' else 'a'} {word}?"


@dataclass(frozen=True, kw_only=True)
class Game:
    """An environment to train on.

    Attributes:
        env_id: its Gymnasium id.
        env_args: its arguments.
        words: secrets that are written to a file and given as the argument ``words``.
        teacher: whom the model imitates before it is trained.
        prompting: how the model is asked; the goal is left out: it is one for all tasks, or part of what is observed.
        allocation: where the replay trees of C3 branch.
        groups: tasks of a gradient step.
        group_size: episodes of a task, where no tree is grown.
        lessons: steps of imitation.
        tokens: sampled tokens of a whole training.
    """

    env_id: str
    env_args: Mapping[str, Any] = field(default_factory=dict)
    words: tuple[str, ...] = ()
    teacher: Agent
    prompting: Prompting
    allocation: Allocation
    groups: int = 1
    group_size: int = 16
    lessons: int = 600
    tokens: int = 80_000

    def make(self, folder: Path) -> gym.Env[str, str]:
        """Build the environment, its verifier recorded; a list of words is written into the folder."""
        arguments = dict(self.env_args)
        if self.words:
            arguments["words"] = path = folder / "words.txt"
            if not path.is_file():
                path.write_text("\n".join(self.words), encoding="utf-8")
        return RecordVerifier(gym.make(self.env_id, **arguments))


_GROWING = Prompting(name="headline", system="", max_tokens=48)
_LATEST = Prompting(name="headline-latest", system="", history_turns=0, max_tokens=48)

GAMES = {
    "Stochastic": Game(
        env_id="credit/Stochastic-v0",
        teacher=NoisyExpert(1.0, 0),
        prompting=_LATEST,
        allocation=PerDecision(draws=2),
        lessons=2500,
    ),
    "20 Questions": Game(
        env_id="credit/TwentyQuestions-v0",
        env_args={"turns": 6},
        words=WORDS,
        lessons=1000,
        groups=4,
        tokens=36_000,
        teacher=Questioner(),
        prompting=_GROWING,
        allocation=PerDecision(draws=4),
    ),
    "MultiAgentMath": Game(
        env_id="credit/MultiAgentMath-v0",
        env_args={"num_problems": 16},
        teacher=NoisyExpert(1.0, 0),
        prompting=_LATEST,
        allocation=FanOut((4, 4)),
        groups=4,
        tokens=33_000,
    ),
}

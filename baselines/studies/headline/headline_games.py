"""The environments as exact models: every state with the text that the player reads, and whom the player imitates."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from credit_gym import rng
from credit_gym.baselines.studies.headline.walk import walk
from credit_gym.envs.tabular.build import State, Task, build_model
from credit_gym.envs.tabular.manifest import embedded_manifest
from credit_gym.envs.tabular.sketch import attempt, dress, to
from credit_gym.exact import oracle
from credit_gym.exact.tabular_model import TabularModel

WORDS = ("dog", "eagle", "shark", "oak", "rose", "apple", "bread", "hammer", "piano", "car")
GUESSES = tuple(f"Is it {'an' if word[0] in 'aeo' else 'a'} {word}?" for word in WORDS)
QUESTIONS = (
    "Is it an animal?",
    "Is it made by people?",
    "Do people commonly eat it?",
    "Is it a plant?",
    "Is it bigger than a car?",
    "Would you find it inside many homes?",
)
TURNS = 4
SKILL = 0.4
"""How often the questioner who is imitated asks the best question on offer; at other times it asks any."""
_FAMILY = 0x48454144  # keeps the seeds of the climbs apart from those of other families


def climbs(towers: int = 6, floors: int = 10, bonus: float = 2.8) -> TabularModel:
    """Return long climbs by the rules of ``credit/Stochastic-v0``: every floor has a way back down and a fatal action.

    Args:
        towers: tasks.
        floors: of each; the horizon is four steps a floor.
        bonus: how much the behaviour favours progress, logits.
    """
    return build_model([_climb(index, floors, bonus) for index in range(towers)], verifier_noise=0.02)


def questions() -> TabularModel:
    """Return ``credit/TwentyQuestions-v0`` about ten nouns, a few questions and one guess a noun on offer."""
    with tempfile.TemporaryDirectory() as folder:
        words = Path(folder) / "words.txt"
        words.write_text("\n".join(WORDS), encoding="utf-8")
        env = gym.make("credit/TwentyQuestions-v0", words=words, turns=TURNS, expert=False)
    play = partial(walk, env, offer=lambda _: QUESTIONS + GUESSES, shown=_notes, prior=_asks_well_at_times)
    return build_model([play(task, horizon=TURNS) for task in range(len(WORDS))])


def household() -> TabularModel:
    """Return ``credit/ALFWorldManifest-v0``, eight household tasks, with a behaviour that does anything."""
    model = embedded_manifest("alfworld")
    return replace(model, behaviour=oracle.uniform_policy(model)[None])


def team(problems: int = 6, roles: str = "chain4") -> TabularModel:
    """Return ``credit/MultiAgentMath-v0`` with the messages that it offers, and a behaviour that says any.

    Args:
        problems: tasks.
        roles: who speaks to whom.
    """
    env = gym.make("credit/MultiAgentMath-v0", num_problems=problems, roles=roles)
    play = partial(walk, env, offer=_admissible, shown=lambda _, observation: observation, prior=_any)
    speakers: Any = env.unwrapped
    return build_model([play(task, horizon=len(speakers.roles.order)) for task in range(problems)])


@dataclass(frozen=True, kw_only=True)
class Game:
    """An environment to train on.

    Attributes:
        build: makes the exact model of its tasks; its behaviour is what the player imitates before it is trained.
        group_size: episodes of a task in a batch; a batch plays every task.
        tokens: sampled tokens of a whole training; a message is one.
    """

    build: Callable[[], TabularModel]
    group_size: int
    tokens: int

    @property
    def model(self) -> TabularModel:
        """The tasks, made once a process."""
        return _built(self.build)


GAMES = {
    "Stochastic": Game(build=climbs, group_size=16, tokens=36_000),
    "ALFWorld": Game(build=household, group_size=8, tokens=24_000),
    "20 Questions": Game(build=questions, group_size=4, tokens=9_000),
    "MultiAgentMath": Game(build=team, group_size=4, tokens=1_200),
}


@lru_cache(maxsize=8)
def _built(build: Callable[[], TabularModel]) -> TabularModel:
    return build()


def _climb(index: int, floors: int, bonus: float) -> Task:
    chance = random.Random(rng.derive(_FAMILY, index))
    tower = f"tower {index}"
    states = []
    for floor in range(floors):
        here = f"floor {floor}"
        moves = {
            "progress": attempt(0.9, f"floor {floor + 1}", here, bonus=bonus),
            "loop": to(here),
            "back": to(f"floor {max(floor - 1, 0)}", -1.0 if floor else 0.0),
            "fatal": to("shaft"),
        }
        where = f"You are on floor {floor} of {floors} of {tower}."
        states.append(dress(here, where, moves, exploration=0.5, rng=chance))
    states.append(State("shaft", f"The floor gave way: the climb of {tower} is over."))
    states.append(State(f"floor {floors}", f"You are on the top floor of {tower}.", success=True))
    goal = f"Reach floor {floors} of {tower}."
    return Task(name=f"climb-{index}", goal=goal, states=tuple(states), start="floor 0", horizon=4 * floors)


def _notes(game: Any, observation: str) -> str:
    """What was answered so far, in alphabetical order."""
    return " ".join(sorted({f"{turn.action} {turn.text}" for turn in game.asked if turn.key})) or observation


def _asks_well_at_times(game: Any, messages: Sequence[str]) -> list[float]:
    left = game.remaining()
    if len(left) == 1 or len(game.asked) == TURNS - 1:
        best = messages.index(GUESSES[WORDS.index(left[0])])
    else:
        best = int(np.argmax([game.information_gain(message) for message in messages]))
    return [(1.0 - SKILL) / len(messages) + SKILL * (place == best) for place in range(len(messages))]


def _any(game: Any, messages: Sequence[str]) -> list[float]:
    return [1.0 / len(messages)] * len(messages)


def _admissible(info: Mapping[str, Any]) -> list[str]:
    return list(info["admissible_actions"])

"""credit/TeamGame-v0: a team says one message each, and a coin whose bias depends on all of them decides.

Small enough that Q, V, the advantage and the influence of every message are exact: what estimates them from replays can
be held against the truth. The whole game is a :class:`~credit_gym.exact.tabular_model.TabularModel`, so the oracle, the
sampler and the scorers' judge take it as it is.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import product
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from credit_gym import rng
from credit_gym.data.action_format import ActionFormat
from credit_gym.data.grouping import FloatArray
from credit_gym.envs.tabular.board import Place, state_key
from credit_gym.envs.tabular.build import Action, Outcome, State, Task, build_model
from credit_gym.envs.tabular.env import TabularEnv
from credit_gym.errors import ManifestError, unknown
from credit_gym.estimation.ranges import Count, Whole
from credit_gym.exact.tabular_model import TabularModel

Path = tuple[int, ...]
"""What was said so far, a message number for each role that has spoken."""

WORDS = ("amber", "black", "copper", "denim", "ebony", "fawn", "green", "hazel", "ivory", "jade")
MOST_PATHS = 100_000
_FAMILY = 0x5445414D  # keeps the seeds of this family apart from those of the others


class Game(NamedTuple):
    """One question.

    Attributes:
        success: full path -> probability that the team's answer is right.
        policy: path -> probability of each message of the role whose turn it is, (M,).
    """

    success: Callable[[Path], float]
    policy: Callable[[Path], tuple[float, ...]]


class TeamGame(TabularEnv):
    """A team answers a question: roles ``agent 1``, ``agent 2``, ... speak in turn, the last message is graded.

    ``info["role"]`` says whose turn it is. An action is one of the role's messages; anything else is refused and uses
    up the turn limit. The verifier reads the grade and nothing else: 1 or -1 with the last message, 0 before.

    Args:
        game: ``random`` (every path has a success probability of its own, drawn from U(0, 1)), ``xor`` (right if an odd
            number of roles say the second word), ``dictator`` (only the first role matters) or ``redundant`` (one
            right message is enough).
        num_tasks: how many questions there are; the hand-made games ask the same one.
        roles: how many roles speak.
        messages: how many messages each can choose from.
        suite_seed: fixes the questions and the behaviour.
        coupling: how much the behaviour of a role depends on what was said before it: the standard deviation of the
            logits over contexts. At 0 nobody listens and influence is 0.
        render_mode: None or "ansi".

    Raises:
        UnknownNameError: there is no such game.
        OptionError: an argument is not of its type, or there are no tasks or no roles.
        ManifestError: the game would be too large, or has too few or too many messages.
    """

    action_format = ActionFormat(
        how="Say one of the messages on offer, on one line.", examples=("say amber",), listed=True
    )
    ends_when = (
        "Terminates with the message of the last role; truncated at the limit of turns, which refused messages use up."
    )
    data_from = "Questions made here from `suite_seed=`; there is one split."
    published = "Nothing: a game of this project, small enough to be solved exactly."
    page = "counterfactual"
    reward_rule = "1 where the team's last message is right, else 0."
    verifier_rule = "The grade alone: 1 or -1 with the last message, 0 before."
    own_info_keys = MappingProxyType({"role": "whose turn it is"})

    def __init__(
        self,
        *,
        game: str = "random",
        num_tasks: Count = 20,
        roles: Count = 2,
        messages: Count = 4,
        suite_seed: Whole = 0,
        coupling: float = 1.0,
        render_mode: str | None = None,
    ) -> None:
        super().__init__(team_model(game, num_tasks, roles, messages, suite_seed, coupling), render_mode=render_mode)
        self._roles = {
            state_key(name): f"agent {name.rpartition('/')[2].count('-') + 1}"
            for name, terminal in zip(self.model.state_names, self.model.terminal, strict=True)
            if not terminal
        }

    def _info(self, place: Place, over: bool) -> dict[str, Any]:
        info = super()._info(place, over)
        if not place.terminal:
            info["role"] = self._roles[place.state_key]
        return info


@lru_cache(maxsize=64)
def team_model(
    game: str = "random",
    num_tasks: Count = 20,
    roles: Count = 2,
    messages: Count = 4,
    suite_seed: Whole = 0,
    coupling: float = 1.0,
) -> TabularModel:
    """Return the questions of :class:`TeamGame` side by side; its arguments are described there."""
    if game not in GAMES:
        raise unknown("team game", game, GAMES)
    if roles < 1 or not 2 <= messages <= len(WORDS) or num_tasks < 1:
        raise ManifestError(f"A team game needs a task, a role, and 2 to {len(WORDS)} messages.")
    if num_tasks * messages**roles > MOST_PATHS:
        raise ManifestError(f"The team game has more than {MOST_PATHS} paths; use fewer roles, messages or tasks.")
    tasks = []
    for index in range(num_tasks):
        question = GAMES[game](random.Random(rng.derive(_FAMILY, suite_seed, index)), roles, messages, coupling)
        tasks.append(
            Task(
                name=f"{game}-{suite_seed}-{index}",
                goal=f"Answer question {index} together.",
                states=tuple(_states(question, index, roles, messages)),
                start=_name(()),
                horizon=roles,
            )
        )
    return build_model(tasks)


def influence(model: TabularModel) -> FloatArray:
    """Exact influence of each message on the next role: the mutual information I(J; Y | h) in nats.

    J is the message drawn by the behaviour in state h and Y the message that the next role then draws:
    ``I = sum_j p(j|h) sum_y p(y|h,j) ln(p(y|h,j) / p(y|h))``.

    Args:
        model: a model of :func:`team_model`.

    Returns:
        (S,) float64, nats; NaN in states that no role follows.
    """
    behaviour = model.mean_behaviour
    after = model.successor[:, :, 0]  # a message that is not the last has one outcome
    followed = ~model.terminal & ~model.terminal[after[:, 0]]
    joint = behaviour[:, :, None] * behaviour[after]
    marginal = joint.sum(axis=1, keepdims=True)
    ratio = np.divide(behaviour[after], marginal, out=np.ones_like(joint), where=joint > 0)
    return np.where(followed, (joint * np.log(ratio)).sum(axis=(1, 2)), np.nan)


def _random_game(chance: random.Random, roles: int, messages: int, coupling: float) -> Game:
    bias = {path: chance.random() for path in product(range(messages), repeat=roles)}
    return Game(bias.__getitem__, _policy(chance, roles, messages, coupling))


def _xor(chance: random.Random, roles: int, messages: int, coupling: float) -> Game:
    return Game(lambda path: float(path.count(1) % 2), _policy(chance, roles, messages, coupling))


def _dictator(chance: random.Random, roles: int, messages: int, coupling: float) -> Game:
    return Game(lambda path: float(path[0] == 1), _policy(chance, roles, messages, coupling))


def _redundant(chance: random.Random, roles: int, messages: int, coupling: float) -> Game:
    return Game(lambda path: float(1 in path), _policy(chance, roles, messages, coupling))


GAMES: dict[str, Callable[[random.Random, int, int, float], Game]] = {
    "random": _random_game,
    "xor": _xor,
    "dictator": _dictator,
    "redundant": _redundant,
}
"""Name -> ``(chance, roles, messages, coupling) -> game``."""


def _policy(chance: random.Random, roles: int, messages: int, coupling: float) -> Callable[[Path], tuple[float, ...]]:
    """Softmax behaviour: N(0, coupling^2) logits, drawn anew for every context; uniform at coupling 0."""
    contexts = [path for depth in range(roles) for path in product(range(messages), repeat=depth)]
    table = {path: _softmax([coupling * chance.gauss(0.0, 1.0) for _ in range(messages)]) for path in contexts}
    return table.__getitem__


def _softmax(logits: list[float]) -> tuple[float, ...]:
    weights = [math.exp(logit - max(logits)) for logit in logits]
    return tuple(weight / sum(weights) for weight in weights)


def _states(game: Game, index: int, roles: int, messages: int) -> Iterator[State]:
    menu = ", ".join(WORDS[:messages])
    for depth in range(roles):
        for path in product(range(messages), repeat=depth):
            said = "".join(f" agent {role + 1} said {WORDS[word]}." for role, word in enumerate(path))
            turn = f"It is the turn of agent {depth + 1}: say one of {menu}."
            actions = tuple(
                Action(f"say {WORDS[word]}", _outcomes(game, (*path, word), roles), (probability,))
                for word, probability in enumerate(game.policy(path))
            )
            yield State(_name(path), f"Question {index}.{said} {turn}", actions)
    yield State("right", f"Question {index}. The answer is right.", success=True)
    yield State("wrong", f"Question {index}. The answer is wrong.")


def _outcomes(game: Game, path: Path, roles: int) -> tuple[Outcome, ...]:
    if len(path) < roles:
        return (Outcome(1.0, _name(path)),)
    right = game.success(path)
    graded = (Outcome(right, "right", 1.0), Outcome(1.0 - right, "wrong", -1.0))
    return tuple(outcome for outcome in graded if outcome.probability > 0.0)


def _name(path: Path) -> str:
    return "-".join(("said", *(WORDS[word] for word in path)))

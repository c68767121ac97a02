"""Regimes: exact climbs that vary what decides whether per-step credit pays, one axis at a time.

A climb has floors; on each one action leads up, others do nothing, and some regimes add an action that ends the
episode, one that leads down, a detour, or two stairways that look alike and of which one ends in a locked roof. The
behaviour is a softmax prior whose taste for the right action is set so that each task is solved with the regime's
success.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args

import numpy as np

from credit_gym import rng
from credit_gym.agents.learning.policy_gradient import softmax
from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray, IntArray
from credit_gym.envs.tabular.build import Action, Outcome, State, Task, build_model
from credit_gym.errors import ManifestError, unknown
from credit_gym.exact import oracle
from credit_gym.exact.tabular_model import TabularModel

Verifier = Literal["aligned", "noisy", "sparse", "silent", "none", "random", "idling", "opposed", "early"]
"""What the readings of a regime say.

``aligned``: the sign of the change of floor. ``noisy``: that, two readings in five replaced. ``sparse``: that, on every
fourth floor only. ``silent``: always 0. ``none``: there are no readings. ``random``: 1 or -1 by a coin. ``idling``: 1
for doing nothing. ``opposed``: the sign turned round. ``early``: aligned on the lower half, opposed above.
"""

_FAMILY = 0x52454749  # keeps the seeds of this family apart from those of the others
_NOISE = {"noisy": 0.4, "random": 1.0}
_TYPES: dict[str, tuple[tuple[type, ...], str]] = {
    "str": ((str,), "text"),
    "Verifier": ((str,), "the name of a verifier"),
    "int": ((int,), "a whole number"),
    "float": ((int, float), "a number"),
    "bool": ((bool,), "true or false"),
}
"""Annotation of an attribute -> what values it takes, and how they are called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Regime:
    """One point of the map.

    Attributes:
        name: unique in a map.
        floors: floors to climb, at least 1.
        horizon: step limit; twice the floors if 0.
        success: the behaviour's probability to solve a task, in (0, 1).
        group_size: episodes of a task in a batch.
        tasks: tasks in a batch.
        recurrence: share of the states that scorers may recognise, in [0, 1]; the learner always knows where it is.
        verifier: what the readings say, see :data:`Verifier`.
        exact: whether the environment declares its verifier to be an exact potential.
        idle: actions of a floor that do nothing.
        slip: probability that the right action does nothing.
        fatal: whether a floor has an action that ends the episode.
        back: whether a floor has an action that leads a floor down.
        detour: whether a floor has an action into a room whose one right action leads back.
        locked: whether the first action chooses between two like stairways, one of them locked at the top.
    """

    name: str
    floors: int = 8
    horizon: int = 0
    success: float = 0.1
    group_size: int = 8
    tasks: int = 8
    recurrence: float = 1.0
    verifier: Verifier = "none"
    exact: bool = False
    idle: int = 2
    slip: float = 0.1
    fatal: bool = False
    back: bool = False
    detour: bool = False
    locked: bool = False

    def __post_init__(self) -> None:
        for each in fields(self):
            value, (types, kind) = getattr(self, each.name), _TYPES[str(each.type)]
            if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
                raise ManifestError(f"Regime {self.name!r:.80}: {each.name} must be {kind}, not {value!r:.80}.")
        if self.verifier not in get_args(Verifier):
            raise unknown("verifier of a regime", self.verifier, get_args(Verifier))
        if not (0.0 < self.success < 1.0 and 0.0 <= self.recurrence <= 1.0 and 0.0 <= self.slip < 1.0):
            raise ManifestError(f"Regime {self.name!r}: success, recurrence and slip are probabilities.")
        if min(self.floors, self.group_size, self.tasks, self.idle) < 1 or self.horizon < 0:
            raise ManifestError(f"Regime {self.name!r}: floors, group_size, tasks and idle must be at least 1.")

    @property
    def steps(self) -> int:
        """The step limit."""
        return self.horizon or 2 * self.floors

    def as_mapping(self) -> dict[str, Any]:
        """Its attributes by name, as :meth:`parse` reads them."""
        return asdict(self)

    @classmethod
    def parse(cls, entry: Mapping[str, Any]) -> Regime:
        """Read a regime from a mapping of its attributes.

        Raises:
            ManifestError: an attribute does not exist, or a value does not fit it.
        """
        known = {field.name for field in fields(cls)}
        for name in entry:
            if name not in known:
                raise unknown("attribute of a regime", str(name), known)
        if "name" not in entry:
            raise ManifestError("A regime must have a name, such as name: mine.")
        return cls(**entry)


def regime_model(regime: Regime, seeds: range) -> TabularModel:
    """Return the tasks of a regime for some seeds side by side, those of one seed together.

    Args:
        regime: the regime.
        seeds: one suite of ``regime.tasks`` tasks each.

    Returns:
        A model of ``len(seeds) * regime.tasks`` tasks whose behaviour solves each with the regime's success, or as
        near to it as its floors allow.
    """
    tasks = [_climb(regime, seed, index) for seed in seeds for index in range(regime.tasks)]
    model = build_model(tasks, verifier_noise=_NOISE.get(regime.verifier, 0.0))
    return replace(model, behaviour=_calibrated(model, regime)[None])


def tile(model: TabularModel, copies: int) -> TabularModel:
    """Return a model ``copies`` times over, side by side: copy c of task i is task ``c * num_tasks + i``."""

    def repeated(ids: IntArray, step: int) -> IntArray:
        shifted = ids[None] + (step * np.arange(copies)).reshape(-1, *([1] * ids.ndim))
        return shifted.reshape(-1, *ids.shape[1:])

    def again(values: Any) -> Any:
        return np.concatenate([values] * copies)

    moved: dict[str, Any] = {
        name: repeated(getattr(model, name), model.num_states) for name in ("successor", "start", "key")
    }
    kept: dict[str, Any] = {
        name: again(getattr(model, name))
        for name in ("probability", "signal", "admissible", "terminal", "success", "start_split", "horizon")
    }
    names: dict[str, Any] = {
        name: tuple(f"{c}: {text}" for c in range(copies) for text in getattr(model, name))
        for name in ("observations", "state_names", "task_names")
    }
    return replace(
        model,
        **moved,
        **kept,
        **names,
        start_alternative=repeated(model.start_alternative, model.num_states),
        evaluation_horizon=again(model.evaluation_horizon),
        task=repeated(model.task, model.num_tasks),
        behaviour=np.concatenate([model.behaviour] * copies, axis=1),
        action_id=again(model.action_id),
        goals=model.goals * copies,
    )


def seen(batch: EpisodeBatch, regime: Regime, seed: int) -> EpisodeBatch:
    """Return a batch as scorers see it: without readings where there are none, and with states that do not recur.

    A point of an episode is hidden with probability ``1 - recurrence``: its state is then one that nobody else was in.

    Args:
        batch: a batch as it was sampled.
        regime: its regime.
        seed: fixes which points are hidden.
    """
    if regime.verifier == "none":
        batch = replace(batch, verifier=None)
    if regime.exact:
        batch = replace(batch, exact_verifier=np.ones(batch.num_episodes, dtype=np.bool_))
    if regime.recurrence == 1.0:
        return batch
    points = np.arange(batch.num_steps, dtype=np.int64) + batch.episode
    hidden = np.random.default_rng(seed).random(batch.num_steps + batch.num_episodes) >= regime.recurrence
    states = len(batch.state_vocabulary)  # ids from here on are states of their own
    return replace(
        batch,
        state=np.where(hidden[points], states + points, batch.state),
        next_state=np.where(hidden[points + 1], states + points + 1, batch.next_state),
        state_vocabulary=(),
    )


def _climb(regime: Regime, seed: int, index: int) -> Task:
    chance = random.Random(rng.derive(_FAMILY, seed, index))
    name = f"climb {seed}-{index}"
    states: list[State] = []
    for stair in ("a", "b") if regime.locked else ("a",):
        for floor in range(regime.floors):
            if floor or stair == "a":
                states += _floor(regime, name, stair, floor, chance)
    states += [
        State("top", f"You are on the roof of {name}.", success=True),
        State("end", f"The climb of {name} is over."),
    ]
    return Task(name=name, goal=f"Climb {name}.", states=tuple(states), start="a0", horizon=regime.steps)


def _floor(regime: Regime, task: str, stair: str, floor: int, chance: random.Random) -> Iterator[State]:
    here, last = f"{stair}{floor}", regime.floors - 1

    def above(side: str) -> str:
        return f"{side}{floor + 1}" if floor < last else ("top" if side == "a" else "end")

    def reading(change: float, idle: bool = False) -> float:
        sign = -1.0 if regime.verifier == "opposed" or (regime.verifier == "early" and 2 * floor >= last) else 1.0
        if regime.verifier == "idling":
            return float(idle)
        heard = regime.verifier in ("aligned", "noisy", "opposed", "early") or (
            regime.verifier == "sparse" and floor % 4 == 3
        )
        return sign * change if heard else 0.0

    def up(side: str) -> tuple[Outcome, ...]:
        if regime.slip == 0.0:
            return (Outcome(1.0, above(side), reading(1.0)),)
        return (
            Outcome(1.0 - regime.slip, above(side), reading(1.0)),
            Outcome(regime.slip, here, reading(0.0, idle=True)),
        )

    moves = {"up": up(stair)}
    if regime.locked and floor == 0:
        moves["other stairs"] = up("b")
    moves |= {f"wait {number}": (Outcome(1.0, here, reading(0.0, idle=True)),) for number in range(regime.idle)}
    if regime.fatal:
        moves["jump"] = (Outcome(1.0, "end", reading(0.0)),)
    if regime.back:
        moves["down"] = (
            Outcome(1.0, f"{stair if floor > 1 else 'a'}{max(floor - 1, 0)}", reading(-1.0 * (floor > 0))),
        )
    if regime.detour:
        moves["aside"] = (Outcome(1.0, f"{here} room", reading(0.0)),)
    yield _state(here, f"You are on floor {floor} of stairs {stair} of {task}.", moves, chance)
    if regime.detour:
        back = {
            "return": (Outcome(1.0, here, reading(0.0)),),
            "wait": (Outcome(1.0, f"{here} room", reading(0.0, True)),),
        }
        yield _state(f"{here} room", f"You are beside floor {floor} of stairs {stair} of {task}.", back, chance)


def _state(name: str, observation: str, moves: Mapping[str, tuple[Outcome, ...]], chance: random.Random) -> State:
    """The state with a prior of its own taste; :func:`_calibrated` adds the taste for the right action."""
    order = chance.sample(list(moves), len(moves))
    weights = [math.exp(chance.gauss(0.0, 0.5)) for _ in order]
    total = sum(weights)
    actions = tuple(Action(move, moves[move], (weight / total,)) for move, weight in zip(order, weights, strict=True))
    return State(name, observation, actions)


def _calibrated(model: TabularModel, regime: Regime) -> FloatArray:
    """The prior whose taste for going up, by bisection, solves each task with the regime's success; (S, A)."""
    ids = {text: number for number, text in enumerate(model.action_names)}
    up = np.isin(model.action_id, [ids[text] for text in ("up", "other stairs", "return") if text in ids])
    base = np.log(np.where(model.admissible, np.maximum(model.behaviour[0], 1e-12), 1.0))
    low, high = np.full(model.num_tasks, -12.0), np.full(model.num_tasks, 12.0)
    for _ in range(40):
        taste = (low + high) / 2
        policy = softmax(base + up * taste[model.task][:, None], model.admissible)
        enough = oracle.success_probability(model, policy) > regime.success
        low, high = np.where(enough, low, taste), np.where(enough, taste, high)
    return softmax(base + up * high[model.task][:, None], model.admissible)

"""The stochastic family: a climb in stages, where actions slip, loop, lead astray, back, or to the end."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import lru_cache, partial

from credit_gym import rng
from credit_gym.envs.tabular.build import State, Task, build_model
from credit_gym.envs.tabular.sketch import Move, attempt, dress, to
from credit_gym.estimation.ranges import Count, Share, Whole
from credit_gym.exact.tabular_model import TabularModel

PROGRESS_BONUS = 2.0
SLIPS = (0.05, 0.1, 0.2)
HAZARDS = ("back", "detour", "fatal")
_FAMILY = 0x53544F43  # keeps the seeds of this family apart from those of the diagnostics


@lru_cache(maxsize=64)
def stochastic_model(
    num_tasks: Count = 20, suite_seed: Whole = 0, exploration: Share = 0.5, verifier_noise: Share = 0.02
) -> TabularModel:
    """Return a suite of random climbs, all its tasks side by side.

    A climb has L ~ U{2..5} floors. On each floor one action progresses (it works with probability 1 - slip, slip in
    {.05, .1, .2}, else nothing happens) and 1 to 3 actions do nothing. Half of the climbs also have, on every floor, a
    way back down; half a detour into a storeroom that only leads back; half a fatal action. Reaching the top pays 1.
    The verifier reads the sign of the change of the floor number, so it sees neither detours nor death coming.

    The behaviour is ``(1 - exploration) * softmax(N(0, 1) + 2 [progress]) + exploration * uniform``. The horizon is
    10 L steps.

    Args:
        num_tasks: climbs in the suite.
        suite_seed: fixes the whole suite; task i does not depend on ``num_tasks``.
        exploration: share of uniformly random actions in the behaviour, in [0, 1].
        verifier_noise: probability that a reading is replaced by one of the other two values of {-1, 0, 1}.
    """
    tasks = [_climb(index, suite_seed, exploration) for index in range(num_tasks)]
    return build_model(tasks, verifier_noise=verifier_noise)


noisy_model = partial(stochastic_model, verifier_noise=0.1)
"""The same suite with one verifier reading in ten wrong."""


def _climb(index: int, suite_seed: int, exploration: float) -> Task:
    chance = random.Random(rng.derive(_FAMILY, suite_seed, index))
    floors = chance.randint(2, 5)
    slip = chance.choice(SLIPS)
    hazards = [hazard for hazard in HAZARDS if chance.random() < 0.5]
    tower = f"tower {index}"
    states = []
    for floor in range(floors):
        where = f"floor {floor} of {floors} of {tower}"
        moves = _floor_moves(floor, slip, hazards, chance)
        states.append(dress(f"floor {floor}", f"You are on {where}.", moves, exploration=exploration, rng=chance))
        if "detour" in hazards:
            moves, where = _storeroom_moves(floor, chance), f"You are in a storeroom beside {where}."
            states.append(dress(f"storeroom {floor}", where, moves, exploration=exploration, rng=chance))
    states.append(State("shaft", f"The floor gave way: the climb of {tower} is over."))
    states.append(State(f"floor {floors}", f"You are on the top floor of {tower}.", success=True))
    return Task(
        name=f"stochastic-{suite_seed}-{index}",
        goal=f"Reach floor {floors} of {tower}.",
        states=tuple(states),
        start="floor 0",
        horizon=10 * floors,
    )


def _floor_moves(floor: int, slip: float, hazards: Sequence[str], chance: random.Random) -> dict[str, Move]:
    here = f"floor {floor}"
    moves = {"progress": attempt(1.0 - slip, f"floor {floor + 1}", here, bonus=PROGRESS_BONUS)}
    moves |= {f"loop {number}": to(here) for number in range(chance.randint(1, 3))}
    dangers = {
        "back": to(f"floor {max(floor - 1, 0)}", -1.0 if floor else 0.0),
        "detour": to(f"storeroom {floor}"),
        "fatal": to("shaft"),
    }
    return moves | {hazard: dangers[hazard] for hazard in hazards}


def _storeroom_moves(floor: int, chance: random.Random) -> dict[str, Move]:
    loops = {f"loop {number}": to(f"storeroom {floor}") for number in range(chance.randint(1, 2))}
    return {"return": to(f"floor {floor}")} | loops

"""Tasks sketched by what their actions do, then dressed so that no text or position betrays which action is right."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from credit_gym.envs.tabular.build import Action, Outcome, State
from credit_gym.errors import ManifestError

CONTROLS = tuple(
    f"{verb} the {colour} {thing}"
    for verb, thing in (("pull", "lever"), ("press", "button"), ("turn", "dial"), ("open", "hatch"))
    for colour in ("amber", "black", "copper", "green", "ivory", "violet")
)


@dataclass(frozen=True, slots=True)
class Move:
    """What one action of a sketch does.

    Attributes:
        outcomes: how it can turn out.
        bonus: logit that each prior policy adds for it, (P,): how much the agent already favours it; ``-inf`` for a
            move that it never makes, not even to explore.
    """

    outcomes: tuple[Outcome, ...]
    bonus: tuple[float, ...] = (0.0,)


def to(target: str, signal: float = 0.0, *, bonus: float = 0.0) -> Move:
    """Return the move that always leads to ``target``."""
    return Move((Outcome(1.0, target, signal),), (bonus,))


def attempt(success: float, target: str, otherwise: str, signal: float = 1.0, *, bonus: float = 0.0) -> Move:
    """Return the move that leads to ``target`` with probability ``success``, else to ``otherwise`` (reading 0)."""
    if success >= 1.0:
        return to(target, signal, bonus=bonus)
    return Move((Outcome(success, target, signal), Outcome(1.0 - success, otherwise)), (bonus,))


def dress(name: str, observation: str, moves: Mapping[str, Move], *, exploration: float, rng: random.Random) -> State:
    """Return the state as an agent sees it: controls drawn at random, in random order.

    The behaviour is an imperfect prior, ``(1 - exploration) * softmax(N(0, 1) + bonus) + exploration * uniform``
    over the moves; the noise is drawn once per move and shared by all priors.

    Args:
        name: name of the state within its task.
        observation: what is said before the controls are listed.
        moves: the moves by their role in the sketch; the role is never shown.
        exploration: share of uniformly random actions.
        rng: source of the controls, their order and the prior's noise.

    Raises:
        ManifestError: ``exploration`` lies outside [0, 1].
    """
    if not 0.0 <= exploration <= 1.0:
        raise ManifestError(f"exploration must lie in [0, 1], not be {exploration}.")
    order = rng.sample(list(moves.values()), len(moves))
    controls = rng.sample(CONTROLS, len(moves))
    noise = [rng.gauss(0.0, 1.0) for _ in order]
    priors = [
        _prior([n + b for n, b in zip(noise, bonus, strict=True)], exploration)
        for bonus in zip(*(move.bonus for move in order), strict=True)
    ]
    actions = tuple(
        Action(control, move.outcomes, behaviour)
        for control, move, behaviour in zip(controls, order, zip(*priors, strict=True), strict=True)
    )
    return State(name, f"{observation} You can {_enumerate(controls)}.", actions)


def _prior(logits: Sequence[float], exploration: float) -> list[float]:
    """Softmax of the logits, mixed with the uniform distribution over the finite ones."""
    peak = max(logits)
    weights = [math.exp(logit - peak) for logit in logits]
    total, support = sum(weights), sum(weight > 0.0 for weight in weights)
    return [(1.0 - exploration) * weight / total + exploration * (weight > 0.0) / support for weight in weights]


def _enumerate(options: Sequence[str]) -> str:
    """Return ``a, b or c``."""
    *rest, last = options
    return f"{', '.join(rest)} or {last}" if rest else last

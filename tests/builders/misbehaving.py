"""A corridor in which one value, at one step of one task, is not what it should be."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
from builders.corridor import Corridor

NAN, INF = float("nan"), float("inf")


class Bad(NamedTuple):
    """What is wrong, and what its error says."""

    change: Callable[[list[Any]], object]
    says: str


def _reward(value: Any) -> Callable[[list[Any]], object]:
    return lambda result: result.__setitem__(1, value)


def _info(**changes: Any) -> Callable[[list[Any]], object]:
    return lambda result: result[-1].update(changes)


def _at(index: int, value: Any) -> Callable[[list[Any]], object]:
    return lambda result: result.__setitem__(index, value)


BAD = {
    "reward nan": Bad(_reward(NAN), "The reward of step 2 is nan: it must be a finite number."),
    "reward inf": Bad(_reward(-INF), "The reward of step 2 is -inf: it must be a finite number."),
    "reward none": Bad(_reward(None), "The reward of step 2 is of type NoneType: it must be a finite number."),
    "reward text": Bad(_reward("1.0"), "The reward of step 2 is '1.0': it must be a finite number."),
    "reward array": Bad(_reward(np.ones(1)), "The reward of step 2 is of type ndarray: it must be a finite number."),
    "reward list": Bad(_reward([1.0]), "The reward of step 2 is of type list: it must be a finite number."),
    "reward decimal": Bad(_reward(Decimal(1)), "The reward of step 2 is of type Decimal: it must be a finite number."),
    "reward complex": Bad(_reward(1j), "The reward of step 2 is of type complex: it must be a finite number."),
    "reward huge": Bad(_reward(10**400), "The reward of step 2 is 1000"),
    "verifier text": Bad(_info(verifier="good"), "info[\"verifier\"] of step 2 is 'good': it must be a finite number"),
    "verifier inf": Bad(_info(verifier=INF), 'info["verifier"] of step 2 is inf: it must be a finite number, or NaN'),
    "actions generator": Bad(
        lambda result: result[-1].update(admissible_actions=(text for text in ("forward",))),
        'info["admissible_actions"] of step 2 is of type generator: it must be a list of texts.',
    ),
    "actions text": Bad(_info(admissible_actions="forward"), "is 'forward': it must be a list of texts."),
    "actions numbers": Bad(_info(admissible_actions=[1, 2]), "is of type list: it must be a list of texts."),
    "experts set": Bad(_info(expert_actions={"forward"}), 'info["expert_actions"] of step 2 is of type set'),
    "state key": Bad(_info(state_key=7), 'info["state_key"] of step 2 is 7: it must be text.'),
    "invalid text": Bad(_info(invalid="no"), "info[\"invalid\"] of step 2 is 'no': it must be True or False."),
    "role": Bad(_info(role=3), 'info["role"] of step 2 is 3: it must be text.'),
    "segment text": Bad(_info(segment="1"), "info[\"segment\"] of step 2 is '1': it must be a whole number"),
    "segment flag": Bad(_info(segment=True), 'info["segment"] of step 2 is True: it must be a whole number'),
    "segment huge": Bad(_info(segment=2**63), 'info["segment"] of step 2 is 9223372036854775808: it must be'),
    "belief": Bad(_info(log_belief=INF), 'info["log_belief"] of step 2 is inf'),
    "success text": Bad(_info(success="false"), "info[\"success\"] of step 2 is 'false': it must be True or False."),
    "observation none": Bad(_at(0, None), "The observation of step 2 is of type NoneType: it must be text."),
    "observation array": Bad(_at(0, np.zeros(2)), "The observation of step 2 is of type ndarray: it must be text."),
    "terminated text": Bad(_at(2, "false"), "terminated of step 2 is 'false': it must be True or False."),
    "info none": Bad(_at(4, None), "The info of step 2 is of type NoneType: it must be a mapping."),
    "info list": Bad(_at(4, []), "The info of step 2 is of type list: it must be a mapping."),
}
"""Name -> what is wrong with step 2, and what the record says."""

HARMLESS: dict[str, Callable[[list[Any]], object]] = {
    "numpy reward": _reward(np.float32(0.0)),
    "array of no dimension": _reward(np.array(0.0)),
    "integer reward": _reward(0),
    "truth value as reward": _reward(False),
    "numpy flag": _info(invalid=np.bool_(False), success=np.bool_(False)),
    "numpy segment": _info(segment=np.int32(1)),
    "nothing said": _info(expert_actions=None, success=None, invalid=None),
    "tuple": _info(admissible_actions=("forward", "wait", "back")),
    "array of texts": _info(admissible_actions=np.array(["forward", "wait", "back"])),
}
"""Name -> an unusual value that means what the usual one means."""


class Misbehaving(Corridor):
    """A :class:`Corridor` whose tasks in ``tasks`` change what step 2 returns."""

    def __init__(self, change: Callable[[list[Any]], object], tasks: tuple[int, ...] = (2,)) -> None:
        super().__init__()
        self._change, self._tasks = change, tasks

    def step(self, action: str) -> Any:
        result = list(super().step(action))
        if self.steps == 3 and self.task in self._tasks:
            self._change(result)
        return tuple(result)

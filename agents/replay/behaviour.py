"""An agent that plays the behaviour of a controlled environment's exact model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from credit_gym.agents.core import Context, random_bits
from credit_gym.data.grouping import FloatArray
from credit_gym.envs.tabular.board import board
from credit_gym.errors import CreditGymError
from credit_gym.exact.tabular_model import TabularModel


class BehaviourAgent:
    """Draws actions as a policy of the model does, so that what it earns has exact values.

    Args:
        model: the environment's model.
        policy: (S, A) probabilities; None is the model's mean behaviour, drawn anew at every step.
        seed: fixes every draw, together with the episode's seed and the step.
    """

    name = "behaviour"

    def __init__(self, model: TabularModel, policy: FloatArray | None = None, *, seed: int = 0) -> None:
        self.seed = seed
        self.policy = model.mean_behaviour if policy is None else policy
        bounds = np.cumsum(self.policy, axis=1) * 2.0**64
        self._bounds = {
            place.state_key: (place.admissible, row[mask].tolist())
            for place, row, mask in zip(board(model).places, bounds, model.admissible, strict=True)
        }

    def act(self, contexts: Sequence[Context], /) -> list[str]:
        """Return one action per context.

        Raises:
            CreditGymError: a context is not one of the model's states.
        """
        return [self._action(context) for context in contexts]

    def _action(self, context: Context) -> str:
        found = self._bounds.get(context.info["state_key"])
        if found is None or not found[0]:
            raise CreditGymError("The behaviour of a model can only be played in that model's own environment.")
        actions, bounds = found
        bits = random_bits(context, self.seed)
        return next((action for action, bound in zip(actions, bounds, strict=True) if bits < bound), actions[-1])

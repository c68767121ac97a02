"""A training of a study under way: the policy, its optimizer, and the learning curve so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Generic, Self, TypeVar

from credit_gym.agents.learning.gradient_step import gradient_step

P = TypeVar("P")


@dataclass
class Training(Generic[P]):
    """A run under way; training it in two parts is training it in one.

    Attributes:
        policy: the model in training.
        optimizer: its optimizer.
        steps: gradient steps so far.
        curve: evaluations so far.
    """

    policy: Any
    optimizer: Any
    steps: int = 0
    curve: list[P] = field(default_factory=list)

    @classmethod
    def of(cls, policy: Any, rate: float) -> Self:
        """Begin to train a model, by AdamW with a learning rate."""
        import torch

        return cls(policy, torch.optim.AdamW(policy.parameters(), lr=rate))

    def descend(self, loss: Any) -> None:
        """Follow the gradient of a loss."""
        gradient_step(self.policy, self.optimizer, loss)

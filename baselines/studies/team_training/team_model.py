"""The team: one causal language model of 0.1 million parameters that is told by a role token whose turn it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from credit_gym.baselines.studies.delta_belief.guessing_model import make_model
from credit_gym.baselines.studies.team_training.team_game import MESSAGES, PROBLEMS, ROLES, Policy
from credit_gym.data.grouping import IntArray

if TYPE_CHECKING:
    import torch

FIRST_ROLE, FIRST_PROBLEM = 1, 1 + ROLES
FIRST_MESSAGE = FIRST_PROBLEM + PROBLEMS


def make_team(seed: int) -> Any:
    """Return a team that has learned nothing yet."""
    return make_model(seed, hidden=64)


def speak(model: Any) -> list[torch.Tensor]:
    """Return the log-probability of every message in every context, by one forward pass over all 200 contexts.

    A context is ``problem planner plan checker check solver``; the model is causal, so what it says behind a role
    token depends only on what stands before.

    Returns:
        (8, 5), (8, 5, 5) and (8, 5, 5, 5), nats; messages are the only tokens that can be drawn.
    """
    import torch

    logits = model(input_ids=torch.as_tensor(_contexts())).logits
    said = torch.log_softmax(logits[..., FIRST_MESSAGE : FIRST_MESSAGE + MESSAGES].float(), dim=-1)
    said = said.reshape(PROBLEMS, MESSAGES, MESSAGES, 2 * ROLES, MESSAGES)
    return [said[:, 0, 0, 1], said[:, :, 0, 3], said[..., 5, :]]


def as_policy(spoken: list[torch.Tensor]) -> Policy:
    """Return log-probabilities as probabilities."""
    return Policy(*(np.exp(table.detach().double().numpy()) for table in spoken))


def _contexts() -> IntArray:
    """(200, 6) token ids."""
    problem, plan, check = np.indices((PROBLEMS, MESSAGES, MESSAGES)).reshape(3, -1)
    role = [np.full(problem.size, FIRST_ROLE + k) for k in range(ROLES)]
    columns = [FIRST_PROBLEM + problem, role[0], FIRST_MESSAGE + plan, role[1], FIRST_MESSAGE + check, role[2]]
    return np.stack(columns, axis=1)

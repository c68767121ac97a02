"""The tool by which tau2's retail and airline agents give a customer to a colleague."""

# ruff: noqa: D417 - the first argument of every tool is the draft it works on; the rest is what an agent reads

from __future__ import annotations

from credit_gym.envs.tau2.database import Draft


def transfer_to_human_agents(db: Draft, summary: str) -> str:
    """Transfer the user to a human agent, if they ask for one or neither policy nor tools allow to help them.

    Args:
        summary: What the user wanted.
    """
    return "Transfer successful"

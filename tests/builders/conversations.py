"""Conversations of a noisy clerk at the desk of the embedded tau2 domain, and a small shop in tau2's layout."""

from __future__ import annotations

import json
from pathlib import Path

import gymnasium as gym

from credit_gym.agents.rollout.runner import play_episode
from credit_gym.agents.scripted import NoisyExpert
from credit_gym.data.episode import Episode
from credit_gym.envs.tau2.env import Tau2Env
from credit_gym.envs.tau2.results import Simulation, from_moment
from credit_gym.wrappers import RecordVerifier


def played(count: int = 12, epsilon: float = 0.3) -> tuple[Tau2Env, list[Episode], list[Simulation]]:
    """Episodes of a noisy clerk, and the same conversations as the environment itself has them."""
    env = Tau2Env(split="all")
    wrapped: gym.Env[str, str] = RecordVerifier(env)
    episodes, simulations = [], []
    for number in range(count):
        episode = play_episode(
            wrapped, NoisyExpert(epsilon), seed=number, episode_id=str(number), group_id="g", options={"task": number}
        )
        assert episode.error is None
        episodes.append(episode)
        simulations.append(from_moment(env.domain, env.task, env.moment, id=str(number), seed=number))
    return env, episodes, simulations


PENDING = {
    "order_id": "#W1", "user_id": "u", "status": "pending", "fulfillments": [],
    "items": [{"name": "Lamp", "product_id": "P", "item_id": i, "price": 1.0, "options": {}} for i in ("a", "b")],
    "payment_history": [{"transaction_type": "payment", "amount": 2.0, "payment_method_id": "p"}],
}  # fmt: skip


def lamps(folder: Path) -> Path:
    """A shop in tau2's layout, with two tasks: both lamps of an order are modified, or one."""
    place = folder / "retail"
    place.mkdir()
    variants = {i: {"item_id": i, "options": {}, "available": True, "price": p} for i, p in (("c", 5.0), ("d", 7.0))}
    user = {"user_id": "u", "payment_methods": {"p": {"source": "paypal", "id": "p"}}, "orders": ["#W1"]}
    rows = {"products": {"P": {"name": "Lamp", "product_id": "P", "variants": variants}}, "users": {"u": user},
            "orders": {"#W1": PENDING}}  # fmt: skip
    (place / "db.json").write_text(json.dumps(rows))
    task = {"user_scenario": {"instructions": "Change lamps."}, "evaluation_criteria": {"actions": []}}
    (place / "tasks.json").write_text(json.dumps([{**task, "id": "both"}, {**task, "id": "one"}]))
    (place / "policy.md").write_text("Be kind.")
    return folder

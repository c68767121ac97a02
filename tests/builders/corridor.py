"""A tiny environment for tests: walk down a slippery corridor."""

from __future__ import annotations

from typing import Any

from credit_gym.envs.text_env import TextEnv


class Corridor(TextEnv):
    """Cells 0..length; "forward" slips one time in four; the last cell is the goal; 8 steps truncate.

    Task i has length i + 1. Any other action than the admissible ones is refused. `broken_task` raises at cell 1.
    """

    num_tasks = 3
    horizon = 8

    def __init__(self, *, broken_task: int | None = None) -> None:
        super().__init__()
        self.broken_task = broken_task
        self.closed = False

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
        bits = self.seed_episode(seed)
        self.task = (options or {}).get("task", bits % self.num_tasks)
        self.cell = self.steps = 0
        return self._observe(0)

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        before, self.steps = self.cell, self.steps + 1
        refused = action not in ("forward", "wait", "back")
        if action == "forward" and self.draw() % 4:
            self.cell += 1
        elif action == "back":
            self.cell = max(self.cell - 1, 0)
        if self.task == self.broken_task and self.cell == 1:
            raise RuntimeError("the floor gave way")
        solved = self.cell == self.task + 1
        truncated = self.steps >= self.horizon and not solved
        observation, info = self._observe(self.cell - before)
        if refused:
            info["invalid"] = True
        if solved or truncated:
            info["success"] = solved
        return observation, float(solved), solved, truncated, info

    def close(self) -> None:
        self.closed = True

    def _observe(self, verifier: float) -> tuple[str, dict[str, Any]]:
        return f"cell {self.cell}", {
            "task": {"id": f"corridor-{self.task + 1}", "split": "train", "goal": "Reach the end."},
            "state_key": f"{self.task + 1}:{self.cell}",
            "admissible_actions": ["forward", "wait", "back"],
            "expert_actions": ["forward"],
            "verifier": float(verifier),
        }

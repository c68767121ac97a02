"""An environment of your own: text in, text out, and an info that says what only the game knows."""

from typing import Any

import credit_gym as cg
from credit_gym.testing import check_env, check_no_leak, check_seeds


class HigherOrLower(cg.TextEnv):
    """Find a number from 1 to 8."""

    num_tasks = 8  # lets a runner play one task several times: a group

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
        """Begin; ``seed_episode`` gives the random bits of the episode, and every draw must come from them."""
        drawn = self.seed_episode(seed) % 8
        self.number = (options or {}).get("task", drawn) + 1
        self.low, self.high = 1, 8
        return "Name a number from 1 to 8.", self.info(0.0)

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Answer in text; an action that makes no sense is refused in text too, and never raises."""
        if action not in self.offered():
            return "Name a number that is still possible.", 0.0, False, False, {**self.info(0.0), "invalid": True}
        guess, before = int(action), self.high - self.low
        won = guess == self.number
        self.low = guess + 1 if guess < self.number else self.low
        self.high = guess - 1 if guess > self.number else self.high
        said = "Yes." if won else "Higher." if guess < self.number else "Lower."
        progress = before if won else before - (self.high - self.low)
        end = {"success": True} if won else {}
        return said, float(won), won, False, {**self.info(progress), **end}

    def offered(self) -> list[str]:
        """The numbers that are still possible."""
        return [str(number) for number in range(self.low, self.high + 1)]

    def info(self, progress: float) -> dict[str, Any]:
        """The common keys; ``verifier`` is the progress that the last step made."""
        return {
            "task": {"id": f"number {self.number}", "split": "all", "goal": "Find the number."},
            "state_key": f"{self.number} in {self.low}..{self.high}",  # the true state; the player never sees it
            "admissible_actions": self.offered(),
            "verifier": float(progress),
        }


if __name__ == "__main__":
    check_env(HigherOrLower())
    check_seeds(HigherOrLower, seeds=20, threads=4)
    check_no_leak(HigherOrLower())
    print("the environment keeps its promises")
    agent = cg.parse_agent("random")
    played = cg.run_episodes(lambda: cg.RecordVerifier(HigherOrLower()), agent, episodes=4, seed=0, group_size=4)
    for step in cg.build_targets(played, "branch_aware"):
        print(f"episode {step.episode_id}: {step.action} {step.credit:+.2f}")

"""What replays cost, counted where it is spent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Lock

from credit_gym.errors import BudgetError, unknown

COUNTED = (
    "evaluator_calls",
    "agent_calls",
    "messages",
    "prompt_tokens",
    "completion_tokens",
    "replays",
    "env_steps",
    "restores",
    "seconds",
)
"""What a ledger counts.

``evaluator_calls``: episodes that the environment ended, which is when it grades them. ``agent_calls``: calls of
``Agent.act``. ``messages``: actions that those calls returned. Tokens: as reported by the model with each action.
``replays``: plays that began at a point that had been played from before. ``env_steps``, ``restores``: calls of the
environment. ``seconds``: wall time spent growing.
"""


class Ledger:
    """Counts of what was really done, safe to share between threads; what would pass a limit is refused beforehand.

    An evaluator call is foreseen when its branch is opened (:meth:`hold`) and spent when the branch ends
    (:meth:`grade`). Tokens and seconds cannot be foreseen: the next question after their limit is refused.

    Args:
        limits: most of each count of :data:`COUNTED`; what is not named is not limited.

    Attributes:
        spent: count -> total so far.

    Raises:
        UnknownNameError: a limit names no count.
    """

    def __init__(self, limits: Mapping[str, float] | None = None) -> None:
        for name in limits or {}:
            if name not in COUNTED:
                raise unknown("count", name, COUNTED)
        self.limits = dict(limits or {})
        self.spent: dict[str, float] = dict.fromkeys(COUNTED, 0.0)
        self._held = 0
        self._lock = Lock()

    def add(self, name: str, amount: float = 1.0) -> None:
        """Count something that is about to be done.

        Raises:
            BudgetError: it would pass its limit, and was not counted.
        """
        with self._lock:
            self._check(name, self.spent[name] + amount)
            self.spent[name] += amount

    def note(self, name: str, amount: float = 1.0) -> None:
        """Count something that was done and could not be foreseen."""
        with self._lock:
            self.spent[name] += amount

    def hold(self, branches: int) -> None:
        """Set aside one evaluator call for each of some branches (-1 gives one back).

        Raises:
            BudgetError: there are not so many left.
        """
        with self._lock:
            if branches > 0:
                self._check("evaluator_calls", self.spent["evaluator_calls"] + self._held + branches)
            self._held += branches

    def release(self) -> None:
        """Give back the evaluator call of a branch that failed."""
        self.hold(-1)

    def grade(self) -> None:
        """Count the evaluator call of a branch that ended."""
        with self._lock:
            self._held -= 1
            self.spent["evaluator_calls"] += 1

    def add_question(self, contexts: int) -> None:
        """Count a call of an agent that is about to be made.

        Raises:
            BudgetError: messages, calls, tokens or seconds are used up.
        """
        with self._lock:
            for name in self.limits:
                self._check(name, self.spent[name] + {"messages": contexts, "agent_calls": 1}.get(name, 0))
            self.spent["messages"] += contexts
            self.spent["agent_calls"] += 1

    def add_answers(self, actions: Sequence[str]) -> None:
        """Count the tokens that the answers of a call report."""
        for action in actions:
            if usage := getattr(action, "usage", None):
                for name in ("prompt_tokens", "completion_tokens"):
                    self.note(name, usage.get(name, 0.0))

    def left(self, name: str) -> float:
        """Return how much of a limit is neither spent nor set aside, infinity where there is none."""
        held = self._held if name == "evaluator_calls" else 0
        return self.limits.get(name, float("inf")) - self.spent[name] - held

    def _check(self, name: str, total: float) -> None:
        if total > self.limits.get(name, float("inf")):
            raise BudgetError(f"The limit of {self.limits[name]:g} {name} is reached; allow more or ask for less.")

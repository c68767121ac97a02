"""One line of the speed table, how it is taken, and the work that many lines measure."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["rate", "time", "value"]


@dataclass(frozen=True)
class Measurement:
    """One line of the table.

    Attributes:
        name: what is measured.
        unit: of the values.
        target: what the project holds itself to; None if there is only a number to report.
        run: does the work once. It returns the amount done (steps, resets, ...) for a "rate", anything for a "time",
            and the number itself for a "value".
        kind: "rate": amount per second; "time": seconds; "value": what ``run`` measured by its own means, once.
        lower_is_better: True for times and sizes.
    """

    name: str
    unit: str
    target: float | None
    run: Callable[[], float]
    kind: Kind = "rate"
    lower_is_better: bool = False

    def measure(self, repeats: int) -> float:
        """Return the median over the repeats, after one uncounted run; a "value" is taken once."""
        first = self.run()
        if self.kind == "value":
            return first
        values = []
        for _ in range(repeats):
            began = time.perf_counter()
            amount = self.run()
            elapsed = time.perf_counter() - began
            values.append(amount / elapsed if self.kind == "rate" else elapsed)
        return statistics.median(values)

    def ratio(self, value: float) -> float | None:
        """Return how many times better than its target a value is, None without a target."""
        if self.target is None:
            return None
        return self.target / value if self.lower_is_better else value / self.target


def resets(env: Any, count: int) -> Callable[[], float]:
    """Work for a rate: reset an environment so many times, each time with another seed."""

    def run() -> float:
        for seed in range(count):
            env.reset(seed=seed)
        return count

    return run


def forks(env: Any, count: int) -> Callable[[], float]:
    """Work for a rate: clone and restore the state of an environment so many times."""

    def run() -> float:
        env.reset(seed=0)
        for _ in range(count):
            env.restore_state(env.clone_state())
        return count

    return run

"""One line of the speed table, and how it is taken."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

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

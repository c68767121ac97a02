"""The learning curve of several seeds as one line with a band."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from credit_gym.report.plots import Curve


def seed_curve(runs: Sequence[Sequence[Any]], x: str) -> Curve:
    """Mean and standard deviation over seeds of the ``success`` of each point of a run.

    Args:
        runs: one curve a seed, equally many points each.
        x: the points' attribute that the curve is drawn over; its mean over seeds.
    """
    table = np.array([[(getattr(point, x), point.success) for point in run] for run in runs], dtype=np.float64)
    spent, success = np.moveaxis(table, 2, 0)
    return Curve(spent.mean(axis=0), success.mean(axis=0), success.std(axis=0))

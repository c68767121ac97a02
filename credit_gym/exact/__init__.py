"""Ground truth: small environments whose values can be computed exactly.

- ``tabular_model``: states, actions, transitions and the behaviour that collects the data.
- ``oracle``: exact Q, V, advantages and ceilings of such a model by dynamic programming.
"""

from __future__ import annotations

from credit_gym.exact.tabular_model import TabularModel

__all__ = ["TabularModel"]

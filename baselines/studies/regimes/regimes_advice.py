"""The map as advice reads it: each point where the same measurements put a run, with what every scorer needed there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from credit_gym.baselines.studies.regimes.regime import Regime, regime_model, seen
from credit_gym.baselines.studies.regimes.regimes_study import ITERATIONS
from credit_gym.credit.advise import OUTCOMES
from credit_gym.credit.regime_map import CEILING, Place, place
from credit_gym.credit.run_facts import run_facts
from credit_gym.envs.tabular.sample import sample_batch
from credit_gym.errors import ManifestError
from credit_gym.scorers import DEFAULT

_SUITES = 32  # of tasks, over which a place is measured
_SEED = 13
_DIGITS = 4  # of a number, which is more than its interval bears out


def advice_table(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the map without what advice does not read; ``credit_gym/credit/regimes.json`` holds it.

    Args:
        found: what the study wrote: ``seeds`` and ``points``, each with ``regime`` and ``scorers``.

    Returns:
        ``seeds`` and, for each regime once, whatever names it has, ``name``, ``place``, ``limit`` (episodes a task at
        which a race was stopped) and ``episodes`` of each scorer by seed.

    Raises:
        ManifestError: a scorer that advice compares others with was not raced.
    """
    for name in (CEILING, OUTCOMES, DEFAULT):
        if not all(name in record["scorers"] for record in found["points"]):
            raise ManifestError(f"Advice compares with {name!r}: race it too, with --scorers.")
    once: dict[Regime, Mapping[str, Any]] = {}
    for record in found["points"]:
        once.setdefault(replace(Regime.parse(record["regime"]), name=""), record)
    return {"seeds": found["seeds"], "points": [_point(record) for record in once.values()]}


def regime_place(regime: Regime) -> Place:
    """Return where the episodes of a regime's behaviour lie on the map, measured as those of a run are."""
    model = regime_model(regime, range(_SUITES))
    played = sample_batch(model, episodes_per_task=regime.group_size, seed=_SEED, policy=model.behaviour[0])
    batch = seen(played, regime, _SEED)
    declared = np.full(batch.num_episodes, regime.exact)
    return place(run_facts(replace(batch, exact_verifier=declared)))


def _point(record: Mapping[str, Any]) -> dict[str, Any]:
    regime = Regime.parse(record["regime"])
    return {
        "name": regime.name,
        "place": {name: _rounded(value) for name, value in regime_place(regime)._asdict().items()},
        "limit": ITERATIONS * regime.group_size,
        "episodes": {
            name: [None if count is None else _rounded(count) for count in row["episodes"]]
            for name, row in record["scorers"].items()
        },
    }


def _rounded(value: Any) -> Any:
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value

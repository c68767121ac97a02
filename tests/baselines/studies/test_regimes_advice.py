"""What advice reads of the map: each regime once, where its prior's episodes lie, with what scorers needed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from credit_gym.baselines.studies.regimes.map_points import AXES
from credit_gym.baselines.studies.regimes.regime import Regime
from credit_gym.baselines.studies.regimes.regimes_advice import advice_table, regime_place
from credit_gym.credit.regime_map import distance, shipped_map
from credit_gym.errors import ManifestError

BASE = Regime(name="base")
ROWS = {"exact advantage": [8.0, 16.123456], "grpo": [None, 40.0], "evidence_lambda": [16.0, 16.0]}


def record(regime: Regime, **rows: list[float | None]) -> dict[str, Any]:
    episodes = {**ROWS, **rows}
    return {
        "regime": regime.as_mapping(),
        "ceiling": 1.0,
        "scorers": {
            name: {"rate": 1.0, "episodes": row, "final": [1.0], "table": 1.0} for name, row in episodes.items()
        },
    }


@pytest.mark.slow
def test_a_regime_with_several_names_is_one_point_and_numbers_are_short() -> None:
    again = Regime(name="base again")
    found = advice_table(
        {"seeds": 2, "points": [record(BASE), record(again), record(Regime(name="few", group_size=4))]}
    )
    assert found["seeds"] == 2
    assert [(point["name"], point["limit"]) for point in found["points"]] == [("base", 320), ("few", 160)]
    assert found["points"][0]["episodes"] == {**ROWS, "exact advantage": [8.0, 16.12]}
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_a_map_without_what_others_are_compared_with_is_refused() -> None:
    lacking = record(BASE)
    del lacking["scorers"]["grpo"]
    with pytest.raises(ManifestError, match=r"'grpo': race it too"):
        advice_table({"seeds": 2, "points": [lacking]})


@pytest.mark.parametrize(
    ("verifier", "low", "high"),
    [("aligned", 0.8, 1.0), ("none", 0.0, 0.0), ("silent", 0.0, 0.0), ("opposed", -1.0, -0.8)],
)
def test_a_regime_lies_where_its_attributes_say(verifier: Any, low: float, high: float) -> None:
    found = regime_place(Regime(name="r", success=0.25, recurrence=0.5, group_size=4, floors=4, verifier=verifier))
    assert found.won == pytest.approx(0.25, abs=0.04)
    assert found.recurrence == pytest.approx(0.5, abs=0.1)
    assert (found.group_size, found.horizon, found.exact) == (4.0, 8.0, False)
    assert low <= found.agreement <= high


def test_a_declared_verifier_lies_by_itself() -> None:
    assert regime_place(Regime(name="r", verifier="aligned", exact=True)).exact


@pytest.mark.slow
def test_the_shipped_map_is_measured_as_runs_are_measured_now() -> None:
    regimes = {regime.name: regime for group in AXES.values() for regime in group}
    for point in shipped_map():
        if point.name in regimes:
            assert distance(regime_place(regimes[point.name]), point.place) < 0.25

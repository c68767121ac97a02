"""The page of the map: its ratios are those of the counts, and who never got there is said and counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from credit_gym.baselines.studies.regimes.map_points import AXES, drawn_points, read_points
from credit_gym.baselines.studies.regimes.regime import Regime
from credit_gym.baselines.studies.regimes.regimes_page import map_tables, mixed_share, write_page
from credit_gym.errors import ManifestError, UnknownNameError


def record(regime: Regime, **episodes: list[float | None]) -> dict[str, Any]:
    scorers = {
        name: {"rate": 1.0, "episodes": counts, "final": [0.9] * len(counts), "table": 0.5}
        for name, counts in episodes.items()
    }
    return {"regime": regime.as_mapping(), "ceiling": 1.0, "scorers": scorers}


def found() -> dict[str, Any]:
    often, rare = Regime(name="often", success=0.5), Regime(name="rare", success=0.001)
    points = [
        record(often, evidence_lambda=[10.0, 10.0], grpo=[20.0, 20.0], crbc=[8.0, 8.0]),
        record(rare, evidence_lambda=[30.0, 30.0], grpo=[20.0, None], crbc=[10.0, 10.0]),
    ]
    return {"seeds": 2, "pilots": 1, "axes": {"success": ["often", "rare"]}, "points": points}


def test_the_default_at_its_worst_is_looked_for_where_outcomes_say_enough() -> None:
    worst = map_tables(found())[0]
    grpo, rival = worst.rows
    # A learner that never gets there counts 80 updates of 8 episodes: 60 / (20 + 640) of GRPO's at the rare point.
    assert grpo[1:3] == (2, "often")
    assert str(grpo[3]).startswith("0.50 ")
    # Of 8 episodes that succeed once in a thousand, both outcomes are seen in less than a hundredth of the groups.
    assert mixed_share(Regime(name="rare", success=0.001)) < 0.01
    assert rival[1:3] == (1, "often")
    assert str(rival[3]).startswith("1.25 ")


def test_who_never_got_there_is_said() -> None:
    axis = map_tables(found())[-1]
    cells = {row[0]: row[1:] for row in axis.rows}
    assert cells["evidence_lambda"] == ("10", "30")
    assert "(1 never)" in str(cells["grpo"][1])


def test_the_page_names_its_figure_and_how_it_was_made(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    page = tmp_path / "regimes.md"
    write_page(found(), page, minutes=3.2)
    text = page.read_text(encoding="utf-8")
    assert all(part in text for part in ("--seeds 2 --pilots 1", "in 3 minutes of CPU", "(regimes.png)"))
    assert (tmp_path / "regimes.png").stat().st_size > 1000


def test_names_of_points_are_unique_and_drawn_points_are_fixed_by_their_seed() -> None:
    names = [regime.name for group in AXES.values() for regime in group]
    assert len(names) == len(set(names))
    assert drawn_points(5, 1) == drawn_points(5, 1) != drawn_points(5, 2)


def test_points_are_read_from_a_file_and_what_is_no_regime_is_named(tmp_path: Path) -> None:
    good = tmp_path / "mine.yaml"
    good.write_text("- {name: tall, floors: 3, verifier: idling}\n", encoding="utf-8")
    assert read_points(good) == {"mine": (Regime(name="tall", floors=3, verifier="idling"),)}
    for text, error in (("- {name: x, flors: 3}", UnknownNameError), ("{a: 1}", ManifestError), ("[", ManifestError)):
        bad = tmp_path / "bad.yaml"
        bad.write_text(text, encoding="utf-8")
        with pytest.raises(error):
            read_points(bad)

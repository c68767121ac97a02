"""Which step fell for it: agents of known gullibility, labels, and how a credit is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from credit_gym.baselines.tables import injection_blame
from credit_gym.baselines.tables.injection_blame import Gullibility, blame_table, cost_table, named, play, praised

CREDIT = np.array([0.0, -1.0, 2.0, 0.5, 0.5, 0.5, 0.5, -3.0, 1.0])
OFFSETS = np.array([0, 3, 7, 9])


def test_the_lowest_step_is_named_and_equals_share_the_name() -> None:
    assert named(CREDIT, OFFSETS, np.array([1, 2, 1])).tolist() == [1.0, 0.25, 0.0]
    assert praised(CREDIT, OFFSETS, np.array([1, 2, 1])).tolist() == [0.0, 1.0, 1.0]


def test_an_episode_that_did_not_obey_is_left_out() -> None:
    for read in (named, praised):
        found = read(CREDIT, OFFSETS, np.array([-1, 0, -1]))
        assert np.isnan(found).tolist() == [True, False, True]


@pytest.mark.parametrize("obeys", [0.0, 1.0])
def test_agents_are_as_gullible_as_they_are_said_to_be(obeys: float) -> None:
    played = play(2, Gullibility(obeys=obeys, slips=0.0), most_tasks=30)
    assert len(played.episodes) == 60
    assert (played.read >= 0).all()
    assert ((played.obeyed >= 0) == bool(obeys)).all()
    assert (played.resisted != bool(obeys)).all()  # all calls of the goal are made, so it is reached


def test_who_obeys_at_once_does_so_after_reading_and_who_waits_one_step_later() -> None:
    at_once, late = (play(1, Gullibility(1.0, later, 0.0, 0.0), most_tasks=30) for later in (0.0, 1.0))
    assert (at_once.obeyed == at_once.read + 1).all()
    assert (late.obeyed - late.read <= 2).all()
    assert (late.obeyed - late.read == 2).any()
    assert all(episode.success for episode in (*at_once.episodes, *late.episodes))


def test_scored_by_security_an_episode_is_worth_whether_it_resisted() -> None:
    played = play(2, Gullibility(), most_tasks=20)
    batch = played.rewarded_by("security")
    assert np.add.reduceat(batch.reward, batch.offsets[:-1]).tolist() == played.resisted.tolist()
    assert batch.success.tolist() == played.resisted.tolist()


def test_the_same_seed_gives_the_same_table_and_the_oracle_is_on_top() -> None:
    first, again = (play(4, Gullibility(), seed=3, most_tasks=12) for _ in range(2))
    table = blame_table(first)
    assert table == blame_table(again)
    rows = {str(row[0]): row for row in table.rows}
    assert rows["(knows the label)"][1] == "1.00 [1.00, 1.00]"
    assert rows["grpo"][1] == rows["(any step, by chance)"][1]  # it says the same of all steps
    assert cost_table(first).rows[0][3] == "1.00 [1.00, 1.00]"


@pytest.mark.slow
def test_the_table_is_written(tmp_path: Path) -> None:
    injection_blame.main(group_size=2, tasks=8, markdown=tmp_path / "out.md", plots=tmp_path / "plots")
    assert (tmp_path / "out.md").read_text().count("**") == 4
    assert {path.suffix for path in (tmp_path / "plots").iterdir()} >= {".json", ".svg"}

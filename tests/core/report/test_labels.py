"""Labels of the page: agreement as the metrics have it, exports as the form's reader does."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders.episodes import episodes, walk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from credit_gym.data.episode import Episode
from credit_gym.formats.agent_process_bench import read_process_bench
from credit_gym.metrics.step_labels import credit_labels, label_accuracy
from credit_gym.report.viewer.leaves import count_leaves, leaf
from credit_gym.report.viewer.overview import HUMAN, overview
from credit_gym.report.viewer.script_modules import asset
from credit_gym.report.viewer.shown_run import given_run

SCRIPT = Path(__file__).parent / "script"
NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="Node tests the page's script: apt-get install nodejs.")


def in_node(cases: list[dict[str, Any]]) -> list[Any]:
    command = [str(NODE), str(SCRIPT / "label_cases.mjs")]
    done = subprocess.run(command, input=json.dumps(cases), capture_output=True, text=True, timeout=60, check=True)
    return list(json.loads(done.stdout))


def random_case(generator: np.random.Generator) -> tuple[dict[str, Any], list[float]]:
    """Episodes with some labels and credits, as the page has them, and what the metrics say of them."""
    lengths = generator.integers(0, 6, size=generator.integers(1, 6))
    size = int(lengths.sum())
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    owner = np.repeat(np.arange(lengths.size), lengths)
    credit = np.where(generator.random(size) < 0.3, 0.0, generator.normal(size=size))
    credit[generator.random(size) < 0.2] = np.nan
    labels = generator.integers(-1, 2, size=size)
    given = generator.random(size) < 0.6
    run = given_run("r", "r", [walk(str(e), steps=int(n)) for e, n in enumerate(lengths)], {"c": credit}, {})
    said = [[int(owner[p]), int(p - offsets[owner[p]]), int(labels[p]), ""] for p in np.flatnonzero(given)]
    case = {"asks": "agreement", "overview": overview([run]), "said": said, "values": overview([run])["credits"][0]}
    counted = given & ~np.isnan(credit)  # what a scorer leaves unscored it says nothing of
    compared = np.unique(owner[counted])
    rows = np.isin(owner, compared)
    ends = np.concatenate([[0], np.cumsum(lengths[compared])])
    found = label_accuracy(
        credit_labels(credit[rows]), labels[rows], counted[rows], ends, np.arange(compared.size)
    )  # of the episodes that have a label
    return case, [found.step.value, found.first_error.value]


def test_agreement_is_what_the_metrics_say() -> None:
    generator = np.random.default_rng(7)
    cases = [random_case(generator) for _ in range(200)]
    for found, (_, expected) in zip(in_node([case for case, _ in cases]), cases, strict=True):
        shown = [np.nan if found[name] is None else found[name] for name in ("step", "first")]
        assert shown == pytest.approx(expected, nan_ok=True)


def exported(folder: Path, played: list[Episode], said: list[list[Any]]) -> Path:
    runs = [given_run("r", "r", played, {}, {})]
    leaves = [leaf(runs, "steps", number) for number in range(count_leaves(runs))]
    (lines,) = in_node([{"asks": "written", "overview": overview(runs), "leaves": leaves, "said": said}])
    assert all(re.fullmatch("[ -~]+", line) and not set("<>&") & set(line) for line in lines)
    (folder / "labels.jsonl").write_text("\n".join(lines), encoding="ascii")
    return folder


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_an_export_of_any_episodes_is_read_back_with_every_label_at_its_step(
    tmp_path: Path, data: st.DataObject
) -> None:
    played = [data.draw(episodes(episode_id=f"{i}")) for i in range(3)]
    labels = [[data.draw(st.sampled_from((None, 1, 0, -1))) for _ in range(len(e))] for e in played]
    said = [[e, t, label, "<note>"] for e, row in enumerate(labels) for t, label in enumerate(row)]
    if not said:
        return
    (subset,) = read_process_bench(exported(tmp_path, played, said))
    assert subset.damaged == []
    expected = {f"labels/{e}": tuple(row) for e, row in enumerate(labels) if row}
    assert {each.episode.episode_id: each.labels for each in subset.trajectories} == expected


def test_what_was_seen_and_done_and_how_it_ended_is_in_the_export(tmp_path: Path) -> None:
    failed = walk("b", steps=2, success=False, rewards=(0.0, 0.0), goal="find the key", task_id="maze 2")
    (subset,) = read_process_bench(exported(tmp_path, [walk("a"), failed], [[1, 1, -1, ""]]))
    (found,) = subset.trajectories
    assert (found.labels, found.episode.success) == ((None, -1), False)
    assert (found.episode.actions, found.episode.observations) == (failed.actions, failed.observations)
    assert (found.episode.goal, found.episode.task_id) == ("find the key", "labels/maze 2")


def test_the_page_knows_what_came_labelled_by_the_name_that_the_overview_gives_it() -> None:
    assert f'export const HUMAN = "{HUMAN}";' in asset("label_view.mjs")

"""The one table of columns: everybody reads it, and a new entry is carried from the environment to the report."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from dataclasses import fields

import pytest
from builders import ROOT
from builders.episodes import walk

from credit_gym.data import batch, episode
from credit_gym.data.columns import COLUMNS
from credit_gym.report.column_table import columns_page
from credit_gym.store import Store
from credit_gym.store.codecs import EPISODE_COLUMNS
from credit_gym.store.column_cells import STEP_COLUMNS

NEW = """
import json, sys
from pathlib import Path
from credit_gym.data import columns
columns.COLUMNS += (
    columns.Column(name="moods", kind="step", type="number", batch="mood", info="mood", export="mood", shown="mood",
                   recorded_by="RecordMood", meaning="how the customer feels"),
)

import gymnasium as gym
from credit_gym.credit.assign import build_targets
from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.episode import Episode
from credit_gym.errors import MissingColumnError
from credit_gym.formats.jsonl import write_jsonl
from credit_gym.formats.parquet import read_parquet, write_parquet
from credit_gym.formats.readers import read_episodes
from credit_gym.report.column_table import columns_page
from credit_gym.report.page import write_report
from credit_gym.scorers import register
from credit_gym.store import Store
from credit_gym.wrappers import RecordEpisodes

class Moody(gym.Wrapper):
    def step(self, action):
        *seen, info = self.env.step(action)
        return *seen, {**info, "mood": 0.25}

@register("by_mood", needs={"mood"}, scope="episode", reference="this test")
def by_mood(batch):
    \"\"\"Return the mood.

    Returns:
        (S,) credit.
    \"\"\"
    return batch.require("mood")

folder = Path(sys.argv[1])
env = RecordEpisodes(Moody(gym.make("credit/Stochastic-v0")))
_, info = env.reset(seed=0)
ended = False
while not ended:
    _, _, terminated, truncated, info = env.step(info["admissible_actions"][0])
    ended = terminated or truncated
(played,) = env.episodes
steps = len(played)
assert played.moods == (0.25,) * steps
assert "moods: (T,) float, how the customer feels." in Episode.__doc__
assert EpisodeBatch.from_episodes([played]).select([0, 0]).mood.tolist() == [0.25] * 2 * steps
assert build_targets([played], "by_mood")[0].credit == 0.25
with Store.open(sys.argv[3]) as older:  # of the same version, made before the column
    older.add_episode(older.runs()[0].run_id, played)
    assert played in older.load_episodes(older.runs()[0].run_id)
with Store.open(folder / "store") as store:
    run = store.start_run(env_id="x", agent_id="y")
    store.add_episode(run, played)
    assert store.load_episodes(run) == [played]
write_parquet(folder / "t.parquet", [played], {})
assert read_parquet(folder / "t.parquet").turns["mood"].to_pylist() == [0.25] * steps
write_jsonl(folder / "t.jsonl", [played], {})
assert json.loads((folder / "t.jsonl").read_text().splitlines()[0])["mood"] == 0.25
chat = {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes"}], "reward": 1.0}
(folder / "c.jsonl").write_text(json.dumps({**chat, "moods": [0.5]}) + "\\n")
assert read_episodes("chat", folder / "c.jsonl").episodes[0].moods == (0.5,)
write_report(folder / "page.html", title="t", episodes=[played], credits={})
assert '"more":[["mood",[' in (folder / "page.html").read_text()
assert "| moods |" in columns_page()
try:
    EpisodeBatch.from_episodes(read_episodes("chat", Path(sys.argv[2])).episodes).require("mood")
except MissingColumnError as error:
    assert "record it with RecordMood" in str(error)
else:
    raise AssertionError("nobody recorded it")
"""


@pytest.mark.parametrize("module", [episode, batch])
def test_what_type_checkers_see_is_the_table(module: object) -> None:
    tree = ast.parse(inspect.getsource(module))  # type: ignore[arg-type]
    (mirror,) = (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name == "_Columns")
    seen = [line.target.id for line in mirror.body if isinstance(line, ast.AnnAssign)]  # type: ignore[union-attr]
    made = episode.Episode if module is episode else batch.EpisodeBatch
    assert sorted(seen) == sorted(field.name for field in fields(made))


def test_every_column_is_stored_and_named_once() -> None:
    names = [column.name for column in COLUMNS]
    assert len(set(names)) == len(names)
    assert {*EPISODE_COLUMNS, *STEP_COLUMNS} == set(names)
    for names in ([c.batch for c in COLUMNS if c.batch], [c.info for c in COLUMNS if c.info]):
        assert len(set(names)) == len(names)


def test_the_page_of_columns_is_the_table() -> None:
    assert (ROOT / "docs" / "columns.md").read_text(encoding="utf-8") == columns_page()


@pytest.mark.slow
def test_one_new_entry_reaches_everybody(tmp_path) -> None:
    other = tmp_path / "other.jsonl"
    other.write_text('{"messages": [{"role": "assistant", "content": "a"}], "reward": 0.0}\n')
    with Store.open(tmp_path / "older") as store:
        store.add_episode(store.start_run(env_id="x", agent_id="y"), walk("6-0"))
    command = [sys.executable, "-c", NEW, str(tmp_path), str(other), str(tmp_path / "older")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

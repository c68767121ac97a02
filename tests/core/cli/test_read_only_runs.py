"""A finished run on a disk that cannot be written is listed, scored, reported and exported like any other."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest
from builders.commands import call, good
from builders.older_stores import as_version_4, unpacked
from builders.read_only import command, without_write_permission

from credit_gym.store import Store

RUN = ("run", "--env", "credit/Stochastic-v0", "--episodes", "6", "--group-size", "3", "--scorer", "grpo")


@pytest.fixture
def run_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    return good(*RUN).split()[0]


def files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.slow
def test_it_is_read_like_any_other_and_nothing_in_it_changes(run_id: str, tmp_path: Path) -> None:
    expected = {name: good(*name.split()) for name in ("runs", f"score {run_id} --scorer gae --option lam=0.5")}
    before = files(tmp_path / "runs")
    runs = tmp_path / "runs"
    for name, output in expected.items():
        found = command(runs, *name.split())
        assert found.returncode == 0, found.stderr
        assert found.stdout == output
    assert "are not kept" in found.stderr
    for arguments, path in [
        (("report", run_id), "page.html"),
        (("report", run_id, "--scorer", "mc"), "other.html"),
        (("targets", run_id, "--scorer", "grpo"), "targets.parquet"),
        (("targets", run_id, "--scorer", "td_error", "--to", "jsonl"), "targets.jsonl"),
    ]:
        written = command(runs, *arguments, "--out", path)
        assert written.returncode == 0, written.stderr
        assert Path(path).stat().st_size > 0
    assert files(runs) == before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("report", "{run}"), "give --out with a path elsewhere"),
        (("targets", "{run}", "--scorer", "grpo"), "give --out with a path elsewhere"),
        (("run", "--resume", "{run}"), "cannot be written"),
        (RUN, "cannot be made"),
    ],
)
def test_what_must_write_there_says_so_in_one_sentence(
    run_id: str, tmp_path: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    found = command(tmp_path / "runs", *(argument.replace("{run}", run_id) for argument in arguments))
    assert found.returncode == 2
    assert found.stderr.startswith("Error: ")
    assert found.stderr.count("\n") == 1
    assert sentence in found.stderr


@pytest.mark.slow
def test_what_lies_in_the_log_of_a_killed_process_is_read_too(run_id: str, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / run_id
    database = sqlite3.connect(folder / "store.sqlite", isolation_level=None)
    database.execute("PRAGMA wal_autocheckpoint = 0")
    database.execute("UPDATE runs SET status = 'in the log'")
    kept = {path.name: path.read_bytes() for path in folder.glob("store.sqlite*")}
    database.close()
    for name, content in kept.items():
        if not name.endswith("-shm"):  # as after a kill and a copy
            (folder / name).write_bytes(content)
    assert (folder / "store.sqlite-wal").stat().st_size > 0
    found = command(tmp_path / "runs", "runs")
    assert found.returncode == 0, found.stderr
    assert "in the log" in " ".join(found.stdout.split())


@pytest.mark.slow
def test_a_store_of_an_older_version_is_read_too(run_id: str, tmp_path: Path) -> None:
    as_version_4(tmp_path / "runs" / run_id)
    with sqlite3.connect(tmp_path / "runs" / run_id / "store.sqlite") as database:
        database.execute("ALTER TABLE steps DROP COLUMN thoughts")
        database.execute("PRAGMA user_version = 2")
    found = command(tmp_path / "runs", "score", run_id, "--scorer", "grpo")
    assert found.returncode == 0, found.stderr


@pytest.mark.slow
def test_a_store_that_an_older_version_wrote_is_read_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "runs" / "run_0ba54e6bbf1b"
    episodes = len(unpacked(folder))
    before = files(folder)
    found = command(tmp_path / "runs", "report", folder.name, "--out", str(tmp_path / "page.html"))
    assert found.returncode == 0, found.stderr
    found = command(tmp_path / "runs", "runs", "--to", "markdown")
    assert found.stdout.count("| credit/Test-v0 | random |") == 1
    assert episodes == 14
    assert files(folder) == before


def test_missing_permissions_are_treated_like_a_read_only_disk(run_id: str, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / run_id
    with without_write_permission(folder):
        good("runs")
        assert call("score", run_id, "--scorer", "gae").exit_code == 0
        good("report", run_id, "--out", str(tmp_path / "page.html"))
        with Store.open(folder, create=False) as store:
            assert not store.kept
            assert len(store.load_episodes(run_id)) == 6
    with Store.open(folder, create=False) as store:
        assert store.kept
        assert [name for name, _ in store.target_sets(run_id)] == ["grpo"]
    assert os.access(folder, os.W_OK)

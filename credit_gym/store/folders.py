"""A folder, and a store, for every run and every sweep: ``<runs>/<id>/`` can be copied, sent or deleted whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from credit_gym.errors import StoreError, unknown
from credit_gym.store.naming import candidate_ids
from credit_gym.store.records import RunRecord
from credit_gym.store.run_store import Store
from credit_gym.store.sole_use import in_use


def new_run(
    runs: str | Path, *, env_id: str, agent_id: str, config: Mapping[str, Any], seed: int | None
) -> tuple[Store, str]:
    """Make the folder of a new run and record the run in it.

    Args:
        runs: the folder of all runs.
        env_id: Gymnasium id.
        agent_id: who plays.
        config: everything else that fixes the run, made of JSON's types.
        seed: the run's seed.

    Returns:
        The run's store and its id, which is the folder's name.

    Raises:
        StoreError: the folder cannot be made.
    """
    run_id, store = _new_folder(Path(runs), "run", [None, env_id, agent_id, config, seed])
    return store, store.start_run(env_id=env_id, agent_id=agent_id, config=config, seed=seed, run_id=run_id)


def new_group(runs: Path, config: Mapping[str, Any]) -> tuple[Store, str]:
    """Make the folder of a new sweep and record the sweep in it; like :func:`new_run`."""
    group_id, store = _new_folder(runs, "group", [config])
    return store, store.start_group(config, group_id=group_id)


def open_run(name: str, runs: str | Path) -> tuple[Store, str]:
    """Return the store and the id of a run or a sweep.

    Args:
        name: its id, or the path of its folder.
        runs: the folder of all runs.

    Raises:
        UnknownNameError: there is no such run or sweep.
        StoreError: its store cannot be read, or it was not imported to its end.
    """
    given, runs = Path(name), Path(runs)
    path = given.resolve() if given.is_dir() else runs / name
    if not (path / "store.sqlite").exists():
        known = [folder.name for folder in _folders(runs)]
        if not known:
            raise StoreError(
                f"There is nothing stored in {runs}: `credit-gym run --out {runs}` plays and stores a run."
            )
        raise unknown("run or group", path.name, known)
    store = Store.open(path, create=False)
    if path.name.startswith("group_"):
        store.group(path.name)
    else:
        _check_whole(store, store.run(path.name))
    return store, path.name


def _folders(runs: Path) -> list[Path]:
    return sorted(file.parent for file in runs.glob("*/store.sqlite"))


def listed_runs(store: Store) -> list[RunRecord]:
    """Return a store's runs as a list shows them: one under way that nobody plays was stopped, if only by kill -9."""
    left = not in_use(store.folder)
    return [replace(run, status="stopped") if left and run.status == "running" else run for run in store.runs()]


def _check_whole(store: Store, record: RunRecord) -> None:
    """Refuse what an import left that did not come to its end."""
    if "imported" not in record.config:
        return
    found, whole = len(store.episode_ids(record.run_id)), record.config.get("episodes", 0)
    if found != whole:
        raise StoreError(
            f"{record.run_id} was not imported to its end, it has {found} of {whole} episodes: delete {store.folder} "
            "and import the file again."
        )


def _new_folder(runs: Path, kind: str, content: Any) -> tuple[str, Store]:
    for name in candidate_ids(kind, content):
        try:
            (runs / name).mkdir(parents=True)
        except FileExistsError as error:
            if not (runs / name).is_dir():
                raise StoreError(f"The folder {runs} cannot be made ({error.strerror}): choose another one.") from error
        except OSError as error:
            raise StoreError(f"The folder {runs} cannot be made ({error.strerror}): choose another one.") from error
        else:
            return name, Store.open(runs / name)
    raise AssertionError("candidate ids never end")

"""A folder, and a store, for every run and every sweep: ``<runs>/<id>/`` can be copied, sent or deleted whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from credit_gym.errors import StoreError, unknown
from credit_gym.store.naming import candidate_ids
from credit_gym.store.run_store import Store


def new_run(
    runs: Path, *, env_id: str, agent_id: str, config: Mapping[str, Any], seed: int | None
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
    run_id, store = _new_folder(runs, "run", [None, env_id, agent_id, config, seed])
    return store, store.start_run(env_id=env_id, agent_id=agent_id, config=config, seed=seed, run_id=run_id)


def new_group(runs: Path, config: Mapping[str, Any]) -> tuple[Store, str]:
    """Make the folder of a new sweep and record the sweep in it; like :func:`new_run`."""
    group_id, store = _new_folder(runs, "group", [config])
    return store, store.start_group(config, group_id=group_id)


def open_run(name: str, runs: Path) -> tuple[Store, str]:
    """Return the store and the id of a run or a sweep.

    Args:
        name: its id, or the path of its folder.
        runs: the folder of all runs.

    Raises:
        UnknownNameError: there is no such run or sweep.
        StoreError: its store cannot be read.
    """
    given = Path(name)
    path = given.resolve() if given.is_dir() else runs / name
    if not (path / "store.sqlite").exists():
        known = [folder.name for folder in _folders(runs)]
        if not known:
            raise StoreError(
                f"There is nothing stored in {runs}: `credit-gym run --out {runs}` plays and stores a run."
            )
        raise unknown("run or group", path.name, known)
    store = Store.open(path, create=False)
    (store.group if path.name.startswith("group_") else store.run)(path.name)
    return store, path.name


def stores(runs: Path) -> Iterator[Store]:
    """Yield the store of every run and sweep, in the order of their ids."""
    for folder in _folders(runs):
        with Store.open(folder, create=False) as store:
            yield store


def _folders(runs: Path) -> list[Path]:
    return sorted(file.parent for file in runs.glob("*/store.sqlite"))


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

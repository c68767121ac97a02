"""The store: runs, episodes, training targets and sweep results in one SQLite file, long texts beside it.

- ``run_store``: the store. ``folders``: one for every run and every sweep. ``records``: what is said of them.
- ``database``: the file. ``schema``: its tables and their version; ``upgrade``: an older one, whose ``older_layout`` is
  read once more.
- ``episode_cells``, ``packing``, ``column_cells``, ``codecs``: how an episode, a column and a value are kept, long ones
  in ``blobs``; ``kept_credits``: what scorers said. ``stored_episodes``: a run's episodes, read as they are asked for.
- ``naming``: ids and keys. ``sole_use``: whoever plays into a folder has it alone.
"""

from __future__ import annotations

from credit_gym.store.folders import listed_runs, new_group, new_run, open_run
from credit_gym.store.keeping import keep
from credit_gym.store.records import GroupRecord, Outcomes, RunRecord
from credit_gym.store.run_store import Store
from credit_gym.store.sole_use import sole_use
from credit_gym.store.stored_episodes import StoredEpisodes

__all__ = [
    "GroupRecord",
    "Outcomes",
    "RunRecord",
    "Store",
    "StoredEpisodes",
    "keep",
    "listed_runs",
    "new_group",
    "new_run",
    "open_run",
    "sole_use",
]

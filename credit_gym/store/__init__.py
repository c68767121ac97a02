"""The store: runs, episodes, training targets and sweep results in one SQLite file, long texts beside it.

- ``run_store``: the store. ``folders``: one for every run and every sweep. ``records``: what is said of them.
- ``database``: the file, its schema and its version. ``codecs``: how each column is kept; ``blobs``: long values.
- ``naming``: ids and keys. ``sole_use``: whoever plays into a folder has it alone.
"""

from __future__ import annotations

from credit_gym.store.folders import listed_runs, new_group, new_run, open_run
from credit_gym.store.keeping import keep
from credit_gym.store.records import GroupRecord, RunRecord
from credit_gym.store.run_store import Store
from credit_gym.store.sole_use import sole_use

__all__ = [
    "GroupRecord",
    "RunRecord",
    "Store",
    "keep",
    "listed_runs",
    "new_group",
    "new_run",
    "open_run",
    "sole_use",
]

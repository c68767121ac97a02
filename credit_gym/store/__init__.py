"""The store: runs, episodes, training targets and sweep results in one SQLite file, long texts beside it."""

from __future__ import annotations

from credit_gym.store.folders import new_group, new_run, open_run, stores
from credit_gym.store.records import GroupRecord, RunRecord
from credit_gym.store.run_store import Store
from credit_gym.store.sole_use import sole_use

__all__ = ["GroupRecord", "RunRecord", "Store", "new_group", "new_run", "open_run", "sole_use", "stores"]

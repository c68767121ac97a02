"""The library as a domain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache

from credit_gym.envs.tau2.domain import Domain
from credit_gym.envs.tau2.library.generate import make_tables
from credit_gym.envs.tau2.library.policy import POLICY, breach
from credit_gym.envs.tau2.library.requests import SPLITS, make_task
from credit_gym.envs.tau2.library.tools import IDENTIFY, TOOLS
from credit_gym.envs.tau2.tasks import Task
from credit_gym.envs.tau2.toolkit import Toolkit

EMBEDDED = "library"
"""Name of the domain that ships with the package."""


@lru_cache(maxsize=1)
def library() -> Domain:
    """Return the embedded domain; its tasks are made when they are asked for."""
    bare = Domain(
        name=EMBEDDED,
        policy=POLICY,
        tools=TOOLS,
        user_tools=Toolkit(),
        tables=make_tables(),
        tasks={},
        splits={},
        identify=IDENTIFY,
        breach=breach,
    )
    splits = {name: tuple(f"library-{seed}" for seed in seeds) for name, seeds in SPLITS.items()}
    splits["all"] = tuple(key for keys in splits.values() for key in keys)
    return replace(bare, tasks=_Tasks(bare, splits["all"]), splits=splits)


class _Tasks(Mapping[str, Task]):
    """Tasks by id, each made the first time it is read."""

    def __init__(self, domain: Domain, ids: tuple[str, ...]) -> None:
        self._domain, self._ids = domain, dict.fromkeys(ids)

    def __getitem__(self, key: str) -> Task:
        if key not in self._ids:
            raise KeyError(key)
        return make_task(self._domain, int(key.removeprefix("library-")))

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def __len__(self) -> int:
        return len(self._ids)

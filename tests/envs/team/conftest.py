"""The sandboxes that the tests of this folder share."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Iterator

import pytest
from builders.sandboxed import SECONDS

from credit_gym.envs.team.sandbox import Limits, Sandbox, SandboxError


@pytest.fixture(scope="module", params=["namespaces", "process"])
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Without namespaces")
        box = Sandbox(workers=2, limits=Limits(seconds=SECONDS, memory_mb=256), isolation=request.param)
    with box as made:
        try:
            assert made.isolation == request.param
        except SandboxError as error:
            pytest.skip(str(error))
        yield made


@pytest.fixture(scope="module")
def shut() -> Iterator[Sandbox]:
    """One with namespaces, for what only they keep out."""
    with Sandbox(workers=1, limits=Limits(seconds=SECONDS), isolation="namespaces") as made:
        try:
            assert made.isolation == "namespaces"
        except SandboxError as error:
            pytest.skip(str(error))
        yield made


@pytest.fixture
def nothing_is_left_behind() -> Iterator[None]:
    files = set(os.listdir("/tmp"))
    yield
    left = {name for name in set(os.listdir("/tmp")) - files if name.startswith(("credit-gym-", "left"))}
    deadline = time.monotonic() + 15.0
    while left and time.monotonic() < deadline:
        time.sleep(0.05)
        left &= set(os.listdir("/tmp"))  # what another process has for a moment goes
    assert left == set()

"""Shared by all tests."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# How many examples a property draws that does not say so itself; `pytest --hypothesis-profile NAME` takes another.
_LOOP = 10  # and whoever says more draws no more than this in the loop
for name, examples in (("loop", _LOOP), ("usual", 25), ("thorough", 250)):
    settings.register_profile(name, max_examples=examples, deadline=None)  # a busy machine is no failure
settings.load_profile("usual")


_SLOW_SECONDS = 1800


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is collected lives to the end, so the garbage collector need not walk through it again and again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give slow tests more time than pyproject.toml gives before they count as hanging; in the loop, draw less."""
    if settings.get_current_profile_name() == "loop":
        for item in items:
            _draw_less(getattr(item, "function", None))
    if not config.pluginmanager.hasplugin("timeout"):
        return
    for item in items:
        if item.get_closest_marker("slow") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(_SLOW_SECONDS))


def _draw_less(test: object) -> None:
    """Keep a property from drawing more than the loop has time for; Hypothesis has no public name for what it said."""
    own = getattr(test, "_hypothesis_internal_use_settings", None)
    if own is not None and own.max_examples > _LOOP:
        test._hypothesis_internal_use_settings = settings(own, max_examples=_LOOP)  # type: ignore[attr-defined]


@pytest.fixture
def control_c() -> Iterator[None]:
    """Let SIGINT interrupt, as at a terminal: a suite started in the background of a script inherits it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session", autouse=True)
def _caches_of_their_own(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the tests' caches out of the user's."""
    patch = pytest.MonkeyPatch()
    patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """A folder of real data files beside the checkout (or where CREDIT_GYM_DATA says); tests skip without it."""
    folder = Path(os.environ.get("CREDIT_GYM_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("no real data: CREDIT_GYM_DATA names no folder")
    return folder

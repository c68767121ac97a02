"""Each check of an environment passes an honest one and catches the offender that was planted for it."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
import pytest

import credit_gym
from credit_gym.envs.text_env import TextEnv
from credit_gym.testing import check_env, check_fork, check_no_leak, check_seeds

pytestmark = pytest.mark.filterwarnings("ignore:.*render")


DOCUMENT = Path(__file__).parents[3] / "docs" / "extending.md"


@contextmanager
def registered(kind: type[TextEnv], **options: Any) -> Iterator[gym.Env[str, str]]:
    """The environment as somebody makes it who registered its class."""
    gym.register("planted/Env-v0", entry_point=kind, **options)
    try:
        yield gym.make("planted/Env-v0")
    finally:
        gym.registry.pop("planted/Env-v0")


class Count(TextEnv):
    """Says a drawn digit a step, four times."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
        super().reset(seed=seed)
        self.digit, self.steps = self.seed_episode(seed) % 10, 0
        return self.observe(), self.info()

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        self.steps += 1
        if action in ("on", "off"):
            self.digit = (self.draw() + (action == "on")) % 10
        done = self.steps == 4
        return self.observe(), 0.0, done, False, {**self.info(), **({"success": False} if done else {})}

    def observe(self) -> str:
        return f"You see {self.digit}."

    def info(self) -> dict[str, Any]:
        return {
            "task": {"id": "count", "split": "all", "goal": "Watch."},
            "state_key": f"{self.digit}-{self.steps}",
            "admissible_actions": ["on", "off"],
            "verifier": 0.0,
        }

    def clone_state(self) -> Any:
        return self.digit, self.steps, self.stream

    def restore_state(self, state: Any) -> tuple[str, dict[str, Any]]:
        self.digit, self.steps, self.stream = state
        return self.observe(), self.info()


class NoGoal(Count):
    def info(self) -> dict[str, Any]:
        return {**super().info(), "task": {"id": "count", "split": "all"}}


class NoSuccess(Count):
    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        *result, info = super().step(action)
        info.pop("success", None)
        return *result, info


class Raises(Count):
    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        if action not in ("on", "off"):
            raise KeyError(action)
        return super().step(action)


class Worthless(Count):
    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        observation, _, *rest = super().step(action)
        return observation, 0.0 if action in ("on", "off") else float("nan"), *rest


class Unseeded(Count):
    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
        return super().reset(seed=random.getrandbits(30))


class ForgetsItsStream(Count):
    def clone_state(self) -> Any:
        return self.digit, self.steps

    def restore_state(self, state: Any) -> tuple[str, dict[str, Any]]:
        self.digit, self.steps = state
        return self.observe(), self.info()


class DrawsGlobally(Count):
    def observe(self) -> str:
        random.random()
        return super().observe()


class DrawsFromNumpy(Count):
    def observe(self) -> str:
        np.random.random()  # noqa: NPY002 (the offence)
        return super().observe()


class SharesItsState(Count):
    seen: ClassVar[list[int]] = []

    def observe(self) -> str:
        self.seen.append(self.digit)
        return f"You see {self.digit} after {len(self.seen)} looks."


class Remembers(Count):
    looks = 0

    def observe(self) -> str:
        self.looks += self.steps > 0
        return f"You see {self.digit} after {self.looks} looks."


class SwapsTheSecret(Count):
    """Every play from a restored state is the same, and none is the one that was cloned."""

    def restore_state(self, state: Any) -> tuple[str, dict[str, Any]]:
        observation, info = super().restore_state(state)
        self.stream = 7
        return observation, info


class SharesItsFork(Count):
    """What is played after the clone is written into it."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
        self.offs = [0]
        return super().reset(seed=seed)

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        self.offs[0] += action == "off"
        return super().step(action)

    def observe(self) -> str:
        return f"You see {self.digit} after {self.offs[0]}."

    def clone_state(self) -> Any:
        return super().clone_state(), self.offs

    def restore_state(self, state: Any) -> tuple[str, dict[str, Any]]:
        counted, self.offs = state
        return super().restore_state(counted)


class RestoresNothing(Count):
    def restore_state(self, state: Any) -> Any:
        super().restore_state(state)


class ForksNoMore(Count):
    clone_state = TextEnv.clone_state


class ResetsToText(Count):
    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        return super().reset(seed=seed)[0]


class NoKey(Count):
    def info(self) -> dict[str, Any]:
        return {key: value for key, value in super().info().items() if key != "state_key"}


class NoVerifier(Count):
    def info(self) -> dict[str, Any]:
        return {key: value for key, value in super().info().items() if key != "verifier"}


class NoTask(Count):
    def info(self) -> dict[str, Any]:
        return {key: value for key, value in super().info().items() if key != "task"}


class NanVerifier(Count):
    def info(self) -> dict[str, Any]:
        return {**super().info(), "verifier": float("nan") if self.steps else 0.0}


class NanReward(Count):
    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        observation, _, *rest = super().step(action)
        return observation, float("nan"), *rest


class ChangesItsTask(Count):
    def info(self) -> dict[str, Any]:
        task = {"id": "count", "split": "all", "goal": "Watch." if self.steps < 2 else "Look away."}
        return {**super().info(), "task": task}


class DrawsItsDigitGlobally(Count):
    def observe(self) -> str:
        return f"You see {random.random()}."


class CannotRender(Count):
    """Declares a mode that it has not got."""

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["ansi"]}


@pytest.mark.parametrize(
    ("offender", "sentence"),
    [
        (NoGoal, "id, split and goal"),
        (NoSuccess, r"'success'.* at the end"),
        (Raises, "answered in text"),
        (Worthless, "no finite number"),
        (ForgetsItsStream, "fork"),
        (Unseeded, "Gymnasium's own check"),
    ],
)
def test_a_broken_promise_is_named(offender: type[Count], sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence):
        check_env(offender())


@pytest.mark.parametrize(
    ("offender", "sentence"),
    [(DrawsGlobally, "global generator"), (DrawsFromNumpy, "global generator"), (SharesItsState, "another episode")],
)
def test_what_threads_share_is_named(offender: type[Count], sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence):
        check_seeds(offender, seeds=3, threads=2)


def test_what_the_last_episode_left_is_named() -> None:
    with pytest.raises(AssertionError, match="leaked"):
        check_no_leak(Remembers(), episodes=3)


def test_an_answer_that_is_shown_is_named() -> None:
    with pytest.raises(AssertionError, match="shown the answer"):
        check_no_leak(Count(), episodes=3, answer=lambda env: [str(env.digit)])


def test_a_fork_that_forgets_its_stream_is_named() -> None:
    with pytest.raises(AssertionError, match="repeat the original"):
        check_fork(ForgetsItsStream())


@pytest.mark.parametrize(
    ("offender", "sentence"),
    [
        (SwapsTheSecret, "repeat the original"),
        (SharesItsFork, "repeat the original"),
        (RestoresNothing, "restore_state must return a pair"),
        (ForksNoMore, "ForksNoMore cannot be forked"),
        (DrawsItsDigitGlobally, "global generator"),
    ],
)
def test_a_fork_that_is_none_is_named(offender: type[Count], sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence):
        check_fork(offender())


def test_an_environment_that_knows_no_forks_is_named() -> None:
    class Bare(gym.Env[str, str]):
        def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
            self.count = Count()
            return self.count.reset(seed=seed)

        def step(self, action: str) -> Any:
            return self.count.step(action)

    with pytest.raises(AssertionError, match="Bare cannot be forked"):
        check_fork(Bare())


@pytest.mark.parametrize(
    ("offender", "sentence"),
    [
        (ResetsToText, "reset must return a pair"),
        (NoKey, "state_key"),
        (NoVerifier, "verifier"),
        (NoTask, "id, split and goal"),
        (NanVerifier, "finite number, not nan"),
        (NanReward, "earned nan"),
        (ChangesItsTask, "whole episode"),
        (DrawsItsDigitGlobally, "global generator"),
    ],
)
def test_every_check_names_it_in_one_sentence(offender: type[Count], sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence):
        check_seeds(offender, seeds=3, threads=2)
    with pytest.raises(AssertionError, match=sentence):
        check_no_leak(offender(), episodes=3)
    with pytest.raises(AssertionError, match=sentence):
        check_env(offender())


def test_a_global_generator_that_is_seeded_alike_every_time_is_named() -> None:
    class Reseeds(Count):
        def observe(self) -> str:
            random.seed(self.digit)
            return super().observe()

    with pytest.raises(AssertionError, match="global generator"):
        check_seeds(Reseeds, seeds=3, threads=1)


def test_a_refusal_of_gymnasium_has_a_reason() -> None:
    with registered(CannotRender) as env, pytest.raises(AssertionError, match="NotImplementedError"):
        check_env(env)


def test_the_coin_of_the_documentation_passes_once_registered() -> None:
    blocks = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    names: dict[str, Any] = {"cg": credit_gym}
    exec(next(block for block in blocks if "class Coin" in block), names)
    assert names["Coin"].metadata["render_modes"] == []
    with registered(names["Coin"]) as env:
        check_env(env)
        check_no_leak(env, answer=lambda coin: [coin.side])


def test_a_class_with_render_declares_its_mode() -> None:
    class Shows(Count):
        def render(self) -> Any:
            return self.observe() if self.render_mode == "ansi" else None

    assert (Count.metadata["render_modes"], Shows.metadata["render_modes"]) == ([], ["ansi"])
    with registered(Shows) as env:
        check_env(env)


def test_a_time_limit_does_not_stand_in_the_way_of_forks() -> None:
    with registered(Count, max_episode_steps=3) as env:
        check_fork(env, before=1)


def test_an_honest_environment_passes() -> None:
    check_env(Count())
    check_fork(Count())
    check_seeds(Count, seeds=20, threads=4)
    check_no_leak(Count(), answer=lambda env: ["the answer"])


def test_an_environment_without_forks_passes() -> None:
    class NoForks(Count):
        clone_state = TextEnv.clone_state

    check_env(NoForks())

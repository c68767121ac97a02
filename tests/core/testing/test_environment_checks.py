"""Each check of an environment passes an honest one and catches the offender that was planted for it."""

from __future__ import annotations

import random
from typing import Any, ClassVar

import numpy as np
import pytest

from credit_gym.envs.text_env import TextEnv
from credit_gym.testing import check_env, check_fork, check_no_leak, check_seeds

pytestmark = pytest.mark.filterwarnings("ignore:.*render")


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


def test_an_honest_environment_passes() -> None:
    check_env(Count())
    check_fork(Count())
    check_seeds(Count, seeds=20, threads=4)
    check_no_leak(Count(), answer=lambda env: ["the answer"])


def test_an_environment_without_forks_passes() -> None:
    class NoForks(Count):
        clone_state = TextEnv.clone_state

    check_env(NoForks())

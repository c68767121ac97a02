"""Which isolation is taken, what it says before it runs, and what of its verdicts is kept."""

from __future__ import annotations

import warnings
from pathlib import Path

import gymnasium as gym
import pytest
from builders.sandboxed import RIGHT, TESTS

from credit_gym.envs.team import sandbox as sandboxes
from credit_gym.envs.team.env import MultiAgentCode
from credit_gym.envs.team.grade_code import grade_code
from credit_gym.envs.team.sandbox import Limits, Program, Result, Sandbox, SandboxError
from credit_gym.errors import CreditGymError


def process_sandbox() -> Sandbox:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Sandbox(workers=1, isolation="process")


def test_namespaces_are_the_default_and_nothing_takes_their_place() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Sandbox().trusted
    with pytest.raises(CreditGymError, match="isolation"):
        Sandbox(isolation="auto")  # type: ignore[arg-type]


def test_without_namespaces_it_is_said_before_anything_runs_and_verdicts_are_marked() -> None:
    with pytest.warns(UserWarning, match="not trusted"):
        box = Sandbox(workers=1, isolation="process")
    assert not box.trusted
    box._test = lambda *_: Result(True, "")  # type: ignore[method-assign]
    assert not grade_code(RIGHT, TESTS, names=("f",), sandbox=box).trusted
    trusted = Sandbox(workers=1)
    trusted._test = lambda *_: Result(True, "")  # type: ignore[method-assign]
    assert grade_code(RIGHT, TESTS, names=("f",), sandbox=trusted).trusted


def test_an_untrusted_failure_is_not_remembered() -> None:
    for box, runs_of_a_failure in ((process_sandbox(), 3), (Sandbox(workers=1), 1)):
        for passes, runs in ((True, 1), (False, runs_of_a_failure)):
            seen: list[str] = []

            def test(source: str, *_: object, passes: bool = passes, seen: list[str] = seen) -> Result:
                seen.append(source)
                return Result(passes, "")

            box._test = test  # type: ignore[method-assign]
            for _ in range(3):
                assert box.run(Program(f"passes = {passes}", ("f()",), ("f",))) == (Result(passes, ""),)
            assert len(seen) == runs


def test_an_environment_that_cannot_run_programs_says_so_at_reset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandboxes, "_CHILD", Path("/no/such/script"))
    env = MultiAgentCode(limits=Limits(seconds=4.75))
    with pytest.raises(SandboxError):
        env.reset(seed=0)
    with pytest.raises(gym.error.ResetNeeded):
        env.step("")

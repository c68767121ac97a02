"""credit/MultiAgentMath-v0 and credit/MultiAgentCode-v0: a team answers a question, one role's message a step."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from typing import Any

from credit_gym.data.action_families import Family
from credit_gym.data.action_format import ActionFormat
from credit_gym.envs.team.generated import code_problems, math_problems
from credit_gym.envs.team.grade_code import CodeGrade, Reward, grade_code
from credit_gym.envs.team.grade_math import MathGrade, Mode, grade_math
from credit_gym.envs.team.overlap import require_disjoint
from credit_gym.envs.team.problems import CodeProblem, MathProblem, Problem
from credit_gym.envs.team.sandbox import Isolation, Limits, shared_sandbox
from credit_gym.envs.team.sources import BadRows, PathLike, read_problems, reasoning_gym_problems
from credit_gym.envs.team.turns import Moment, MultiAgentEnv, P, Roles, Verdict
from credit_gym.errors import ManifestError, unknown
from credit_gym.estimation.ranges import Count, Whole

_REASONING_GYM = "reasoning_gym:"


class MultiAgentMath(MultiAgentEnv[MathProblem]):
    """A team answers a mathematical question; see :class:`MultiAgentEnv` and C3 (Chen et al., 2026, 2603.06859).

    Args:
        roles: the name of a role graph, or a mapping of roles to their parents
            (:func:`~credit_gym.envs.team.roles.role_graph`).
        problems: a GSM8K, MATH or CMATH file, or ``reasoning_gym:TASK``. By default the problems are generated.
        split: which part of the source it is; generated ones have ``train``, ``eval`` and ``test``, by default the
            first. A file says it itself (:func:`~credit_gym.envs.team.sources.read_problems`).
        num_problems: how many to generate, or to take from the beginning of a file; None takes all, or generates 100.
        problem_seed: seed of what is generated.
        grading: ``default`` is strict; ``upstream`` is as lenient as the published grader.
        bad_rows: ``skip`` plays a file without its bad rows, with a warning; ``refuse`` refuses it.
        held_out: a file of problems for evaluation that the ones played must not overlap with.
        render_mode: ``ansi`` or None.

    Raises:
        ManifestError: a file is malformed, or holds no mathematical problems.
        CreditGymError: the problems overlap with the held-out ones, or the roles wait for each other.
    """

    blocking = True  # a grade may wait for math-verify
    answer_form = "Give the final answer in \\boxed{}."
    action_format = ActionFormat("message", how=answer_form, examples=("Half of 24 is \\boxed{12}.",))
    data_from = (
        "Problems made here from `problem_seed=` (`train`, `eval`, `test`); a GSM8K, MATH or CMATH file, or a "
        "task of reasoning-gym, by `problems=`."
    )
    published = (
        "C3 (Chen et al., 2026), whose teams these are. Grading is strict; `grading='upstream'` is as lenient as "
        "the published grader."
    )
    page = "counterfactual"
    reward_rule = "1 where the last message has the right answer, else 0."

    def __init__(
        self,
        roles: Roles = "reasoner_actor",
        *,
        problems: PathLike | None = None,
        split: str | None = None,
        num_problems: Count | None = None,
        problem_seed: Whole = 0,
        grading: Mode = "default",
        bad_rows: BadRows = "skip",
        held_out: PathLike | None = None,
        render_mode: str | None = None,
    ) -> None:
        if grading not in ("default", "upstream"):
            raise unknown("grading mode", grading, ("default", "upstream"))
        if problems is None:
            chosen: Sequence[MathProblem] = math_problems(split or "train", num_problems or 100, problem_seed)
        elif str(problems).startswith(_REASONING_GYM):
            task = str(problems).removeprefix(_REASONING_GYM)
            chosen = reasoning_gym_problems(task, split or "train", num_problems or 100, problem_seed)
        else:
            chosen = _from_file(problems, MathProblem, split, num_problems, bad_rows)
        _gate(chosen, held_out)
        super().__init__(chosen, roles, render_mode=render_mode)
        self._grading: Mode = grading

    def grade(self, problem: MathProblem, message: str) -> Verdict:
        """Return the verdict on an answer: 1 if it is the reference's value."""
        grade: MathGrade = grade_math(message, problem.answer, mode=self._grading)
        text = "The answer is right." if grade.correct else "The answer is wrong."
        if grade.method == "none":
            text = "There is no answer in the message."
        return Verdict(float(grade.correct), grade.correct, text, grade._asdict())


class MultiAgentCode(MultiAgentEnv[CodeProblem]):
    """A team writes a program; see :class:`MultiAgentEnv`. Programs run in a sandbox that all environments share.

    Args:
        roles: the name of a role graph, or a mapping of roles to their parents
            (:func:`~credit_gym.envs.team.roles.role_graph`).
        problems: an MBPP or HumanEval file. By default the problems are generated.
        split: which part of the source it is; generated ones have ``train``, ``eval`` and ``test``, by default the
            first. A file says it itself (:func:`~credit_gym.envs.team.sources.read_problems`).
        num_problems: how many to generate, or to take from the beginning of a file; None takes all, or generates 100.
        problem_seed: seed of what is generated.
        reward: ``all`` earns 1 when every test passes; ``fraction`` the share of tests that pass, as published.
        packages: installed packages that programs may import, such as ``("numpy",)``.
        limits: what a program may use.
        isolation: how the sandbox is shut (:class:`~credit_gym.envs.team.sandbox.Sandbox`).
        bad_rows: ``skip`` plays a file without its bad rows, with a warning; ``refuse`` refuses it.
        held_out: a file of problems for evaluation that the ones played must not overlap with.
        render_mode: ``ansi`` or None.

    Raises:
        ManifestError: a file is malformed, or holds no programming problems.
        CreditGymError: the problems overlap with the held-out ones, or the roles wait for each other.
    """

    blocking = True
    data_from = (
        "Problems made here from `problem_seed=` (`train`, `eval`, `test`), or an MBPP or HumanEval file by "
        "`problems=`."
    )
    published = (
        "C3 (Chen et al., 2026), whose teams these are. The reward is 1 where all tests pass; `reward='fraction'` "
        "is the published one."
    )
    page = "sandbox"
    reward_rule = "1 where every test passes; by `reward='fraction'` the share of tests that pass."
    answer_form = "Give the whole program in one ```python block."
    action_format = ActionFormat(
        "program",
        how=answer_form,
        examples=("```python\ndef double(number):\n    return 2 * number\n```",),
        families=(
            Family(
                "write",
                "{text}",
                "Write your part: a message to the team, or in the end the whole program.",
                (("text", "All of it, word for word."),),
            ),
        ),
    )

    def __init__(
        self,
        roles: Roles = "reasoner_actor",
        *,
        problems: PathLike | None = None,
        split: str | None = None,
        num_problems: Count | None = None,
        problem_seed: Whole = 0,
        reward: Reward = "all",
        packages: Sequence[str] = (),
        limits: Limits | None = None,
        isolation: Isolation = "namespaces",
        bad_rows: BadRows = "skip",
        held_out: PathLike | None = None,
        render_mode: str | None = None,
    ) -> None:
        if reward not in ("all", "fraction"):
            raise unknown("reward", reward, ("all", "fraction"))
        if problems is None:
            chosen: Sequence[CodeProblem] = code_problems(split or "train", num_problems or 100, problem_seed)
        else:
            chosen = _from_file(problems, CodeProblem, split, num_problems, bad_rows)
        _gate(chosen, held_out)
        super().__init__(chosen, roles, render_mode=render_mode)
        self._reward: Reward = reward
        self._sandbox = shared_sandbox(tuple(packages), limits, isolation)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Moment:
        """Start an episode; see :class:`MultiAgentEnv`.

        Raises:
            SandboxError: programs could not be run here.
        """
        _ = self._sandbox.isolation  # said now, not after the team has worked for nothing
        return super().reset(seed=seed, options=options)

    def grade(self, problem: CodeProblem, message: str) -> Verdict:
        """Return the verdict on a program: whether its tests pass, or how many do."""
        grade: CodeGrade = grade_code(
            message,
            problem.tests,
            names=problem.names,
            sandbox=self._sandbox,
            setup=problem.setup,
            opening=problem.opening,
            reward=self._reward,
        )
        text = "The program passes its tests." if grade.correct else f"The program fails: {grade.error}"
        earned = grade.passed / grade.total if self._reward == "fraction" else float(grade.correct)
        return Verdict(earned, grade.correct, text, grade._asdict())


def _from_file(path: PathLike, kind: type[P], split: str | None, count: int | None, bad_rows: BadRows) -> list[P]:
    found = read_problems(path, split=split, bad_rows=bad_rows)
    if found.skipped:
        warnings.warn(f"{len(found.skipped)} bad rows are left out, first: {found.skipped[0]}", stacklevel=3)
    chosen = [problem for problem in found.problems if isinstance(problem, kind)]
    if len(chosen) < len(found.problems):
        raise ManifestError(f"{os.fspath(path)} holds no {kind.__name__}s: it is a file for the other environment.")
    return chosen[:count]


def _gate(problems: Sequence[Problem], held_out: PathLike | None) -> None:
    if held_out is not None:
        evaluation = read_problems(held_out, split="held-out").problems
        require_disjoint({p.id: p.question for p in problems}, {p.id: p.question for p in evaluation})

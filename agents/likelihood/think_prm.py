"""ThinkPRM: a verdict on every step, written out by a language model (Khalifa et al. 2025).

``mode="upstream"`` cuts long runs as progress-advantage's code does, which loses the beginning but goes on counting
verdicts from step 1.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, TypeAlias, cast

import numpy as np

from credit_gym.agents.likelihood.critic_text import action_text, sigmoid, task_text
from credit_gym.agents.likelihood.transcripts import Transcript
from credit_gym.agents.llm.backends import Backend, Settings, is_server, parse_backend
from credit_gym.agents.llm.completion import (
    MOST_ALTERNATIVES,
    AsyncBackend,
    BatchBackend,
    Completion,
    Position,
    Request,
)
from credit_gym.agents.llm.loop import LoopThread
from credit_gym.data.grouping import FloatArray
from credit_gym.errors import BackendError
from credit_gym.estimation.modes import Mode, is_upstream
from credit_gym.estimation.token_scores import aggregate_steps

STEPS_CAP, TEAM_STEPS_CAP = 22_000, 20_000
"""Most characters of numbered steps, and of those of a team."""

CRITIQUE_TOKENS = 4096
"""Most tokens of a critique."""

OPENING = "\nLet's verify step by step:"
"""How ThinkPRM's answer begins: it was trained so."""

_Answers: TypeAlias = "list[Completion | BackendError]"
_FAR = 20.0  # nats that a verdict missing from the alternatives is taken to be below the other
_OPENED = re.compile(r"boxed\{\s*+(?:\\text\{\s*+)?$")
# No two repetitions can share a character, so that a hostile critique takes no longer than its length.
_BOXED = re.compile(r"boxed\{\s*(?:\\text\{\s*)?(in)?correct", re.IGNORECASE)
_NUMBERED = re.compile(
    r"Step\s+(\d{1,6})(?!\d)(?:(?!Step\s+\d).)*?boxed\{\s*(?:\\text\{\s*)?(in)?correct", re.IGNORECASE | re.DOTALL
)


class ThinkPRM:
    """A generative process reward model (Khalifa et al. 2025, "Process reward models that think"), asked greedily.

    It may run anywhere: ``hf:FOLDER`` and ``vllm:FOLDER`` in this process, ``openai:MODEL@URL`` behind a server. Its
    answer begins with the published words where the backend can begin one (:class:`Request.opening
    <credit_gym.agents.llm.completion.Request>`). Where a backend reports no alternatives to its tokens, a verdict is
    the 1 or 0 that the critique spells out.

    Args:
        model: the spec of a language model, or a backend.
        settings: how a model named by a spec is asked; its prompting is not used.
        max_new_tokens: most tokens of a critique.
    """

    def __init__(
        self, model: str | Backend, settings: Settings | None = None, *, max_new_tokens: int = CRITIQUE_TOKENS
    ) -> None:
        backend = parse_backend(model, settings) if isinstance(model, str) else model
        self._complete, self._model, self._new = _together(backend), backend.name, max_new_tokens

    @property
    def name(self) -> str:
        """``think_prm:`` and the language model's spec."""
        return f"think_prm:{self._model}"

    def score(self, transcripts: Sequence[Transcript], /, *, mode: Mode = "default") -> list[FloatArray]:
        """Return a value for every message of every run: its step's probability of being correct, NaN for no step.

        A run that the model cannot judge, such as one that is too long for it, has no values.

        Raises:
            BackendError: the model could not answer about any run.
        """
        found = []
        for transcript, (steps, verdicts) in zip(transcripts, self._verdicts(transcripts, mode), strict=True):
            values = np.full(len(transcript.turns), np.nan)
            values[list(steps.messages)] = step_rewards(verdicts, steps, mode=mode)
            found.append(values)
        return found

    def grade(self, transcripts: Sequence[Transcript], /, *, mode: Mode = "default") -> FloatArray:
        """Return (E,) means over the steps that got a verdict, NaN where none did.

        Raises:
            BackendError: the model could not answer about any run.
        """
        rewards = [step_rewards(verdicts, steps) for steps, verdicts in self._verdicts(transcripts, mode)]
        offsets = np.cumsum([0, *map(len, rewards)])
        return aggregate_steps(np.concatenate([np.zeros(0), *rewards]), offsets)

    def _verdicts(self, transcripts: Sequence[Transcript], mode: Mode) -> list[tuple[Steps, list[float]]]:
        steps = [numbered_steps(transcript, mode=mode) for transcript in transcripts]
        requests = [
            Request(
                messages=({"role": "user", "content": critique_prompt(transcript, each)},),
                max_tokens=self._new,
                temperature=0.0,
                top_logprobs=MOST_ALTERNATIVES,
                opening=OPENING,
            )
            for transcript, each in zip(transcripts, steps, strict=True)
        ]
        answers = self._complete(requests)
        failures = [answer for answer in answers if isinstance(answer, BackendError)]
        if failures and len(failures) == len(answers):
            raise failures[0]
        return [
            (each, [] if isinstance(answer, BackendError) else _read(answer, each, mode))
            for each, answer in zip(steps, answers, strict=True)
        ]


class Steps(NamedTuple):
    """The steps of a run as a process reward model reads them.

    Attributes:
        text: numbered from 1.
        shown: index of the step that each verdict is about, in order of appearance.
        messages: message index of every step of the run.
    """

    text: str
    shown: tuple[int, ...]
    messages: tuple[int, ...]


def numbered_steps(transcript: Transcript, *, mode: Mode = "default") -> Steps:
    """Write the actions of a run as numbered steps, what was observed after each with it.

    Of a run that is too long, the newest steps are kept whole under their own numbers; ``upstream`` keeps the last
    characters, whatever they are, and expects a verdict on every step all the same.
    """
    upstream = is_upstream(mode)
    blocks: list[str] = []
    messages: list[int] = []
    actions = transcript.actions("upstream" if upstream else "plain")
    for index, (turn, action) in enumerate(zip(transcript.turns, actions, strict=True)):
        if action:
            messages.append(index)
            who = f" [{turn.role if upstream else turn.speaker or turn.role}]" if transcript.team else ""
            blocks.append(f"Step {len(messages)}{who}:\n{action_text(turn)}")
        elif blocks and turn.content.strip():
            blocks[-1] += f"\nObservation:\n{turn.content.strip()}"
    cap = TEAM_STEPS_CAP if transcript.team else STEPS_CAP
    if upstream:
        return Steps("\n\n".join(blocks)[-cap:], tuple(range(len(blocks))), tuple(messages))
    first, size = len(blocks), 0
    while first and (size := size + len(blocks[first - 1]) + 2) <= cap + 2:
        first -= 1
    first = min(first, max(len(blocks) - 1, 0))  # one step too long for the cap is shown by its end
    return Steps("\n\n".join(blocks[first:])[-cap:], tuple(range(first, len(blocks))), tuple(messages))


def critique_prompt(transcript: Transcript, steps: Steps) -> str:
    """Ask for a verdict on every step."""
    kind = "a run of several agents" if transcript.team else "an agent's run; if it is incomplete, judge what is there"
    return (
        f"Below are a task and {kind}.\n\n[Task]\n{task_text(transcript)}\n\n[Solution]\n{steps.text}\n\n"
        "Examine each step in turn. End what you say of it with 'Step N is \\boxed{correct}' or "
        "'Step N is \\boxed{incorrect}'."
    )


def token_verdicts(positions: Sequence[Position]) -> list[float]:
    """Return the probability of "correct" at every boxed verdict, in order of appearance.

    At the token after an opened box the likeliest alternative that starts with "correct" is weighed against the
    likeliest one with "incorrect" in it; one that is not among the alternatives counts as 20 nats below the other, and
    a box with neither is no verdict.
    """
    found, text = [], ""
    for position in positions:
        if _OPENED.search(text):
            ranked = [(token.strip().casefold(), logprob) for token, logprob in position.alternatives]
            wrong = next((logprob for token, logprob in ranked if "incorrect" in token), None)
            right = next((logprob for token, logprob in ranked if token.startswith("correct")), None)
            if wrong is not None or right is not None:
                low = right - _FAR if wrong is None and right is not None else wrong or 0.0
                high = wrong - _FAR if right is None and wrong is not None else right or 0.0
                found.append(sigmoid(high - low))
        text = (text + position.text)[-64:]
    return found


def text_verdicts(text: str, steps: int) -> list[float]:
    """Return 1 or 0 for every verdict that a text spells out: by step number where there are such, else in order."""
    numbered = {int(n): float(not wrong) for n, wrong in _NUMBERED.findall(text)}
    if any(1 <= n <= steps for n in numbered):
        return [numbered.get(n, math.nan) for n in range(1, steps + 1)]
    return [float(not wrong) for wrong in _BOXED.findall(text)]


def step_rewards(verdicts: Sequence[float], steps: Steps, *, mode: Mode = "default") -> FloatArray:
    """Give every step its verdict, in order of appearance.

    Returns:
        (steps,) float64 in [0, 1]; NaN for a step without a verdict. ``upstream`` has 1 there, and 1/2 everywhere if
        there is no verdict at all.
    """
    total = len(steps.messages)
    if is_upstream(mode):
        if not verdicts:
            return np.full(total, 0.5)
        filled = [*verdicts, *(1.0 for _ in range(total))][:total]
        return np.nan_to_num(np.asarray(filled, dtype=np.float64), nan=1.0)
    result = np.full(total, np.nan)
    for index, verdict in zip(steps.shown, verdicts, strict=False):
        result[index] = verdict
    return result


def _read(answer: Completion, steps: Steps, mode: Mode) -> list[float]:
    """The verdicts of a critique, in the order of the steps that were shown."""
    verdicts = token_verdicts(answer.positions)
    if verdicts:
        return verdicts
    spelled = text_verdicts(answer.text, len(steps.messages))
    by_number = len(spelled) == len(steps.messages) and not is_upstream(mode)
    return [spelled[index] for index in steps.shown] if by_number else spelled


def _together(backend: Backend) -> Callable[[Sequence[Request]], _Answers]:
    """A blocking function that has many requests answered at the same time, an error in the place of a failure."""
    if is_server(backend):
        return partial(_from_server, backend, LoopThread())
    return partial(_from_batch, cast("BatchBackend", backend))


def _from_server(server: AsyncBackend, loop: LoopThread, requests: Sequence[Request]) -> _Answers:
    waiting = [loop.submit(server.complete(request)) for request in requests]
    found: _Answers = []
    try:
        for answer in waiting:
            try:
                found.append(answer.result())
            except BackendError as error:
                found.append(error)
    finally:
        for answer in waiting:
            answer.cancel()
    return found


def _from_batch(backend: BatchBackend, requests: Sequence[Request]) -> _Answers:
    try:
        return list(backend.complete(requests))
    except BackendError as error:
        if len(requests) == 1:
            return [error]
        return [_from_batch(backend, [request])[0] for request in requests]

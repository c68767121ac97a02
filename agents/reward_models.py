"""Reward models as baselines: ThinkPRM's verdict on every step, WildReward's grade of a whole run.

Prompts follow the models' published structure in words of this project. ``mode="upstream"`` cuts long runs as
progress-advantage's code does, which loses the beginning but goes on counting verdicts from step 1 (ThinkPRM), or loses
the end and the instruction (WildReward); by default what is cut is whole, the oldest, and known to be missing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from credit_gym.agents.engine.transcripts import Transcript, Turn
from credit_gym.errors import BackendError, missing_extra
from credit_gym.grouping import FloatArray
from credit_gym.scorers.modes import Mode, is_upstream

STEPS_CAP, TEAM_STEPS_CAP, RUN_CAP = 22_000, 20_000, 24_000
"""Most characters of numbered steps, of those of a team, and of a whole run."""

REWARD_TOKENS = 4096
"""Most tokens that WildReward reads."""

_FAR = 20.0  # nats that a verdict missing from the alternatives is taken to be below the other
_OPENED = re.compile(r"boxed\{\s*(?:\\text\{)?\s*$")
_BOXED = re.compile(r"boxed\{\s*(?:\\text\{)?\s*(in)?correct", re.IGNORECASE)
_NUMBERED = re.compile(
    r"Step\s+(\d+)((?:(?!Step\s+\d).)*?)boxed\{\s*(?:\\text\{)?\s*(in)?correct", re.IGNORECASE | re.DOTALL
)


class Position(NamedTuple):
    """One generated token.

    Attributes:
        text: what it spells.
        alternatives: (token, log-probability) of the likeliest tokens there, likeliest first.
    """

    text: str
    alternatives: tuple[tuple[str, float], ...]


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


def action_text(turn: Turn) -> str:
    """The text of an action with its tool calls, as reward models read it."""
    calls = (f"tool_call: {call.name}({call.arguments})" for call in turn.calls)
    return "\n".join(part for part in (turn.content.strip(), *calls) if part) or "[empty]"


def critique_prompt(transcript: Transcript, steps: Steps) -> str:
    """Ask for a verdict on every step."""
    kind = "a run of several agents" if transcript.team else "an agent's run; if it is incomplete, judge what is there"
    return (
        f"Below are a task and {kind}.\n\n[Task]\n{_task(transcript)}\n\n[Solution]\n{steps.text}\n\n"
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
                found.append(_sigmoid(high - low))
        text = (text + position.text)[-64:]
    return found


def text_verdicts(text: str, steps: int) -> list[float]:
    """Return 1 or 0 for every verdict that a text spells out: by step number where there are such, else in order."""
    numbered = {int(n): float(not wrong) for n, _, wrong in _NUMBERED.findall(text[:1_000_000]) if len(n) < 7}
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


def flat_text(transcript: Transcript) -> str:
    """The last :data:`RUN_CAP` characters of a run, one ``[role]: text`` after the other."""
    lines = []
    for turn in transcript.turns:
        said = action_text(turn) if turn.role == "assistant" else turn.content.strip() or "(empty)"
        lines.append(f"[{turn.role}]: {said}")
    return "\n".join(lines)[-RUN_CAP:]


def satisfaction_prompt(transcript: Transcript, text: str) -> str:
    """Ask for a grade of a run."""
    return (
        "Judge how satisfied the user would be with the response.\n1: rejects it\n2: is dissatisfied\n3: is neutral\n"
        "4: is mostly satisfied\n5: is clearly satisfied\n\n## Context/History\n\n## User Query\n"
        f"{_task(transcript)}\n\n## Assistant Response\n{text}\n\nAnswer with the integer only."
    )


def coral(logits: Sequence[float]) -> float:
    """Read an ordinal head (Cao et al. 2020, CORAL): ``1 + sum_j sigmoid(logit_j)``.

    A head of one logit is a regression and is its own score; one of five or more is a classifier, best class + 1.
    """
    if len(logits) == 1:
        return float(logits[0])
    if len(logits) <= 4:
        return 1.0 + sum(map(_sigmoid, logits))
    return 1.0 + int(np.argmax(logits))


class ThinkPRM:
    """A generative process reward model in a folder; greedy, in float32 on the CPU unless told otherwise.

    Args:
        path: folder of a causal language model with a chat template.
        device: where it runs.
        max_new_tokens: most tokens of a critique.
        top_k: alternatives that are looked at.
    """

    def __init__(self, path: str, *, device: str = "cpu", max_new_tokens: int = 4096, top_k: int = 20) -> None:
        self._tokenizer, self._model = _load(path, "AutoModelForCausalLM", device)
        self._device, self._new, self._top_k = device, max_new_tokens, top_k

    def score(self, transcript: Transcript, *, mode: Mode = "default") -> FloatArray:
        """Return a value for every message: its step's probability of being correct, NaN for what is no step."""
        steps = numbered_steps(transcript, mode=mode)
        positions = self._generate(critique_prompt(transcript, steps))
        verdicts = token_verdicts(positions)
        if not verdicts:
            spelled = text_verdicts("".join(position.text for position in positions), len(steps.messages))
            by_number = len(spelled) == len(steps.messages) and not is_upstream(mode)
            verdicts = [spelled[index] for index in steps.shown] if by_number else spelled
        result = np.full(len(transcript.turns), np.nan)
        result[list(steps.messages)] = step_rewards(verdicts, steps, mode=mode)
        return result

    def _generate(self, prompt: str) -> list[Position]:
        import torch

        text = self._tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt}], tokenize=False, add_generation_prompt=True
        )
        opening = self._tokenizer(text + "\nLet's verify step by step:", add_special_tokens=False, return_tensors="pt")
        with torch.inference_mode():
            out = self._model.generate(
                **opening.to(self._device),
                max_new_tokens=self._new,
                do_sample=False,
                output_scores=True,
                return_dict_in_generate=True,
            )
        size = opening["input_ids"].shape[1]
        return [
            Position(self._tokenizer.decode([token]), self._alternatives(row[0]))
            for token, row in zip(out.sequences[0, size:].tolist(), out.scores, strict=True)
        ]

    def _alternatives(self, logits: Any) -> tuple[tuple[str, float], ...]:
        top = logits.float().log_softmax(-1).topk(min(self._top_k, logits.shape[-1]))
        return tuple(
            (self._tokenizer.decode([token]), value)
            for token, value in zip(top.indices.tolist(), top.values.tolist(), strict=True)
        )


class WildReward:
    """An outcome reward model with an ordinal head, in a folder.

    Args:
        path: folder of a sequence-classification model.
        device: where it runs.
    """

    def __init__(self, path: str, *, device: str = "cpu") -> None:
        self._tokenizer, self._model = _load(path, "AutoModelForSequenceClassification", device)
        self._device = device

    def score(self, transcript: Transcript, *, mode: Mode = "default") -> float:
        """Return the grade of a run, 1 to 5 for an ordinal head."""
        import torch

        ids = self._ids(transcript, mode)
        with torch.inference_mode():
            logits = self._model(input_ids=torch.tensor([ids], device=self._device)).logits[0]
        return coral(logits.float().tolist())

    def _ids(self, transcript: Transcript, mode: Mode) -> list[int]:
        """At most :data:`REWARD_TOKENS`; by default the oldest text of the run gives way, not the instruction."""
        text = flat_text(transcript)
        ids: list[int] = self._tokenizer.encode(satisfaction_prompt(transcript, text))
        while not is_upstream(mode) and len(ids) > REWARD_TOKENS and text:
            text = text[1 + len(text) * (len(ids) - REWARD_TOKENS) // len(ids) :]
            ids = self._tokenizer.encode(satisfaction_prompt(transcript, text))
        return ids[:REWARD_TOKENS]


def _load(path: str, kind: str, device: str) -> tuple[Any, Any]:
    try:
        import transformers
    except ImportError as error:
        raise missing_extra(error.name or "transformers", "hf") from error
    try:
        tokenizer: Any = transformers.AutoTokenizer.from_pretrained(path)
        model: Any = getattr(transformers, kind).from_pretrained(path)
    except (OSError, ValueError, KeyError) as error:
        said = str(error).strip().partition("\n")[0]
        raise BackendError(f"The reward model {path!r} cannot be loaded: {said}") from error
    return tokenizer, model.to(device).eval()


def _task(transcript: Transcript) -> str:
    asked = (turn.content for turn in transcript.turns if turn.role in ("user", "human") and turn.content.strip())
    return transcript.question or next(asked, "")


def _sigmoid(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x)) if x >= 0 else 1.0 - 1.0 / (1.0 + math.exp(x))

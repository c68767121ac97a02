"""WildReward: one grade of a whole run by an ordinal head (``THU-KEG/WildReward-8B``).

``mode="upstream"`` cuts long runs as progress-advantage's code does, which loses the end and the instruction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from credit_gym.agents.likelihood.critic_text import action_text, sigmoid, task_text
from credit_gym.agents.likelihood.transcripts import Transcript
from credit_gym.data.grouping import FloatArray
from credit_gym.errors import BackendError, missing_extra
from credit_gym.estimation.modes import Mode, is_upstream

RUN_CAP = 24_000
"""Most characters of a whole run."""

REWARD_TOKENS = 4096
"""Most tokens that WildReward reads."""


class WildReward:
    """An outcome reward model with an ordinal head (``THU-KEG/WildReward-8B``), in a folder of safetensors.

    Args:
        path: folder of a sequence-classification model.
        device: where it runs.

    Raises:
        MissingExtraError: transformers is not installed.
        BackendError: there is no such model, or it has no trained head.
    """

    def __init__(self, path: str, *, device: str = "cpu") -> None:
        self._tokenizer, self._model = _load(path, device)
        self._path, self._device = path, device

    @property
    def name(self) -> str:
        """``wild_reward:`` and the folder."""
        return f"wild_reward:{self._path}"

    def grade(self, transcripts: Sequence[Transcript], /, *, mode: Mode = "default") -> FloatArray:
        """Return (E,) grades of runs, 1 to 5 for an ordinal head."""
        import torch

        grades = []
        for transcript in transcripts:
            ids = torch.tensor([reward_ids(self._tokenizer, transcript, mode=mode)], device=self._device)
            with torch.inference_mode():
                grades.append(coral(self._model(input_ids=ids).logits[0].float().tolist()))
        return np.array(grades, dtype=np.float64)


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
        f"{task_text(transcript)}\n\n## Assistant Response\n{text}\n\nAnswer with the integer only."
    )


def reward_ids(tokenizer: Any, transcript: Transcript, *, mode: Mode = "default") -> list[int]:
    """Return the tokens that WildReward reads, at most :data:`REWARD_TOKENS`.

    By default the oldest text of a long run gives way; ``upstream`` cuts the end off, with the instruction.
    """
    text = flat_text(transcript)
    ids: list[int] = tokenizer.encode(satisfaction_prompt(transcript, text))
    while not is_upstream(mode) and len(ids) > REWARD_TOKENS and text:
        text = text[1 + len(text) * (len(ids) - REWARD_TOKENS) // len(ids) :]
        ids = tokenizer.encode(satisfaction_prompt(transcript, text))
    return ids[:REWARD_TOKENS]


def coral(logits: Sequence[float]) -> float:
    """Read an ordinal head (Cao et al. 2020, CORAL): ``1 + sum_j sigmoid(logit_j)``.

    A head of one logit is a regression and is its own score; one of five or more is a classifier, best class + 1.
    """
    if len(logits) == 1:
        return float(logits[0])
    if len(logits) <= 4:
        return 1.0 + sum(map(sigmoid, logits))
    return 1.0 + int(np.argmax(logits))


def _load(path: str, device: str) -> tuple[Any, Any]:
    try:
        import transformers
    except ImportError as error:
        raise missing_extra(error.name or "transformers", "hf") from error
    from credit_gym.agents.llm.pretrained import load_model, load_tokenizer

    kind = transformers.AutoModelForSequenceClassification
    try:
        tokenizer = load_tokenizer(path)
        model, info = load_model(kind, path, output_loading_info=True)
    except (OSError, ValueError, KeyError) as error:
        said = str(error).strip().partition("\n")[0]
        raise BackendError(f"The reward model {path!r} cannot be loaded: {said}") from error
    if info["missing_keys"]:
        raise BackendError(f"{path!r} is no reward model, it has no trained head: give a sequence classifier's folder.")
    return tokenizer, model.to(device).eval()

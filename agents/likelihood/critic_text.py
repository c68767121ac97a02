"""What every reward model reads and answers alike: the text of an action, the task, and log-odds as probabilities."""

from __future__ import annotations

import math

from credit_gym.agents.likelihood.transcripts import Transcript, Turn


def action_text(turn: Turn) -> str:
    """The text of an action with its tool calls, as reward models read it."""
    calls = (f"tool_call: {call.name}({call.arguments})" for call in turn.calls)
    return "\n".join(part for part in (turn.content.strip(), *calls) if part) or "[empty]"


def task_text(transcript: Transcript) -> str:
    """The task of a run: its question, else the first thing that somebody asked."""
    asked = (turn.content for turn in transcript.turns if turn.role in ("user", "human") and turn.content.strip())
    return transcript.question or next(asked, "")


def sigmoid(x: float) -> float:
    """The logistic function, without overflow on either side."""
    return 1.0 / (1.0 + math.exp(-x)) if x >= 0 else 1.0 - 1.0 / (1.0 + math.exp(x))

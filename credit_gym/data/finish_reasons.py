"""Why a reply ended, in the words of OpenAI's chat completions, whatever server said it."""

from __future__ import annotations

CUT = frozenset({"length", "content_filter", "refusal"})
"""The reasons that say that a reply is not what the model would have said: it was cut short, filtered or declined."""

_WORDS = {
    "stop": ("end_turn", "stop_sequence", "eos", "eos_token", "completed"),
    "tool_calls": ("tool_use", "function_call", "tool_call"),
    "length": (
        "max_tokens",
        "max_output_tokens",
        "max_completion_tokens",
        "max_length",
        "model_length",
        "model_context_window_exceeded",
        "incomplete",
    ),
    "content_filter": ("content_filtered", "safety", "recitation", "blocklist", "prohibited_content", "spii"),
}
_COMMON = {word: common for common, words in _WORDS.items() for word in words}


def common_reason(reason: str) -> str:
    """Return a server's finish reason in the common words; a word that is not known stays as it is."""
    word = reason.strip().lower()
    return word if word in _WORDS or word in CUT else _COMMON.get(word, reason)


def is_cut(reason: str) -> bool:
    """Whether a finish reason says that the reply was cut (:data:`CUT`)."""
    return common_reason(reason) in CUT

"""A language model as the judge of assertions in natural language."""

from __future__ import annotations

import json
from collections.abc import Sequence

from credit_gym.data.foreign_text import read_json
from credit_gym.envs.tau2.reward import Judge
from credit_gym.envs.tau2.users import Model
from credit_gym.errors import BackendError

_TASK = """You grade a conversation between a service agent and a customer. For each numbered statement decide whether
the conversation meets it. Answer with a JSON list of true and false, one for each statement, and nothing else."""


def model_judge(model: Model) -> Judge:
    """Return a judge that asks a model once for all assertions of a conversation.

    The conversation may hold anything, so it is given as one JSON text, and an answer that is not a list of as many
    booleans is an error rather than a guess.

    Args:
        model: answers a chat.

    Raises:
        BackendError: when it judges: the answer cannot be read.
    """

    def judge(conversation: str, assertions: Sequence[str]) -> list[bool]:
        listed = "\n".join(f"{number}. {assertion}" for number, assertion in enumerate(assertions, start=1))
        question = f"Conversation (JSON text): {json.dumps(conversation)}\n\nStatements:\n{listed}"
        answer = model([{"role": "system", "content": _TASK}, {"role": "user", "content": question}])
        return _verdicts(answer, len(assertions))

    return judge


def _verdicts(answer: str, count: int) -> list[bool]:
    start, end = answer.find("["), answer.rfind("]")
    try:
        found = read_json(answer[start : end + 1])
    except ValueError:
        found = None
    if not isinstance(found, list) or len(found) != count or not all(isinstance(met, bool) for met in found):
        raise BackendError(f"The judge must answer with a JSON list of {count} times true or false; ask another model.")
    return found

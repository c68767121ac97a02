"""How a model's reply becomes an action: its thoughts apart, its calls in one text, the admissible action it means."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

from credit_gym.agents.core import Action, Context
from credit_gym.agents.llm.completion import Completion
from credit_gym.agents.llm.prompting import Prompting, messages
from credit_gym.agents.llm.styles import STYLES, take_apart
from credit_gym.agents.llm.tool_turns import calls_in, with_ids
from credit_gym.data.calls import write_calls
from credit_gym.data.finish_reasons import is_cut
from credit_gym.errors import BackendError

_LONGEST_COMPARED = 400  # characters of a reply that are compared with the admissible actions: difflib is quadratic


def read_action(completion: Completion, context: Context, prompting: Prompting) -> Action:
    """Return the action that a reply means, with the chat, the tokens and how it was decoded.

    A reply is read as long as the environment says that an action is
    (:class:`~credit_gym.data.action_format.ActionFormat`). One that means an admissible action, but for case, blanks,
    quotes and a final full stop (of a program nothing may differ; of a call its dialect may), is that action
    (``exact``). Of two admissible actions that are equally near, the order of the text decides. Calls that the backend
    gives as such, or that stand in the text in any dialect, are the action in their one canonical text; what was said
    beside them is kept in ``reply`` alone.

    Args:
        completion: the reply.
        context: the episode it answers.
        prompting: how the chat was made.

    Raises:
        BackendError: the reply was cut before its action, and the prompting says that this is an error.
    """
    form = context.action_format
    ended_early = is_cut(completion.finish_reason)
    apart = take_apart(completion.text, ended_early=ended_early)
    written = STYLES[prompting.style].read(apart.text, form)
    native = with_ids(completion.tool_calls, context.step)
    calls: Sequence[Any] = native
    if not calls and form.kind == "tool_call" and not apart.open:
        calls = calls_in(written.action, context.info)
    no_action = not written.marked or not apart.text.strip()
    if not calls and (apart.open or (ended_early and no_action)) and prompting.cut != "play":
        if prompting.cut == "fail":
            raise BackendError(
                f"The reply ended ({completion.finish_reason}) before an action was written: raise max_tokens of the "
                f"prompting, or set its cut to invalid."
            )
        text, decoding = "", "cut"
    else:
        said = written.action if form.kind == "program" else written.action.strip()
        said = write_calls(calls) if calls else said
        text, decoding = _admissible(said, bool(calls), completion.constrained, context, prompting)
    return Action(
        text,
        messages=messages(context, prompting),
        logprobs=completion.logprobs,
        token_ids=completion.token_ids,
        prompt_token_ids=completion.prompt_token_ids,
        decoding=decoding,
        reply=completion.text,
        thought="\n".join(filter(None, (completion.thought, apart.thought, written.thought))),
        finish_reason=completion.finish_reason,
        tool_calls=native,
        usage=completion.usage,
    )


def _admissible(said: str, calls: bool, constrained: bool, context: Context, prompting: Prompting) -> tuple[str, str]:
    """What is played for what was said, and how it came about."""
    offered = context.admissible_actions
    if said in offered:
        return said, "constrained" if constrained else "exact"
    normal = str if context.action_format.kind == "program" else _normal
    admissible = {normal(action): action for action in reversed(offered)}
    meant = _same_call(said, context) if calls else admissible.get(normal(said))
    if meant is not None:
        return meant, "exact"
    if admissible and prompting.decoding != "free":
        (near,) = difflib.get_close_matches(normal(said)[:_LONGEST_COMPARED], admissible, n=1, cutoff=0.0)
        return admissible[near], "nearest"
    return said, "free"


def _same_call(said: str, context: Context) -> str | None:
    """The admissible action that makes the same calls, the first if there are several."""
    return next(
        (text for text in context.admissible_actions if write_calls(calls_in(text, context.info)) == said), None
    )


def _normal(text: str) -> str:
    return " ".join(text.strip(" \t\"'`*").removesuffix(".").casefold().split())

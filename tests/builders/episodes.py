"""Episodes for tests: `episodes` draws any legal one, hostile texts, NaN and missing columns included."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import strategies as st

from credit_gym.data.episode import Episode

HOSTILE = (
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "[red]markup[/red] [link=javascript:alert(1)]x[/link]",
    "\x1b[31mred\x1b[0m\x07 \x00 \u202eright to left",
    "<!--<script>",
    "{{data}} {% raw %} ${x}",
    "\u2028 \U0001f600 é ẞ 漢",
    "| a | b |\n\\textbf{x} & $x_1$",
    "x" * 3000,
)

texts = st.one_of(st.text(st.characters(exclude_categories=()), max_size=12), st.sampled_from(HOSTILE))
numbers = st.one_of(st.floats(allow_infinity=False), st.just(math.nan), st.just(-0.0))
calls = st.fixed_dictionaries(
    {
        "id": texts,
        "name": texts,
        "arguments": st.dictionaries(texts, texts | st.integers() | st.booleans() | st.none(), max_size=2),
    }
)
finite = st.floats(-1e300, 1e300)  # the sum of a few is finite too


def _maybe(column: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), column)


def _row(entry: st.SearchStrategy[Any], length: int) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(entry, min_size=length, max_size=length).map(tuple)


@st.composite
def episodes(draw: st.DrawFn, *, episode_id: str = "7-0", max_steps: int = 4) -> Episode:
    """Any legal episode, of no steps at all too; lone surrogates, NaN and absent columns come and go."""
    steps = draw(st.integers(0, max_steps))
    logprobs = _row(st.lists(numbers, max_size=3).map(tuple), steps)
    tokens = st.lists(st.integers(0, 3) | st.integers(-(2**63), 2**63 - 1), max_size=6).map(tuple)
    chat = st.lists(st.fixed_dictionaries({"role": st.sampled_from(("user", "tool")), "content": texts}), max_size=3)
    truncated = draw(st.booleans())
    return Episode(
        env_id="credit/Test-v0",
        task_id=draw(texts),
        group_id=draw(texts),
        episode_id=episode_id,
        seed=draw(_maybe(st.integers(0, 2**64 - 1))),
        agent_id=draw(texts),
        observations=draw(_row(texts, steps + 1)),
        state_keys=draw(_row(texts, steps + 1)),
        actions=draw(_row(texts, steps)),
        rewards=draw(_row(finite, steps)),
        success=draw(st.booleans()),
        terminated=not truncated,
        truncated=truncated,
        goal=draw(texts),
        exact_verifier=draw(st.booleans()),
        verifier=draw(_maybe(_row(numbers, steps))),
        log_belief=draw(_maybe(_row(numbers, steps + 1))),
        distractor_log_belief=draw(_maybe(_row(numbers, steps + 1))),
        anchor_log_belief=draw(_maybe(_row(numbers, steps + 1))),
        values=draw(_maybe(_row(numbers, steps + 1))),
        policy_logprobs=draw(_maybe(logprobs)),
        reference_logprobs=draw(_maybe(logprobs)),
        policy_entropies=draw(_maybe(logprobs)),
        policy_kls=draw(_maybe(logprobs)),
        policy_top_logprobs=draw(_maybe(logprobs)),
        admissible_actions=draw(_maybe(_row(st.lists(texts, max_size=3).map(tuple), steps))),
        expert_actions=draw(_maybe(_row(st.lists(texts, max_size=2).map(tuple), steps))),
        advantages=draw(_maybe(_row(numbers, steps))),
        roles=draw(_maybe(_row(texts, steps))),
        parents=draw(_maybe(_row(st.integers(-1, 2**62), steps))),
        segments=draw(_maybe(_row(st.integers(-1, 3), steps))),
        human_labels=draw(_maybe(_row(st.sampled_from((1.0, 0.0, -1.0, math.nan)), steps))),
        invalid=draw(_maybe(_row(st.booleans(), steps))),
        messages=draw(_maybe(_row(chat.map(tuple), steps))),
        prompt_token_ids=draw(_maybe(_row(tokens, steps))),
        token_ids=draw(_maybe(_row(tokens, steps))),
        decodings=draw(_maybe(_row(st.sampled_from(("", "free", "exact", "constrained", "nearest")), steps))),
        replies=draw(_maybe(_row(texts, steps))),
        thoughts=draw(_maybe(_row(texts, steps))),
        finish_reasons=draw(_maybe(_row(st.sampled_from(("", "stop", "length", "tool_calls")), steps))),
        tool_calls=draw(_maybe(_row(st.lists(calls, max_size=2).map(tuple), steps))),
        usage=draw(st.dictionaries(st.sampled_from(("tokens", "seconds")), finite)),
        error=draw(_maybe(texts)),
    )


def walk(episode_id: str = "7-0", *, steps: int = 3, **changes: Any) -> Episode:
    """A plain episode that goes through the states s0, s1, ... and succeeds."""
    fields: dict[str, Any] = {
        "env_id": "credit/Test-v0",
        "task_id": "task",
        "group_id": "g0",
        "episode_id": episode_id,
        "observations": tuple(f"You are in room {t}." for t in range(steps + 1)),
        "state_keys": tuple(f"s{t}" for t in range(steps + 1)),
        "actions": tuple(f"go {t}" for t in range(steps)),
        "rewards": (0.0,) * (steps - 1) + (1.0,) * min(steps, 1),
        "success": True,
        "terminated": True,
        "truncated": False,
    }
    return Episode(**{**fields, **changes})


CHAT = (
    ({"role": "user", "content": "room 0"},),
    (
        {"role": "user", "content": "room 0"},
        {"role": "assistant", "content": "Action: go 0"},
        {"role": "user", "content": "room 1"},
    ),
)


def played(**changes: Any) -> Any:
    """Two turns of a model whose second chat goes on from the first, token for token."""
    fields = {
        "steps": 2,
        "messages": CHAT,
        "prompt_token_ids": ((1, 2), (1, 2, 3, 4, 5, 6)),
        "token_ids": ((3, 4), (7,)),
        "policy_logprobs": ((-0.5, -0.25), (-1.0,)),
    }
    return walk(**{**fields, **changes})

"""Transcripts as others write them: `chats` draws lines of chat files, with calls, parts, thoughts and cut replies."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

words = st.text(st.characters(exclude_categories=("Cs",)), max_size=10) | st.sampled_from(
    ("", "go north", "é 漢 \U0001f600", '{"name": "x"}', "<think>", "</think>", "<think>hm</think> go", "a\nb")
)
ids = st.sampled_from(("", "1", "call_é"))
arguments = st.dictionaries(
    words, words | st.integers() | st.booleans() | st.none() | st.lists(words, max_size=2), max_size=3
)
written_arguments = arguments.map(json.dumps) | st.sampled_from(("", "{", "[1]", "null", '{"a": NaN}', '{"b":1,"a":2}'))
reasons = st.sampled_from((None, "stop", "length", "content_filter", "tool_calls", "max_tokens", "end_turn", "odd"))

calls = st.one_of(
    st.fixed_dictionaries(
        {
            "id": ids,
            "type": st.just("function"),
            "function": st.fixed_dictionaries({"name": words, "arguments": written_arguments}),
        }
    ),
    st.fixed_dictionaries({"id": ids, "name": words, "arguments": written_arguments}),
    st.fixed_dictionaries({"id": ids, "name": words, "args": arguments}),
)
parts = st.one_of(
    st.fixed_dictionaries({"type": st.sampled_from(("text", "input_text", "output_text")), "text": words}),
    st.fixed_dictionaries({"type": st.just("refusal"), "refusal": words}),
    st.fixed_dictionaries({"type": st.just("thinking"), "thinking": words}),
    st.fixed_dictionaries({"type": st.just("image_url"), "image_url": st.just({"url": "https://a/b.png"})}),
    st.fixed_dictionaries({"type": st.just("input_image"), "image_url": st.just("data:image/png;base64,AA")}),
    st.fixed_dictionaries({"type": st.just("tool_use"), "id": ids, "name": words, "input": arguments}),
)
contents = st.none() | words | st.lists(parts, max_size=3)

replies = st.fixed_dictionaries(
    {"role": st.just("assistant"), "content": contents},
    optional={
        "tool_calls": st.none() | st.lists(calls, max_size=3),
        "reasoning_content": st.none() | words,
        "finish_reason": reasons,
        "refusal": st.none() | words,
    },
)
items = st.one_of(
    st.fixed_dictionaries(
        {"type": st.just("reasoning"), "summary": st.just([{"type": "summary_text", "text": "why"}])}
    ),
    st.fixed_dictionaries(
        {"type": st.just("function_call"), "call_id": ids, "name": words, "arguments": written_arguments}
    ),
    st.fixed_dictionaries({"type": st.just("function_call_output"), "call_id": ids, "output": words}),
)
others = st.one_of(
    st.fixed_dictionaries({"role": st.sampled_from(("user", "system", "developer")), "content": contents}),
    st.fixed_dictionaries({"role": st.just("tool"), "content": contents, "tool_call_id": ids}),
    st.fixed_dictionaries(
        {
            "role": st.just("user"),
            "content": st.lists(
                st.fixed_dictionaries({"type": st.just("tool_result"), "tool_use_id": ids, "content": contents}),
                max_size=2,
            ),
        }
    ),
)


@st.composite
def chats(draw: st.DrawFn) -> dict[str, Any]:
    """A line of a chat file with at least one reply."""
    turns = draw(st.lists(replies | others | items, max_size=6))
    turns.insert(draw(st.integers(0, len(turns))), draw(replies))
    return {
        "messages": turns,
        "reward": draw(st.sampled_from((0, 1, 0.25, -1.5, "0.5", True))),
        **draw(
            st.fixed_dictionaries({}, optional={"truncated": st.booleans(), "task_id": words, "success": st.booleans()})
        ),
    }

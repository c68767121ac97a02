"""Documents of ATIF as agents write them: `documents` draws any, subagents, pictures and missing fields included."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

words = st.text(st.characters(exclude_categories=("Cs",)), max_size=8) | st.sampled_from(
    ("go north", "a\nb", "<think>hm</think> go", "<tool_call>{}</tool_call>", "<b>é 漢</b>")
)
plain = st.recursive(
    words | st.integers(-9, 9) | st.booleans() | st.floats(-2, 2),
    lambda inner: st.lists(inner, max_size=2),
    max_leaves=3,
)
extras = st.dictionaries(words, plain, max_size=2)
parts = st.one_of(
    st.fixed_dictionaries({"type": st.just("text"), "text": words}),
    st.just({"type": "image", "source": {"media_type": "image/png", "path": "../../etc/passwd"}}),
)
contents = words | st.lists(parts, max_size=2)
times = st.sampled_from(("2026-01-02T03:04:05Z", "2025-12-31T23:59:59+00:00"))


def _some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


@st.composite
def _steps(draw: st.DrawFn, subagents: list[str]) -> list[dict[str, Any]]:
    waiting, steps = list(subagents), []
    sources = draw(st.lists(st.sampled_from(("user", "agent", "system")), max_size=5))
    sources.insert(draw(st.integers(0, len(sources))), "agent")
    for count, source in enumerate(sources, 1):
        step: dict[str, Any] = {"step_id": count, "source": source, "message": draw(contents)}
        step |= draw(_some(timestamp=times, extra=extras))
        ids = []
        if source == "agent":
            step |= draw(_some(model_name=words, reasoning_content=words, reasoning_effort=words))
            ids = [f"call_{count}_{n}" for n in range(draw(st.integers(0, 2)))]
            if ids:
                step["tool_calls"] = [
                    {"tool_call_id": each, "function_name": "run", "arguments": draw(extras)} for each in ids
                ]
            if draw(st.booleans()):
                tokens = draw(st.lists(st.integers(0, 99), min_size=1, max_size=3))
                step["metrics"] = {
                    "prompt_tokens": 7,
                    "cost_usd": 0.5,
                    "completion_token_ids": tokens,
                    "logprobs": [-0.5] * len(tokens),
                    **draw(_some(prompt_token_ids=st.just([1, 2]), extra=extras)),
                }
        results = [
            {
                "content": draw(contents),
                **({"source_call_id": draw(st.sampled_from(ids))} if ids and draw(st.booleans()) else {}),
            }
            for _ in range(draw(st.integers(0, 2)) if source != "user" else 0)
        ]
        if waiting and source == "agent":
            results.append({"subagent_trajectory_ref": [{"trajectory_id": waiting.pop()}]})
        if results:
            step["observation"] = {"results": results}
        steps.append(step)
    if draw(st.booleans()):
        steps[0]["is_copied_context"] = True
    return steps


@st.composite
def documents(draw: st.DrawFn, *, depth: int = 1, called: str = "t") -> dict[str, Any]:
    """Any document of v1.7."""
    ids = [f"{called}.{n}" for n in range(draw(st.integers(0, 2)) if depth else 0)]
    document: dict[str, Any] = {
        "schema_version": draw(st.sampled_from(("ATIF-v1.2", "ATIF-v1.5", "ATIF-v1.7"))),
        "trajectory_id": called,
        "agent": {"name": draw(words), "version": "1.0", **draw(_some(model_name=words, extra=extras))},
        "steps": draw(_steps(ids)),
        **draw(_some(session_id=words, notes=words, extra=extras, continued_trajectory_ref=words)),
    }
    if ids:
        document["subagent_trajectories"] = [draw(documents(depth=depth - 1, called=each)) for each in ids]
    if draw(st.booleans()):
        document["final_metrics"] = {"total_prompt_tokens": 9, "total_steps": len(document["steps"])}
    return document

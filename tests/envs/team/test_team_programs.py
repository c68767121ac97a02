"""A program is found in a message by the rules of Markdown and of the published benchmarks."""

from __future__ import annotations

import ast
import textwrap
import time
import timeit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from credit_gym.envs.team.grade_code import complete, extract_program

PROGRAM = 'def f(x):\n    """Say.\n\n    ```\n    f(1)\n    ```\n    """\n    return x + 1\n'

FOUND = {
    "list item": ("1. Here:\n\n" + textwrap.indent(f"```python\n{PROGRAM}```", "   "), "python"),
    "list item, wide": ("10) Here:\n\n" + textwrap.indent(f"```python\n{PROGRAM}```", "    "), "python"),
    "nested list item": ("- a\n  - b\n\n" + textwrap.indent(f"```python\n{PROGRAM}```", "    "), "python"),
    "list item with tabs": ("-\tHere:\n\n" + textwrap.indent(f"```python\n{PROGRAM}```", "\t"), "python"),
    "bullet and tab before the fence": ("-\t```python\n" + textwrap.indent(PROGRAM, "\t") + "\t```\n", "python"),
    "bullet before the fence": ("- ```python\n" + textwrap.indent(PROGRAM, "  ") + "  ```\n", "python"),
    "quotation": (textwrap.indent(f"```python\n{PROGRAM}```", "> ", lambda _: True), "python"),
    "indented by three": (textwrap.indent(f"```python\n{PROGRAM}```", "   "), "python"),
    "closing fence indented": (f"```python\n{PROGRAM}   ```\nand so on", "python"),
    "closing fence longer": (f"```python\n{PROGRAM}`````\nand so on", "python"),
    "tildes": (f"~~~python\n{PROGRAM}~~~\n", "python"),
    "tildes around backticks": (f"~~~\n{PROGRAM}~~~\n", "fence"),
    "longer fence": (f"````py\n{PROGRAM}````\n", "python"),
    "info string": (f"```python title=`f`.py\n~~~Python title=`f`.py\n{PROGRAM}~~~\n", "python"),
    "attributes": (f"```{{.python .numberLines}}\n{PROGRAM}```", "python"),
    "windows lines": (f"```python\n{PROGRAM}```".replace("\n", "\r\n"), "python"),
    "never closed": (f"```python\n{PROGRAM}", "python"),
    "raw with fences in a docstring": (PROGRAM, "raw"),
    "marks": (f"Sure.\n[BEGIN]\n{PROGRAM}[DONE]\nAnother task: [BEGIN]\nx\n[DONE]", "marks"),
    "end mark alone": (f"{PROGRAM}[DONE]\nnext", "marks"),
    "begin mark alone": (f"[BEGIN]\n{PROGRAM}", "marks"),
    "fence between marks": (f"[BEGIN]\n```python\n{PROGRAM}```\n[DONE]", "python"),
}


@pytest.mark.parametrize(("message", "method"), FOUND.values(), ids=FOUND)
def test_a_program_is_taken_out_whole(message: str, method: str) -> None:
    source = extract_program(message)
    assert source.method == method
    assert source.text.replace("\r\n", "\n").strip("\n") == PROGRAM.strip("\n")


def test_lines_that_a_list_item_should_indent_stay_in_its_block() -> None:
    assert extract_program("- Here:\n  ```python\nf = abs\n  ```\n").text == "f = abs\n"


LINES = st.sampled_from(
    [
        "```", "```python", "~~~", "~~~~ py", "````", "   ```", "    ```", "- a", "- ```", "1. b", "  ```", "  x = 1",
        "x = 1", "", "> ```", "> y",
    ]
)  # fmt: skip


@given(st.lists(LINES, max_size=9))
@example(["1. b", "  x = 1", "    ```"])  # text that goes on with less indent leaves no list item
@example(["- a", "> y", "    ```"])  # a quotation does
def test_the_first_block_is_the_one_that_a_markdown_parser_finds(lines: list[str]) -> None:
    text = "\n".join(lines)
    fences = [token for token in MarkdownIt("commonmark").parse(text) if token.type == "fence"]
    source = extract_program(text)
    assert (source.method == "raw") == (not fences)


BODY = "result = []\nfor i in range(x):\n    result.append(i)\nreturn result\n"
OPENING = 'def f(x):\n    """Count."""\n'
BODIES = {
    "as it should be": textwrap.indent(BODY, "    "),
    "no blanks": BODY,
    "first line stripped": textwrap.indent(BODY, "    ").strip(),
    "block first, stripped": "for i in [x]:\n        if i == x:\n            return list(range(x))\n    return []",
    "block first, no blanks": "for i in [x]:\n    if i == x:\n        return list(range(x))\nreturn []",
    "block alone, no blanks": "if x >= 0:\n    return list(range(x))",
    "one line": "return list(range(x))",
    "an import first": "import itertools\nreturn list(itertools.islice(itertools.count(), x))",
    "a function first": "def g(y):\n    return y\nreturn [g(y) for y in range(x)]",
    "fenced, no blanks": f"```python\n{BODY}```",
    "whole": f"{OPENING}    return list(range(x))\n",
}


@pytest.mark.parametrize("message", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("opening", [OPENING, "def f(x):\n", f"import math\n\n\ndef g():\n    pass\n\n\n{OPENING}"])
def test_a_body_gets_its_blanks_back(opening: str, message: str) -> None:
    namespace: dict[str, object] = {}
    program = complete(opening, extract_program(message).text, "f")
    ast.parse(program)
    exec(program, namespace)
    assert namespace["f"](3) == [0, 1, 2]  # type: ignore[operator]


HOSTILE = [
    "```\n", "~~~", "`", "- ", ">", "> ", "1. ", " ", "\t", "\n", "[BEGIN]\n", "[BEGIN]", "[DONE", "    ```\n",
    "- ```\n", "a\n", "> > - ```\n",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("piece", HOSTILE)
def test_a_megabyte_of_anything_is_searched_at_once(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    assert min(timeit.repeat(lambda: extract_program(text), timer=time.process_time, number=1, repeat=2)) < 0.8

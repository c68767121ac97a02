"""Tool calls in the dialects that models write, told from speech and from what cannot be read."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_gym.data.call_dialects import Unreadable, parameters, read_calls
from credit_gym.data.calls import write_call, write_calls

TOOLS = parameters(
    [
        {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": properties}}}
        for name, properties in (
            ("get_loan", {"loan_id": {"type": "string"}, "days": {"type": "integer"}}),
            ("find", {"query": {"type": "string"}}),
            ("done", {}),
        )
    ]
)
CALL = {"id": "", "name": "get_loan", "arguments": {"loan_id": "L1"}}
JSON = '{"name": "get_loan", "arguments": {"loan_id": "L1"}}'
PYTHON = "get_loan(loan_id='L1')"

WRITTEN = {
    "JSON": JSON,
    "indented JSON": json.dumps({"name": "get_loan", "arguments": {"loan_id": "L1"}}, indent=4),
    "a list of one": f"[{JSON}]",
    "an object of Python": "{'name': 'get_loan', 'arguments': {'loan_id': 'L1'}}",
    "a fence": f"```json\n{JSON}\n```",
    "a fence without a language": f"```\n{JSON}\n```",
    "a fence of one line": f"```json {JSON} ```",
    "a fence never closed": f"```json\n{JSON}",
    "a list in a fence": f"~~~json\n[{JSON}]\n~~~",
    "words around a fence": f"Let me look.\n\n```json\n{JSON}\n```\n\nOne moment.",
    "words before": f"Let me look: {JSON}",
    "words after": f"{JSON}\nOne moment.",
    "tags": f"<tool_call>\n{JSON}\n</tool_call>",
    "words around tags": f"Let me look.\n<tool_call>{JSON}</tool_call>\nOne moment.",
    "a tag never closed": f"<tool_call>{JSON}",
    "Python in tags": f"<tool_call>{PYTHON}</tool_call>",
    "OpenAI's message": json.dumps(
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "get_loan", "arguments": '{"loan_id": "L1"}'}}
            ],
        }
    ),
    "OpenAI's call": '{"type": "function", "function": {"name": "get_loan", "arguments": {"loan_id": "L1"}}}',
    "OpenAI's call of old": '{"function_call": {"name": "get_loan", "arguments": "{\\"loan_id\\": \\"L1\\"}"}}',
    "Anthropic's block": '{"type": "tool_use", "id": "x", "name": "get_loan", "input": {"loan_id": "L1"}}',
    "tool and parameters": '{"tool": "get_loan", "parameters": {"loan_id": "L1"}}',
    "tool and args": '{"tool": "get_loan", "args": {"loan_id": "L1"}}',
    "tool and input": '{"tool": "get_loan", "input": {"loan_id": "L1"}}',
    "tool_name": '{"tool_name": "get_loan", "tool_input": {"loan_id": "L1"}}',
    "function as a name": '{"function": "get_loan", "arguments": {"loan_id": "L1"}}',
    "LangChain's": '{"action": "get_loan", "action_input": {"loan_id": "L1"}}',
    "LangChain's lines": 'Action: get_loan\nAction Input: {"loan_id": "L1"}',
    "the name as a key": '{"get_loan": {"loan_id": "L1"}}',
    "a prefix": '{"name": "functions.get_loan", "parameters": {"loan_id": "L1"}}',
    "Llama's function": '<function=get_loan>{"loan_id": "L1"}</function>',
    "Llama's list": f"[{PYTHON}]",
    "Llama's mark": f"<|python_tag|>{JSON}",
    "Qwen's parameters": (
        "<tool_call>\n<function=get_loan>\n<parameter=loan_id>\nL1\n</parameter>\n</function>\n</tool_call>"
    ),
    "invoke": (
        '<function_calls>\n<invoke name="get_loan">\n<parameter name="loan_id">L1</parameter>\n</invoke>\n'
        "</function_calls>"
    ),
    "Mistral's": f"[TOOL_CALLS][{JSON}]",
    "Mistral's newer": '[TOOL_CALLS]get_loan[ARGS]{"loan_id": "L1"}',
    "Kimi's": (
        "<|tool_calls_section_begin|><|tool_call_begin|>functions.get_loan:0<|tool_call_argument_begin|>"
        '{"loan_id": "L1"}<|tool_call_end|><|tool_calls_section_end|>'
    ),
    "DeepSeek's": (
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_loan\n```json\n"
        '{"loan_id": "L1"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>'
    ),
    "harmony": '<|channel|>commentary to=functions.get_loan <|constrain|>json<|message|>{"loan_id": "L1"}',
    "Gemma's code": f"```tool_code\nprint(default_api.{PYTHON})\n```",
    "an assignment": f"```python\nloan = {PYTHON}\n```",
    "Python": PYTHON,
    "Python over lines": "get_loan(\n  loan_id='L1',\n)",
    "Python without names": "get_loan('L1')",
    "Python in backticks": f"`{PYTHON}`",
    "Python on a line": f"Let me look.\n{PYTHON}\nOne moment.",
    "Python behind a label": f"Action: {PYTHON}",
    "quoted": f'"{JSON}"',
    "GLM's": "<tool_call>get_loan\n<arg_key>loan_id</arg_key>\n<arg_value>L1</arg_value>\n</tool_call>",
    "GLM's of old": 'get_loan\n{"loan_id": "L1"}',
    "LongCat's": (
        "<longcat_tool_call>get_loan\n<longcat_arg_key>loan_id</longcat_arg_key>\n"
        "<longcat_arg_value>L1</longcat_arg_value>\n</longcat_tool_call>"
    ),
    "Qwen's parameters, one left open": "<function=get_loan>\n<parameter=loan_id>\nL1\n</function>\n</tool_call>",
    "Qwen's of old": '✿FUNCTION✿: get_loan\n✿ARGS✿: {"loan_id": "L1"}\n',
    "Llama's end of a message": '<|python_tag|>{"name": "get_loan", "parameters": {"loan_id": "L1"}}<|eom_id|>',
    "Llama 4's": "<|python_start|>[get_loan(loan_id='L1')]<|python_end|>",
    "LFM's": '<|tool_call_start|>[get_loan(loan_id="L1")]<|tool_call_end|>',
    "MiniMax's": (
        '<minimax:tool_call>\n<invoke name="get_loan">\n<parameter name="loan_id">L1</parameter>\n</invoke>\n'
        "</minimax:tool_call>"
    ),
    "Seed's": "<seed:tool_call><function=get_loan><parameter=loan_id>L1</parameter></function></seed:tool_call>",
    "Step's": (
        "<｜tool_calls_begin｜><｜tool_call_begin｜>function<｜tool_sep｜>"
        '<steptml:invoke name="get_loan"><steptml:parameter name="loan_id">L1</steptml:parameter></steptml:invoke>'
        "<｜tool_call_end｜><｜tool_calls_end｜>"
    ),
    "DeepSeek's 3.1": (
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get_loan<｜tool▁sep｜>"
        '{"loan_id": "L1"}<｜tool▁call▁end｜><｜tool▁calls▁end｜>'
    ),
    "DeepSeek's 3.2": (
        '<｜DSML｜function_calls>\n<｜DSML｜invoke name="get_loan">\n'
        '<｜DSML｜parameter name="loan_id" string="true">L1</｜DSML｜parameter>\n'
        "</｜DSML｜invoke>\n</｜DSML｜function_calls>"
    ),
    "Gemma's": "<start_function_call>call:get_loan{loan_id:<escape>L1<escape>}<end_function_call>",
    "Gemma's 4": '<|tool_call>call:get_loan{loan_id:<|"|>L1<|"|>}<tool_call|>',
    "Gemini's part": '{"functionCall": {"name": "get_loan", "args": {"loan_id": "L1"}}}',
    "Gemini's content": json.dumps(
        {
            "role": "model",
            "parts": [{"text": "So."}, {"functionCall": {"name": "get_loan", "args": {"loan_id": "L1"}}}],
        }
    ),
    "Bedrock's": '{"toolUse": {"toolUseId": "x", "name": "get_loan", "input": {"loan_id": "L1"}}}',
    "Anthropic's message": json.dumps(
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "So."},
                {"type": "tool_use", "id": "x", "name": "get_loan", "input": {"loan_id": "L1"}},
            ],
        }
    ),
    "Anthropic's of old": (
        "<function_calls>\n<invoke>\n<tool_name>get_loan</tool_name>\n"
        "<parameters>\n<loan_id>L1</loan_id>\n</parameters>\n</invoke>\n</function_calls>"
    ),
    "a name in tags": '<tool_call><name>get_loan</name><arguments>{"loan_id": "L1"}</arguments></tool_call>',
    "the tool as a tag": "I look.\n<get_loan>\n<loan_id>L1</loan_id>\n</get_loan>",
    "a name in the mark": '<tool_call name="get_loan">{"loan_id": "L1"}</tool_call>',
    "a function with a name": '<function name="get_loan"><parameter name="loan_id">L1</parameter></function>',
    "Functionary's": '>>>get_loan\n{"loan_id": "L1"}',
    "Glaive's": """<functioncall> {"name": "get_loan", "arguments": '{"loan_id": "L1"}'} <|endoftext|>""",
    "Nemotron's": f"<TOOLCALL>[{JSON}]</TOOLCALL>",
    "OLMo's": f"<function_calls>{PYTHON}</function_calls>",
}


@pytest.mark.parametrize("text", WRITTEN.values(), ids=WRITTEN)
def test_a_call_is_read_in_every_dialect(text: str) -> None:
    assert read_calls(text, TOOLS) == (CALL,)
    assert read_calls(f"\n {text}\n\n", TOOLS) == (CALL,)


@pytest.mark.parametrize(
    "text",
    [
        f"{JSON}\n{JSON}",
        f"[{JSON}, {JSON}]",
        f"{PYTHON}\n{PYTHON}",
        f"<tool_call>{JSON}</tool_call>\n<tool_call>{JSON}</tool_call>",
        f"```json\n{JSON}\n```\nand\n```json\n{JSON}\n```",
        f"First {JSON}, then {JSON}.",
        "<tool_call>get_loan\n<arg_key>loan_id</arg_key><arg_value>L1</arg_value></tool_call>\n" * 2,
        "<get_loan><loan_id>L1</loan_id></get_loan>\n" * 2,
        '[TOOL_CALLS]get_loan[ARGS]{"loan_id": "L1"}' * 2,
    ],
)
def test_several_calls_are_all_read_in_their_order(text: str) -> None:
    assert read_calls(text, TOOLS) == (CALL, CALL)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Hello there.",
        "Sure (of course)",
        "Sure(yes)",
        "done (really)",
        "Find (the book), please.",
        'The page says {"name": "Ann", "status": "ok"} about you.',
        'You said "get_loan(x)" to me.',
        f"I can call {PYTHON} for you.",
        "Your total:\n```\n5 + 5\n```\nThanks!",
        'Here is your order:\n```json\n{"order": 1}\n```',
        "[1] See there.",
        "Dear {customer}, hello.",
        "{sorry} for that",
        "a < b and f(x) = {x}",
        "Write <b>done</b>, or <done> if you like.",
        ">>> that is all",
    ],
)
def test_speech_stays_speech(text: str) -> None:
    assert read_calls(text, TOOLS) == ()


@pytest.mark.parametrize(
    "text",
    [
        "get_loan(",
        "get_loan(loan_id=f())",
        "get_loan(loan_id=1 + 1)",
        "get_loan(**x)",
        "get_loan('L1', 2, 3)",
        "get_loan(loan_id='L1', loan_id='L2')",
        "get_loan('L1', loan_id='L2')",
        f"{PYTHON} or so",
        "look_up('x')",
        '{"a": 1}',
        "{}",
        "{\n",
        '[{"name":',
        JSON[:-1],
        '{"name": "get_loan"}',
        '{"name": "get_loan", "arguments": []}',
        '{"name": "get_loan", "arguments": "oops"}',
        '{"name": "get_loan", "arguments": {"days": NaN}}',
        '{"name": 5, "arguments": {}}',
        '{"get_loan": 5}',
        '{"tool_calls": [5]}',
        f"Let me look: {JSON[:-9]}",
        f"```json\n{JSON[:-9]}\n```",
        "```tool_code\nget_loan(\n```",
        "<tool_call>what?</tool_call>",
        f"<tool_call>{JSON}</tool_call><tool_call>{JSON[:-9]}</tool_call>",
        "<tool_call>get_loan\n<arg_key>loan_id</arg_key></tool_call>",
        "<tool_call>get_loan: L1</tool_call>",
        "<|python_tag|>brave_search.call(query='x')",
        "<tool>get_loan</tool><tool_input>L1</tool_input>",
        "get_loan{loan_id: L1}",
        '{"functionResponse": {"name": "get_loan", "response": {"result": 3}}}',
        '{"from": "function_call", "value": "get_loan"}',
    ],
)
def test_what_looks_like_a_call_and_cannot_be_read_is_neither_call_nor_speech(text: str) -> None:
    assert isinstance(read_calls(text, TOOLS), Unreadable)


def test_a_call_of_no_known_tool_is_still_a_call() -> None:
    for text in ('{"name": "nope", "arguments": {"x": 1}}', "nope(x=1)"):
        (call,) = read_calls(text, TOOLS)
        assert (call["name"], call["arguments"]) == ("nope", {"x": 1})
    assert read_calls("nope()", TOOLS)


def test_values_in_tags_have_the_type_that_the_tool_wants() -> None:
    for text in (
        "<function=get_loan><parameter=loan_id>007</parameter><parameter=days>7</parameter></function>",
        "<tool_call>get_loan<arg_key>loan_id</arg_key><arg_value>007</arg_value>"
        "<arg_key>days</arg_key><arg_value>7</arg_value></tool_call>",
        "<get_loan><loan_id>007</loan_id><days>7</days></get_loan>",
    ):
        (call,) = read_calls(text, TOOLS)
        assert call["arguments"] == {"loan_id": "007", "days": 7}


def test_a_call_without_arguments_is_one_in_tags_too() -> None:
    for text in ("<tool_call>done\n</tool_call>", "<done/>", '<invoke name="done"></invoke>', "<done></done>"):
        assert read_calls(text, TOOLS) == ({"id": "", "name": "done", "arguments": {}},)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
arguments = st.dictionaries(st.text(), json_values, max_size=4)


@pytest.mark.slow
@given(given=arguments)
def test_the_canonical_text_of_a_call_is_read_back(given: dict) -> None:
    text = write_call("get_loan", given)
    assert read_calls(text, TOOLS) == ({**CALL, "arguments": given},)
    assert read_calls(f"<tool_call>{text}</tool_call>", TOOLS)
    several = [{**CALL, "arguments": given}, CALL]
    assert read_calls(write_calls(several), TOOLS) == tuple(several)


@given(st.text() | st.text(alphabet="{}[]()<>`\"'\n:=,_ getloan"))
def test_any_text_is_read(text: str) -> None:
    assert isinstance(read_calls(text, TOOLS), tuple)


PIECES = (
    *('{', '[', '(', '"', "`", "~", "\\", "\n", " ", "a.", "a", "{ ", "{}", '{"a":', '{"a": 1}', '{"name": "'),
    *("get_loan(", "get_loan(\n", "get_loan[", "x = ", "```\n", "```json {", '```json\n{"name":\n```\n', "Action: "),
    *("<tool_call>", "</tool_call>", "<function=get_loan>", "<parameter=a>", "[TOOL_CALLS]", "to=functions."),
    *('[{"name": "x", "arguments": {}},', "<invoke name=", "-", "(1,", "lambda:"),
    *("<arg_key>", "<arg_key>a</arg_key><arg_value>", "<get_loan>", "<get_loan><a>", "<a></a>", "call:get_loan{", "</"),
    *("<invoke><tool_name>get_loan</tool_name>", ">>>get_loan\n{", '{"content": [', "<|im_end|>"),
)  # fmt: skip


def seconds(text: str) -> float:
    start = time.process_time()
    read_calls(text, TOOLS)
    return time.process_time() - start


def test_a_list_of_thirty_thousand_calls_costs_no_more_a_call_than_a_short_one() -> None:
    call = '{"name": "x", "arguments": {}}'
    assert len(read_calls(f"[{', '.join([call] * 30_000)}]", TOOLS)) == 30_000
    assert min(seconds(f"[{', '.join([call] * 30_000)}]") for _ in range(3)) < 1.0  # 0.24 s; 1.7 s were each to copy


@pytest.mark.slow
@pytest.mark.parametrize("piece", PIECES)
def test_a_megabyte_of_anything_is_read_at_once(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    took = []
    for prefix in ("", "get_loan(", "<function=get_loan>"):
        took.append(min(seconds(prefix + text) for _ in range(2)))
    assert max(took) < 0.5  # 0.02 to 0.1 s on a machine that does nothing else; a pattern that doubles back takes hours

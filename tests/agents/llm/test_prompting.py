"""The prompting policy: contexts to chats, replies to actions."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from credit_gym.agents import Context
from credit_gym.agents.llm.completion import Completion
from credit_gym.agents.llm.prompting import (
    PROMPTINGS,
    Prompting,
    load_prompting,
    messages,
    prompting_from,
    prompting_record,
    request,
)
from credit_gym.agents.llm.reading import read_action
from credit_gym.agents.llm.styles import STYLES
from credit_gym.data.action_format import ActionFormat
from credit_gym.errors import BackendError, CreditGymError, UnknownNameError

texts = st.text(max_size=12)
turns = st.lists(st.tuples(texts, texts), max_size=6).map(tuple)


def context(history=(), observation="here", actions=("go north", "go south"), goal="Win."):
    return Context(goal, observation, tuple(history), tuple(actions), {}, len(history), 7)


def read(text, prompting, actions=("go north", "go south"), constrained=False):
    action = read_action(Completion(text=text, constrained=constrained), context(actions=actions), prompting)
    return str(action), action.decoding


# Chats


@given(history=turns, observation=texts, goal=texts)
def test_a_chat_is_the_system_then_user_and_assistant_in_turn(history, observation, goal):
    for prompting in PROMPTINGS.values():
        chat = messages(context(history, observation, goal=goal), prompting)
        roles = [message["role"] for message in chat]
        assert roles == ["system", *["user", "assistant"] * len(history), "user"]
        assert goal in chat[0]["content"]
        assert observation in chat[-1]["content"]


@given(history=turns, observation=texts, action=texts, later=texts)
def test_a_message_never_changes_later(history, observation, action, later):
    for prompting in (Prompting(), PROMPTINGS["react"], PROMPTINGS["tags"], PROMPTINGS["constrained"]):
        now = messages(context(history, observation), prompting)
        then = messages(context((*history, (observation, action)), later), prompting)
        assert then[: len(now)] == now


@given(history=turns, limit=st.integers(0, 8))
def test_the_window_keeps_the_latest_turns(history, limit):
    chat = messages(context(history), Prompting(history_turns=limit))
    assert [message["content"] for message in chat if message["role"] == "assistant"] == [
        action for _, action in history[max(0, len(history) - limit) :]
    ]


def test_dollar_signs_of_an_environment_are_text():
    chat = messages(
        context(observation="$goal costs $5 {x}", goal="Pay $observation"), Prompting(turn="> $observation")
    )
    assert chat[-1]["content"] == "> $goal costs $5 {x}"
    assert "Pay $observation" in chat[0]["content"]


def test_the_listed_prompting_shows_the_actions_in_the_latest_message_only():
    chat = messages(context([("there", "wait")]), PROMPTINGS["listed"])
    assert [message["content"].endswith("go north\ngo south") for message in chat] == [False, False, False, True]


def test_the_seed_of_a_request_depends_on_agent_episode_and_step():
    first = context()
    seeds = {
        request(one, Prompting(), seed).seed
        for one in (first, first._replace(step=1), first._replace(seed=8))
        for seed in (0, 1)
    }
    assert len(seeds) == 6


def test_choices_are_sent_for_constrained_decoding_only():
    assert request(context(), PROMPTINGS["constrained"], 0).choices == ("go north", "go south")
    assert request(context(), Prompting(decoding="nearest"), 0).choices == ()


# Replies


@given(st.text(max_size=200))
def test_any_reply_is_read(reply):
    for prompting in PROMPTINGS.values():
        text, decoding = read(reply, prompting)
        if prompting.decoding == "free":
            assert decoding in {"free", "exact"}
        else:
            assert decoding in {"exact", "nearest"}
            assert text in {"go north", "go south"}


@pytest.mark.parametrize("name", PROMPTINGS)
def test_an_earlier_action_as_it_is_shown_reads_as_itself(name):
    shown = messages(context([("there", "go south")]), PROMPTINGS[name])[2]["content"]
    assert read(shown, PROMPTINGS[name]) == ("go south", "exact")


@pytest.mark.parametrize(
    ("style", "reply", "action"),
    [
        ("plain", "\n  Go  North. \nbecause", ("go north", "exact")),
        ("plain", '"go north"', ("go north", "exact")),
        ("plain", "<think>go south\n</think>\n\ngo north", ("go north", "exact")),
        ("plain", "jump", ("jump", "free")),
        ("plain", "", ("", "free")),
        ("react", "Thought: Action: go south?\nAction: go north", ("go north", "exact")),
        ("react", "Action: go south\nAction 2: `go north`", ("go north", "exact")),
        ("react", "Thought: x\n**Action:** go north", ("go north", "exact")),
        ("react", "I had no time to a", ("I had no time to a", "free")),
        ("tags", "<action>go south</action> or <action>go\nnorth</action>", ("go north", "exact")),
        ("tags", "so <action>go north", ("go north", "exact")),
        ("tags", "so\ngo north", ("go north", "exact")),
        ("plain", "```\ngo north\n```\nbecause", ("go north", "exact")),
        ("plain", "```text\ngo north", ("go north", "exact")),
        ("plain", "```go north```", ("go north", "exact")),
        ("plain", "```", ("```", "free")),
    ],
)
def test_the_action_is_found_in_the_reply(style, reply, action):
    assert read(reply, Prompting(style=style)) == action


@pytest.mark.parametrize(
    ("reply", "constrained", "expected"),
    [
        ("go north", True, ("go north", "constrained")),
        ("go north", False, ("go north", "exact")),
        ("go sou", True, ("go south", "nearest")),  # max_tokens cut it off
        ("walk to the north", False, ("go north", "nearest")),
    ],
)
def test_how_a_reply_became_an_action_is_recorded(reply, constrained, expected):
    assert read(reply, PROMPTINGS["constrained"], constrained=constrained) == expected


def test_without_admissible_actions_every_reply_is_free():
    for decoding in ("free", "nearest", "constrained"):
        assert read("search[red shoe]", Prompting(decoding=decoding), actions=()) == ("search[red shoe]", "free")


def test_of_two_actions_alike_the_one_that_was_written_is_played():
    assert read("Go.", Prompting(), actions=("go", "Go.")) == ("Go.", "exact")
    assert read("GO", Prompting(), actions=("go", "Go.")) == ("go", "exact")


def test_a_huge_reply_is_read_in_time():
    assert read("north " * 300_000, Prompting(decoding="nearest"))[1] == "nearest"


def test_an_action_carries_its_chat_tokens_and_usage():
    completion = Completion(
        text="go north", prompt_token_ids=(1, 2), token_ids=(3,), logprobs=(-0.5,), usage={"prompt_tokens": 2.0}
    )
    action = read_action(completion, context(), Prompting())
    assert action.messages == messages(context(), Prompting())
    assert (action.prompt_token_ids, action.token_ids, action.logprobs) == ((1, 2), (3,), (-0.5,))
    assert action.usage == {"prompt_tokens": 2.0}


# How long an action is

PROGRAM = "    x = 1\n\n    return x"
MESSAGE = ActionFormat("message")


def due(kind, actions=(), **info):
    return context(actions=actions)._replace(action_format=ActionFormat(kind), info=info)


@pytest.mark.parametrize("style", ["plain", "react", "tags"])
@given(text=st.text(alphabet="ab \n\t:*`=", max_size=40))
def test_a_program_of_any_lines_is_read_as_it_was_shown(style, text):
    shown = STYLES[style].show(text)
    read = read_action(Completion(text=shown), due("program"), Prompting(style=style))
    assert read.strip() == text.strip()


@pytest.mark.parametrize("kind", ["message", "program", "tool_call"])
@pytest.mark.parametrize(
    ("style", "reply", "action"),
    [
        ("plain", "First.\n\n* Second: `x`.", "First.\n\n* Second: `x`."),
        ("plain", "<think>Hm.\nSo.</think>\n\nFirst.\nSecond.", "First.\nSecond."),
        ("react", "Thought: Hm.\nAction: First.\nAction: Second.", "First.\nAction: Second."),
        ("react", "Thought: Hm.\n**Action:**\n* First.\n* Second.", "* First.\n* Second."),
        ("react", "First.\nSecond.", "First.\nSecond."),
        ("tags", "Hm. <action>\nFirst.\nSecond.\n</action> So.", "First.\nSecond."),
        ("tags", "First.\nSecond.", "First.\nSecond."),
    ],
)
def test_what_is_longer_than_a_line_is_read_whole(kind, style, reply, action):
    assert read_action(Completion(text=reply), due(kind), Prompting(style=style)) == action


@pytest.mark.parametrize("style", ["plain", "react", "tags"])
def test_the_blanks_that_a_program_begins_with_are_its_own(style):
    shown = STYLES[style].show(f"\n{PROGRAM}\n")
    assert read_action(Completion(text=shown), due("program"), Prompting(style=style)) == PROGRAM


def test_a_program_that_differs_in_blanks_from_an_admissible_one_is_another():
    one = "if x:\n    return 1\nreturn 2"
    other = "if x:\n    return 1\n    return 2"
    assert read_action(Completion(text=other), due("program", (one,)), Prompting()) == other


def test_a_message_in_a_fence_of_its_own_leaves_it_and_a_program_stays_in_it():
    assert read_action(Completion(text="```\na = 1\nb = 2\n```"), due("message"), Prompting()) == "a = 1\nb = 2"
    code = "```python\na = 1\n```"
    for kind in ("message", "program"):
        assert read_action(Completion(text=code), due(kind), Prompting()) == code


def test_only_a_line_is_asked_for_on_one_line():
    line, message = (messages(due(kind), Prompting())[0]["content"] for kind in ("line", "message"))
    assert line.endswith("\nAnswer with your next action, on one line, and nothing else.")
    assert message.endswith("\nAnswer with your next action, and nothing else.")


def test_a_prompting_can_show_what_the_environment_says_of_its_actions():
    form = ActionFormat("program", "Write a program.", ("x = 1",))
    chat = messages(due("line")._replace(action_format=form), Prompting(ask="\n$format"))
    assert chat[-1]["content"] == "here\nWrite a program.\nFor example:\nx = 1"


# Thoughts, and replies that end before their action


@pytest.mark.parametrize(
    ("style", "text", "given_apart", "thought", "action"),
    [
        ("plain", "<think>Hm.</think>go north", "", "Hm.", "go north"),
        ("plain", "Hm.</think>\ngo north", "", "Hm.", "go north"),  # the template has written the opening tag
        ("plain", "<thinking>Hm.</thinking> go north", "", "Hm.", "go north"),
        ("plain", "[THINK]Hm.[/THINK]go north", "", "Hm.", "go north"),
        ("plain", "<THINK>Hm.</Think>\ngo north", "", "Hm.", "go north"),
        ("plain", "Hm.</reasoning>go north", "", "Hm.", "go north"),
        ("plain", "◁think▷Hm.◁/think▷go north", "", "Hm.", "go north"),
        ("plain", "<seed:think>Hm.</seed:think>go north", "", "Hm.", "go north"),
        ("plain", "<|begin_of_thought|>Hm.<|end_of_thought|>go north", "", "Hm.", "go north"),
        ("plain", "<think>A <think>B</think> C</think>go north", "", "A B C", "go north"),
        ("plain", "<think>They want <think> tags.</think>go north", "", "They want  tags.", "go north"),
        ("plain", "go north", "Hm.", "Hm.", "go north"),
        ("react", "Thought: Hm.\nAction: go north", "", "Hm.", "go north"),
        ("react", "<think>A.</think>Thought: B.\nAction: go north", "C.", "C.\nA.\nB.", "go north"),
        ("tags", "Hm. <action>go north</action>", "", "Hm.", "go north"),
    ],
)
def test_thoughts_are_kept_beside_the_action(style, text, given_apart, thought, action):
    completion = Completion(text=text, thought=given_apart)
    read = read_action(completion, context(), Prompting(style=style))
    assert (read.thought, str(read), read.reply, read.finish_reason) == (thought, action, text, "stop")


CUT_REPLIES = [
    ("plain", "<think>I could go north or", "length", ""),
    ("plain", "<think>I could go north or", "stop", ""),
    ("plain", "<think>a</think>  <think>b", "length", ""),
    ("plain", "Let me see.\n<think>I could go north or", "stop", ""),
    ("plain", "go north <think>or should I", "length", ""),
    ("tags", "Well. <reasoning>I could <action>go north</action> or", "length", ""),
    ("plain", "<Thinking>I could go north or", "stop", ""),
    ("plain", "<thought>I could go north or", "stop", ""),
    ("plain", "<reasoning>I could go north or", "length", ""),
    ("plain", "<think>A <think>B</think> I could go north or", "length", ""),
    ("plain", "<think>I could go north or</think>", "length", ""),
    ("react", "Thought: I could go north or", "length", ""),
    ("react", "Thought: I must not", "content_filter", ""),
    ("tags", "I could go north or", "length", ""),
    ("plain", "", "length", "I could go north or"),
]


@pytest.mark.parametrize(("style", "text", "reason", "thought"), CUT_REPLIES)
@pytest.mark.parametrize("kind", ["line", "message", "program", "tool_call"])
def test_a_thought_that_is_cut_is_not_the_action(kind, style, text, reason, thought):
    completion = Completion(text=text, finish_reason=reason, thought=thought)
    at = due(kind, ("go north",))
    for decoding in ("free", "nearest"):
        read = read_action(completion, at, Prompting(style=style, decoding=decoding))
        assert (str(read), read.decoding, read.reply, read.finish_reason) == ("", "cut", text, reason)
    with pytest.raises(BackendError, match="raise max_tokens"):
        read_action(completion, at, Prompting(style=style, cut="fail"))
    played = read_action(completion, at, Prompting(style=style, cut="play"))
    assert played.decoding != "cut"
    assert played.strip() in text


def test_a_reply_cut_within_its_action_is_played_as_far_as_it_goes():
    for style, text in (("plain", "go no"), ("react", "Thought: x\nAction: go no"), ("tags", "x <action>go no")):
        read = read_action(Completion(text=text, finish_reason="length"), context(), Prompting(style=style))
        assert (str(read), read.decoding) == ("go no", "free")


def test_a_tag_in_quotes_begins_no_thought():
    program = 'def solve(text):\n    return text.split("</think>")[-1], "<think>"'
    read = read_action(Completion(text=program), due("program"), Prompting())
    assert (str(read), read.thought) == (program, "")


# Tools

TOOLS = [
    {"type": "function", "function": {"name": name, "description": "", "parameters": {"properties": properties}}}
    for name, properties in (("get", {"id": {"type": "string"}}), ("done", {}))
]
CALL = {"id": "c1", "name": "get", "arguments": {"id": "A"}}


def serving(history=(), observation="here", actions=()):
    form = ActionFormat("tool_call", result="tool: ")
    return context(history, observation, actions)._replace(info={"tools": TOOLS}, action_format=form)


def test_native_calls_are_the_action_in_one_text_and_keep_their_ids():
    completion = Completion(text="I look.", tool_calls=(CALL,), finish_reason="tool_calls")
    read = read_action(completion, serving(), Prompting())
    assert str(read) == '{"name": "get", "arguments": {"id": "A"}}'
    assert (read.tool_calls, read.reply, read.finish_reason) == ((CALL,), "I look.", "tool_calls")
    assert read_action(Completion(text="", tool_calls=(CALL, CALL)), serving(), Prompting()).startswith("[{")


def test_calls_without_an_id_get_one_that_the_step_fixes():
    bare = {**CALL, "id": ""}
    (call,) = read_action(Completion(text="", tool_calls=(bare,)), serving([("a", "b")]), Prompting()).tool_calls
    assert call["id"] == "t00001000"


def test_a_call_that_is_admissible_in_another_dialect_is_that_action():
    read = read_action(Completion(text="", tool_calls=(CALL,)), serving(actions=("get(id='A')",)), Prompting())
    assert (str(read), read.decoding) == ("get(id='A')", "exact")


def test_speech_and_what_cannot_be_read_reach_the_environment_as_they_are():
    for text in ("Sure (of course).", 'The page says {"name": "Ann"} twice.', "get(", '{"name": "get"'):
        assert read_action(Completion(text=text), serving(), Prompting()) == text


def test_earlier_calls_and_their_results_are_shown_as_such():
    history = [("user: hi", "get('A')"), ("tool: found\ntool: twice", "Well?"), ("user: go", "get(")]
    chat = messages(serving(history, "tool: Error: no"), Prompting(system=""))
    assert [message["role"] for message in chat] == [
        "user",
        "assistant",
        "tool",
        "assistant",
        "user",
        "assistant",
        "user",
    ]
    (call,) = chat[1]["tool_calls"]
    assert call["function"] == {"name": "get", "arguments": '{"id": "A"}'}
    assert chat[2] == {"role": "tool", "tool_call_id": call["id"], "content": "found\ntool: twice"}
    assert chat[5]["content"] == "get("  # it was no call, so what answers it is no result
    assert chat[6]["content"] == "tool: Error: no"


def test_several_calls_have_a_result_each():
    both = '[{"name": "get", "arguments": {"id": "A"}}, {"name": "get", "arguments": {"id": "B"}}]'
    for observation, found in (("tool: a\ntool: b", ["a", "b"]), ("tool: a", ["a", ""])):
        chat = messages(serving([("user: hi", both)], observation), Prompting(system=""))
        assert [message["content"] for message in chat[2:]] == found
        assert [message["tool_call_id"] for message in chat[2:]] == [call["id"] for call in chat[1]["tool_calls"]]


def test_a_result_whose_call_is_not_shown_is_told_by_the_user():
    chat = messages(serving([("user: hi", "get('A')")], "tool: a"), Prompting(system="", history_turns=0))
    assert chat == ({"role": "user", "content": "tool: a"},)


def test_what_is_asked_after_a_result_is_the_users():
    chat = messages(serving([("user: hi", "get('A')")], "tool: a"), Prompting(ask="\n\nWell?"))
    assert [message["role"] for message in chat[-2:]] == ["tool", "user"]
    assert chat[-1]["content"] == "Well?"


def test_tools_are_offered_where_there_are_some_and_the_prompting_wants_them():
    assert request(serving(), Prompting(), 0).tools == tuple(TOOLS)
    for other in (Prompting(tools="text"), PROMPTINGS["constrained"]):
        assert request(serving(), other, 0).tools == ()
    assert request(context(), Prompting(), 0).tools == ()


# Policies as data


@pytest.mark.parametrize("prompting", PROMPTINGS.values(), ids=PROMPTINGS)
def test_a_prompting_survives_its_record(prompting):
    assert prompting_from(yaml.safe_load(yaml.safe_dump(prompting_record(prompting)))) == prompting
    assert load_prompting(prompting.name) is prompting


def test_a_file_changes_the_fields_it_names(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("style: tags\nstop: ['</action>']\nhistory_turns: 3\n", encoding="utf-8")
    assert load_prompting(path) == Prompting(name="mine", style="tags", stop=("</action>",), history_turns=3)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("sytle: tags", "did you mean style"),
        ("style: haiku", "style must be one of"),
        ("style: [plain]", "must be text"),
        ("tools: none", "tools must be one of native, text"),
        ("cut: no", "must be text"),
        ("cut: skip", "cut must be one of play, invalid, fail"),
        ("decoding: magic", "decoding must be one of"),
        ("max_tokens: 0", "max_tokens must be"),
        ("max_tokens: many", "max_tokens must be"),
        ("history_turns: -1", "history_turns must be"),
        ("temperature: .nan", "temperature must be"),
        ("temperature: hot", "temperature must be"),
        ("stop: x", "stop must be a list"),
        ("stop: ['']", "stop must be a list"),
        ("system: pay $5", "write \\$\\$"),
        ("turn: $actions", "may hold \\$due and \\$goal and \\$observation"),
        ("{style: react, decoding: constrained}", "use style plain"),
        ("- plain", "must map fields"),
        ("a: b: c", "cannot be read as YAML"),
        ("\x00", "cannot be read as YAML"),
        ("1: 2", "no prompting field called"),
    ],
)
def test_a_bad_file_gets_one_sentence(tmp_path, content, sentence):
    path = tmp_path / "bad.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(CreditGymError, match=sentence) as caught:
        load_prompting(path)
    assert "\n" not in str(caught.value)


def test_an_unknown_prompting_names_the_known_ones():
    with pytest.raises(UnknownNameError, match="did you mean react"):
        load_prompting("reakt")

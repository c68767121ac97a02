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
from credit_gym.errors import CreditGymError, UnknownNameError

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
        ("decoding: magic", "decoding must be one of"),
        ("max_tokens: 0", "max_tokens must be"),
        ("max_tokens: many", "max_tokens must be"),
        ("history_turns: -1", "history_turns must be"),
        ("temperature: .nan", "temperature must be"),
        ("temperature: hot", "temperature must be"),
        ("stop: x", "stop must be a list"),
        ("stop: ['']", "stop must be a list"),
        ("system: pay $5", "write \\$\\$"),
        ("turn: $actions", "may hold \\$goal and \\$observation"),
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

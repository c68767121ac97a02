"""Chat templates from outside: the same bytes as transformers for ordinary ones, an end for every other."""

import threading
import time
import tracemalloc
from importlib import resources

import pytest
from builders.tiny_models import tiny_model, tiny_tokenizer
from builders.tool_templates import TEMPLATES
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_gym.agents.llm.bounded_template import render_template
from credit_gym.agents.llm.chat_tokens import ChatTokens
from credit_gym.agents.llm.template_effort import TooMuchWork
from credit_gym.errors import BackendError

PUBLISHED = {
    path.name.removesuffix(".jinja"): path.read_text(encoding="utf-8")
    for path in (resources.files("trl") / "chat_templates").iterdir()
    if path.name.endswith(".jinja")
}
"""Those that TRL ships: Qwen, Llama, Gemma, DeepSeek, GPT-OSS and others, as published and with generation blocks."""
ALL = {**TEMPLATES, **dict(sorted(PUBLISHED.items()))}
TOKENIZER = tiny_tokenizer()
USER = {"role": "user", "content": "go north"}
TOOL = {
    "type": "function",
    "function": {
        "name": "go",
        "description": "Go there.",
        "parameters": {"type": "object", "properties": {"room": {"type": "string"}}, "required": ["room"]},
    },
}
CALL = {"id": "zzzzzzzz1", "type": "function", "function": {"name": "go", "arguments": {"room": "hall é"}}}

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.sampled_from(
    ["<think>\nthe hall\n</think>\n\ngo", "<|im_end|>", " a\n b ", "{{ 7 * 7 }}", "<tool_response>x</tool_response>"]
)
rounds = st.lists(
    st.tuples(texts, texts, st.booleans()).map(
        lambda each: [
            {"role": "user", "content": each[0]},
            *(
                [
                    {"role": "assistant", "content": "", "tool_calls": [CALL]},
                    {"role": "tool", "tool_call_id": "zzzzzzzz1", "content": each[1]},
                    {"role": "assistant", "content": "Done."},
                ]
                if each[2]
                else [{"role": "assistant", "content": each[1]}]
            ),
        ]
    ),
    max_size=3,
).map(lambda found: [message for each in found for message in each])


@pytest.mark.parametrize("family", ALL)
@settings(max_examples=15, deadline=None)
@given(
    system=st.booleans(),
    said=rounds,
    last=texts,
    tools=st.sampled_from([None, [TOOL], [TOOL, TOOL]]),
    opened=st.booleans(),
)
def test_ordinary_templates_give_the_bytes_that_transformers_gives(family, system, said, last, tools, opened):
    chat = [*([{"role": "system", "content": "Play."}] if system else []), *said, {"role": "user", "content": last}]
    options = {"tools": tools, "add_generation_prompt": opened, "documents": None, "messages": chat}

    def ours():
        return render_template(ALL[family], {**TOKENIZER.special_tokens_map, **options})

    def theirs():
        rest = {key: value for key, value in options.items() if key != "messages"}
        return TOKENIZER.apply_chat_template(chat, chat_template=ALL[family], tokenize=False, **rest)

    assert _outcome(ours) == _outcome(theirs)


@pytest.mark.parametrize(
    "expression",
    [
        "[1, 2.5, true, none, 'é\"', {'b': [1], 'a': {}}] | tojson",
        "{'b': [1, {'c': 2}], 'a': 'x'} | tojson(indent=4, sort_keys=true)",
        "[1, 2] | tojson(separators=(',', ':'), ensure_ascii=true)",
        "'%5.2f|%s' % (1.5, 'x')",
        "'{:>5}|{a}'.format(3, a='b')",
        "'%s-%s' | format('a', 'b')",
        "'a b' | title ~ ' ' ~ 3 // 2 ~ 2 ** 10 ~ 7 % 4",
        "'a\nb' | indent(2, true)",
        "'ab' | center(6) | replace(' ', '.')",
        "messages | map(attribute='content') | join(', ')",
        "', '.join(messages | map(attribute='role'))",
        "(messages | selectattr('role', 'equalto', 'user') | list | length) * '='",
        "[3, 1, 2] | sort | batch(2) | list",
        "[[1], [2]] | sum(start=[])",
        "{'b': 1, 'a': 2} | dictsort",
        "{'b': 1}.items() | list",
        "'a,b,c'.split(',', 1)[1].rsplit(',')[::-1]",
        "' x '.strip() ~ 'xxay'.lstrip('x') ~ ('y' | trim)",
        "messages[0].content[1:3] in messages[0]['content']",
        "1 < 2 < 3 and 'a' != 'b'",
        "2 | round(1, 'floor') ~ 3.14159 | round(2)",
        "namespace(a=[1]).a + [2]",
        "dict(a=1, **{'b': 2}) | items | list",
        "undefined_name ~ messages[7] ~ messages[0].nothing",
        "range(3) | list ~ loop",
        "none ~ true",
        "none",
        "'a' 'b' if messages is iterable and messages is not string else 'c'",
    ],
)
def test_every_expression_of_the_usual_kind_has_the_value_that_transformers_gives(expression):
    template = f"{{% for i in range(2) if i is odd %}}{{{{ {expression} }}}}|{{{{ loop.last }}}}{{% endfor %}}"
    assert render_template(template, {"messages": [USER]}) == TOKENIZER.apply_chat_template(
        [USER], chat_template=template, tokenize=False
    )


def test_what_a_generation_block_sets_stays_in_it_and_what_it_shows_is_shown():
    template = (
        "{% set a = 1 %}{% for m in messages %}{% generation %}{% set a = 2 %}{{ m.content }}{{ a }}{{ loop.index }}"
        "{% endgeneration %}{{ a }}{% if loop.first %}{% continue %}{% endif %}!{% endfor %}"
    )
    assert render_template(template, {"messages": [USER, USER]}) == "go north211go north221!"
    assert TOKENIZER.apply_chat_template([USER, USER], chat_template=template, tokenize=False) == (
        "go north211go north221!"
    )


HOSTILE = {
    "loops": "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    "a loop that passes everything over": "{% for i in range(99999) %}{% for j in range(99999) if false %}{% endfor %}"
    "{% endfor %}",
    "a long body": "{% for i in range(99999) %}" + "{{ messages.b }}" * 5_000 + "{% endfor %}",
    "a recursive loop": "{% set m = [1, 2] %}{% for i in m recursive %}{{ loop(m) }}{% endfor %}",
    "macros that call themselves": "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}"
    "{{ m(60) }}",
    "a macro without an end": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "a caller": "{% macro m(n) %}{% if n %}{% call m(n - 1) %}{{ caller() }}{% endcall %}"
    "{% call m(n - 1) %}{% endcall %}{% endif %}{% endmacro %}{{ m(60) }}",
    "blocks": "{% block a %}{{ self.b() }}{{ self.b() }}{% endblock %}{% block b %}{{ self.a() }}{% endblock %}",
    "repetition": "{{ 'a' * 10 ** 9 }}",
    "repetition the other way": "{{ 10 ** 9 * 'a' }}",
    "repeated lists": "{{ [0] * 10 ** 9 }}",
    "repeated repetition": "{{ 'a' * 10 ** 4 * 10 ** 4 * 10 ** 4 }}",
    "powers": "{{ 10 ** (10 ** 9) }}",
    "powers of powers": "{% set n = namespace(x=3) %}{% for i in range(99) %}{% set n.x = n.x * n.x %}{% endfor %}",
    "doubled text": "{% set n = namespace(x='ab') %}{% for i in range(99) %}{% set n.x = n.x ~ n.x %}{% endfor %}",
    "added text": "{% set n = namespace(x='ab') %}{% for i in range(99) %}{% set n.x = n.x + n.x %}{% endfor %}",
    "doubled blocks": "{% set x = 'ab' %}" + "{% set x %}{{ x }}{{ x }}{% endset %}" * 60,
    "doubled lists": "{% set x = [1] %}" + "{% set x = [x, x] %}" * 60 + "{{ x }}",
    "doubled dictionaries": "{% set x = 1 %}" + "{% set x = {'a': x, 'b': x} %}" * 60 + "{{ x | tojson }}",
    "doubled tuples": "{% set x = 1 %}" + "{% set x = (x, x) %}" * 60 + "{{ x == x }}",
    "doubled namespaces": "{% set x = [1] %}" + "{% set x = namespace(a=[x, x]).a %}" * 60 + "{{ x }}",
    "doubled sums": "{% set n = namespace(x=[1]) %}{% for i in range(99) %}"
    "{% set n.x = [n.x, n.x] | sum(start=[]) %}{% endfor %}",
    "center": "{{ 'a' | center(10 ** 9) }}",
    "center as a method": "{{ 'a'.center(10 ** 9) }}",
    "ljust": "{{ 'a'.ljust(10 ** 9) }}",
    "zfill": "{{ '1'.zfill(10 ** 9) }}",
    "expandtabs": "{{ '\t'.expandtabs(10 ** 9) }}",
    "indent": "{{ 'a\nb' | indent(10 ** 9) }}",
    "indent by a text": "{% set x = 'ab\n' * 10 ** 4 %}{{ x | indent(x) }}",
    "percent": "{{ '%1000000000d' % 3 }}",
    "percent with a star": "{{ '%*d' % (10 ** 9, 3) }}",
    "many percents": "{{ ('%(a)s' * 10 ** 5) % {'a': 'b' * 10 ** 5} }}",
    "format": "{{ '%1000000000d' | format(3) }}",
    "format as a method": "{{ '{:1000000000}'.format(3) }}",
    "format with a width inside": "{{ '{:{}}'.format(3, 10 ** 9) }}",
    "format_map": "{{ '{a:1000000000}'.format_map({'a': 3}) }}",
    "replace": "{{ ('a' * 10 ** 5) | replace('a', 'b' * 10 ** 5) }}",
    "replace as a method": "{{ ('a' * 10 ** 5).replace('', 'b' * 10 ** 5) }}",
    "join": "{{ range(99999) | join('b' * 10 ** 5) }}",
    "join of what is made": "{{ range(99999) | map('string') | join('b' * 10 ** 5) }}",
    "join as a method": "{{ ('b' * 10 ** 5).join(range(99999) | map('string')) }}",
    "translate": "{{ ('a' * 10 ** 5).translate({97: 'b' * 10 ** 5}) }}",
    "tojson": "{{ [1] | tojson(indent=10 ** 9) }}",
    "tojson by a text": "{% set x = [1] * 10 ** 5 %}{{ x | tojson(separators=('a' * 10 ** 5, ':')) }}",
    "batch": "{{ [1] | batch(10 ** 9, 0) | list }}",
    "slice": "{{ [1] | slice(10 ** 9) | list }}",
    "round": "{{ 2 | round(10 ** 9, 'ceil') }}",
    "bytes": "{{ (1).to_bytes(10 ** 9, 'big') }}",
    "a search backwards": "{% set a = 'a' * 10 ** 6 %}{{ a.rfind('b' ~ a[:500000]) }}",
    "strip": "{% set a = 'a' * 10 ** 6 %}{{ a.strip('b' * 10 ** 6 ~ 'a') }}",
    "trim": "{% set a = 'a' * 10 ** 6 %}{{ a | trim('b' * 10 ** 6 ~ 'a') }}",
    "codecs": "{{ ('é' * 10 ** 6).encode('punycode') }}",
    "comparisons": "{% set a = 'a' * 10 ** 6 %}{% for i in range(99999) %}{{ 'b' in a }}{% endfor %}",
    "tests": "{% set a = 'a' * 10 ** 6 %}{% for i in range(99999) %}{{ a is lower }}{% endfor %}",
    "slices": "{% set a = 'a' * 10 ** 6 %}{% for i in range(99999) %}{% set b = a[1:] %}{% endfor %}",
    "output": "{% set a = 'a' * 10 ** 6 %}{% for i in range(99999) %}{{ a }}{% endfor %}",
    "constant output": "{% for i in range(99999) %}" + "a" * 120_000 + "{% endfor %}",
    "folded output": "{% for i in range(99999) %}{{ 'a' | center(1000000) }}{% endfor %}",
    "sums": "{% for i in range(99999) %}{{ range(99999) | sum }}{% endfor %}",
    "selections": "{% for i in range(99999) %}{{ range(99999) | select('none') | first }}{% endfor %}",
    "tuples as keys": "{% set t = (1,) * 100000 %}{% for i in range(99999) %}{{ {}[t] }}{% endfor %}",
    "a long template": "{{ a }}" * 100_000,
    "deep brackets": "{{ " + "(" * 25_000 + ")" * 25_000 + " }}",
    "a deep list": "{{ " + "[" * 25_000 + "]" * 25_000 + " }}",
    "a long sum": "{{ 1" + "+1" * 25_000 + " }}",
    "deep ifs": "{% if a %}" * 5_000 + "{% endif %}" * 5_000,
    "open brackets": "{" * 225_000,
    "open comments": "{#" * 60_000,
    "open blocks": "{%" * 60_000,
    "raw": "{% raw %}" * 10_000,
    "blanks": "{% if a " + " " * 120_000,
    "an open text": "{{ '" + "\\" * 120_000,
    "words at random": "{{ lipsum(10 ** 9) }}",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_template_is_refused_in_seconds_and_a_sentence_that_names_the_folder(kind):
    tokenizer = tiny_tokenizer(chat_template=HOSTILE[kind])
    tokenizer.name_or_path = "models/from-outside"
    start = time.thread_time()
    with pytest.raises(BackendError) as refused:
        ChatTokens(tokenizer).prompt([USER])
    assert time.thread_time() - start < 10
    assert "models/from-outside" in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "kind",
    ["repetition", "repeated lists", "doubled text", "added text", "doubled blocks", "center", "replace", "join",
     "join of what is made", "tojson by a text", "many percents", "bytes", "slices", "output", "folded output"],
)  # fmt: skip
def test_a_hostile_template_takes_little_memory(kind):
    tracemalloc.start()
    try:
        with pytest.raises(TooMuchWork):
            render_template(HOSTILE[kind], {"messages": [USER]})
        assert tracemalloc.get_traced_memory()[1] < 200 << 20
    finally:
        tracemalloc.stop()


def test_a_template_is_refused_as_a_chat_that_it_dislikes_is():
    tokenizer = tiny_tokenizer(chat_template="{{ raise_exception('x' * 10000) }}")
    with pytest.raises(BackendError) as refused:
        ChatTokens(tokenizer)
    assert len(str(refused.value)) < 500


def test_long_chats_may_take_as_much_more_as_they_are_longer():
    quadratic = (
        "{% for m in messages %}{{ m.content | trim }}"
        "{{ (messages | selectattr('role', 'equalto', 'user') | list)[-1].role }}{% endfor %}"
    )
    chat = [{"role": "user", "content": "a" * 2000}] * 500
    assert len(render_template(quadratic, {"messages": chat})) == 500 * 2004


def test_threads_pay_from_purses_of_their_own():
    found = []

    def spends():
        with pytest.raises(TooMuchWork):
            render_template(HOSTILE["loops"], {"messages": []})
        found.append("spent")

    def renders():
        found.extend(render_template("{{ messages[0].content }}", {"messages": [USER]}) for _ in range(50))

    threads = [threading.Thread(target=each) for each in (spends, renders)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == ["go north"] * 50 + ["spent"]


def test_a_model_folder_with_an_endless_template_is_not_loaded(tmp_path):
    from credit_gym.agents.llm.hf import HuggingFaceBackend

    folder = tiny_model(tmp_path / "tiny", chat_template=HOSTILE["loops"])
    with pytest.raises(BackendError, match="takes more work than a chat needs"):
        HuggingFaceBackend(str(folder))


def _outcome(render):
    """What is rendered, or what the template says where it refuses."""
    try:
        return render()
    except Exception as error:  # noqa: BLE001 - a template may raise anything
        return type(error).__name__, str(error)

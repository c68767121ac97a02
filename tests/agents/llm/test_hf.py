"""The Hugging Face backend: each answer as if it were alone, and the model's own log-probabilities."""

import importlib
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from builders.tiny_models import FAMILIES, tiny_model
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_gym.agents.core import Context
from credit_gym.agents.llm.agent import BatchAgent
from credit_gym.agents.llm.chat_tokens import PLAIN
from credit_gym.agents.llm.completion import BatchBackend, Request
from credit_gym.agents.llm.hf import HuggingFaceBackend
from credit_gym.agents.llm.prompting import Prompting
from credit_gym.agents.llm.resident import ResidentRows
from credit_gym.agents.llm.vllm import VLLMBackend
from credit_gym.errors import BackendError, MissingExtraError

CHOICES = ("go north", "go south", "go", "look around")


def said(text, **options):
    return Request(messages=({"role": "user", "content": text},), **options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_model(tmp_path_factory.mktemp("hf") / "tiny")


@pytest.fixture(scope="module")
def backend(folder):
    return HuggingFaceBackend(str(folder))


def recomputed(backend, completion):
    prompt, ids = completion.prompt_token_ids, completion.token_ids
    with torch.inference_mode():
        logits = backend.model(torch.tensor([[*prompt, *ids]])).logits[0, len(prompt) - 1 : -1]
    return logits.log_softmax(-1).gather(1, torch.tensor(ids)[:, None])[:, 0].tolist()


mixed = [
    *(said("go " * (seed % 7 * 9) + "north", seed=seed, max_tokens=4 + seed % 9) for seed in range(12)),
    *(said("go", seed=seed, max_tokens=9, temperature=0.5) for seed in range(4)),
    *(said("go", seed=seed, max_tokens=9, choices=CHOICES) for seed in range(4)),
    said("look", max_tokens=6, temperature=0.0),
]


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_answers_are_the_same_in_any_batch_and_their_logprobs_the_models_own(family, tmp_path):
    backend = HuggingFaceBackend(str(tiny_model(tmp_path, family=family)))
    together = backend.complete(mixed)
    for request, completion in zip(mixed, together, strict=True):
        alone = backend.complete([request])[0]
        assert (alone.token_ids, alone.text) == (completion.token_ids, completion.text)
        assert completion.logprobs == pytest.approx(recomputed(backend, completion), abs=1e-4)
        assert completion.usage == {
            "prompt_tokens": len(completion.prompt_token_ids),
            "completion_tokens": len(completion.token_ids),
        }


def test_alternatives_are_the_likeliest_tokens_of_the_model_at_every_place(backend):
    asked = [said("go", seed=seed, max_tokens=6, top_logprobs=3) for seed in range(4)]
    plain = [replace(request, top_logprobs=0) for request in asked]
    for completion, without in zip(backend.complete([*asked, *plain[:1]]), backend.complete(plain), strict=False):
        assert (completion.token_ids, without.positions) == (without.token_ids, ())
        prompt, ids = completion.prompt_token_ids, completion.token_ids
        with torch.inference_mode():
            logits = backend.model(torch.tensor([[*prompt, *ids]])).logits[0, len(prompt) - 1 : -1]
        for position, token, row in zip(completion.positions, ids, logits.log_softmax(-1), strict=True):
            best = row.topk(3)
            assert position.text == backend.tokenizer.decode([token])
            assert [text for text, _ in position.alternatives] == [backend.tokenizer.decode([i]) for i in best.indices]
            assert [value for _, value in position.alternatives] == pytest.approx(best.values.tolist(), abs=1e-4)


def test_an_opening_is_continued_and_not_repeated(backend):
    request = said("go", seed=3, max_tokens=6, opening="look around")
    (completion,) = backend.complete([request])
    prompt = backend.complete([replace(request, opening="")])[0].prompt_token_ids
    assert completion.prompt_token_ids == (*prompt, *backend.tokenizer.encode("look around"))
    assert completion.logprobs == pytest.approx(recomputed(backend, completion), abs=1e-4)


def test_it_is_a_backend_and_says_its_name(backend, folder):
    assert isinstance(backend, BatchBackend)
    assert backend.name == f"hf:{folder}"


@pytest.mark.slow
@settings(max_examples=10, deadline=None)
@given(st.permutations(range(len(mixed))), st.integers(1, 400))
def test_order_and_batch_size_do_not_matter(backend, order, batch_tokens):
    backend._batch_tokens = batch_tokens
    answers = backend.complete([mixed[index] for index in order])
    backend._batch_tokens = 65_536
    expected = backend.complete(mixed)
    assert [answer.token_ids for answer in answers] == [expected[index].token_ids for index in order]


def test_seeds_and_repetitions_tell_samples_of_one_prompt_apart(backend):
    asked = [said("go", seed=seed, repetition=repetition) for seed in range(3) for repetition in range(3)]
    asked = [replace(request, max_tokens=12) for request in asked]
    assert len({completion.token_ids for completion in backend.complete(asked)}) == 9


def test_equal_prompts_are_read_once(backend, monkeypatch):
    backend = HuggingFaceBackend(backend.path, kept_tokens=0)
    shapes = []
    forward = backend._forward
    monkeypatch.setattr(backend, "_forward", lambda tokens: shapes.append(len(tokens)) or forward(tokens))
    backend.complete([said("go", seed=seed, max_tokens=3) for seed in range(8)])
    assert shapes == [1, 8, 8]


def test_rows_that_end_leave_the_batch(backend, monkeypatch):
    shapes = []
    forward = backend._forward
    monkeypatch.setattr(backend, "_forward", lambda tokens: shapes.append(len(tokens)) or forward(tokens))
    backend.complete([said(f"go {rows}", max_tokens=rows, choices=("a b c d e f g h",)) for rows in (1, 2, 4)])
    assert shapes == [3, 2, 1, 1]


def test_constrained_answers_are_choices_and_every_choice_is_reached(backend):
    answers = backend.complete([said("go", seed=seed, choices=CHOICES) for seed in range(60)])
    assert {answer.text for answer in answers} == set(CHOICES)
    assert all(answer.constrained and answer.finish_reason == "stop" for answer in answers)
    assert all(answer.token_ids == backend.chat.answer(answer.text) for answer in answers)


def test_a_choice_that_is_cut_off_is_not_called_constrained(backend):
    (answer,) = backend.complete([said("go", max_tokens=1, choices=("look around you",))])
    assert (answer.constrained, answer.finish_reason) == (False, "length")


def test_a_stop_text_ends_an_answer_and_is_no_part_of_it(backend):
    free = backend.complete([said("go", seed=4, max_tokens=40)])[0]
    stop = free.text[10:12]
    (stopped,) = backend.complete([said("go", seed=4, max_tokens=40, stop=(stop, "never"))])
    assert stopped.text == free.text.partition(stop)[0]
    assert stopped.finish_reason == "stop"
    assert free.token_ids[: len(stopped.token_ids)] == stopped.token_ids


@pytest.mark.slow
def test_an_end_token_ends_an_answer_and_is_recorded(backend):
    answers = backend.complete([said("go", seed=seed, max_tokens=200) for seed in range(20)])
    ended = [answer for answer in answers if answer.finish_reason == "stop"]
    assert ended
    assert {answer.token_ids[-1] for answer in ended} == {backend.tokenizer.eos_token_id}
    assert all(len(answer.token_ids) == 200 for answer in answers if answer.finish_reason == "length")


def played(backend, turns=5, rows=3):
    """The token ids of some chats whose turns go on from each other."""
    chats = [[{"role": "user", "content": f"task {row}"}] for row in range(rows)]
    ids = []
    for turn in range(turns):
        asked = [Request(messages=tuple(chat), seed=10 * turn + row, max_tokens=6) for row, chat in enumerate(chats)]
        answers = backend.complete(asked)
        ids.append([(answer.prompt_token_ids, answer.token_ids) for answer in answers])
        for chat, answer in zip(chats, answers, strict=True):
            chat.append({"role": "assistant", "content": answer.text, "token_ids": answer.token_ids})
            chat.append({"role": "user", "content": f"you see room {turn} " * (1 + turn % 2)})
    return ids


@pytest.mark.slow
@pytest.mark.parametrize("family", ["qwen2", "gpt2", "mistral"])
def test_kept_prefixes_change_nothing(family, tmp_path):
    folder = str(tiny_model(tmp_path, family=family))
    fresh, kept, scarce = (HuggingFaceBackend(folder, kept_tokens=tokens) for tokens in (0, 65_536, 100))
    assert played(fresh) == played(kept) == played(scarce)


def test_each_turn_reads_only_what_is_new(backend, monkeypatch):
    backend = HuggingFaceBackend(backend.path)
    widths = []
    forward = backend._forward

    def count(tokens):
        widths.append(max(map(len, tokens)))
        return forward(tokens)

    monkeypatch.setattr(backend, "_forward", count)
    turns = played(backend, rows=1)
    (prompt, answer), (after, _) = turns[0][0], turns[1][0]
    assert after[: len(prompt) + len(answer)] == (*prompt, *answer)
    read = [width for width in widths if width > 1]
    assert read[0] == len(prompt)
    assert read[1] == len(after) - (len(prompt) + len(answer) - 1)  # the last sampled token was never fed


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.lists(st.lists(st.integers(5, 7), min_size=1, max_size=9), min_size=1, max_size=4, unique_by=tuple),
        min_size=1,
        max_size=5,
    ),
    st.sampled_from([0, 40, 200, 100_000]),
    st.data(),
)
def test_a_row_holds_its_own_sequence_whatever_the_others_do(backend, calls, kept, data):
    """Sequences of few tokens share beginnings, take over rows, change places and are forgotten."""
    model, rows = backend.model, ResidentRows(2, kept)
    for prompts in calls:
        with torch.inference_mode():
            order, known = rows.begin(prompts)
            assert all(size < len(prompts[number]) for number, size in zip(order, known, strict=True))
            held = [list(prompts[number]) for number in order]
            logits = rows.extend(model, [ids[size:] for ids, size in zip(held, known, strict=True)])
            wanted = [*range(len(held)), *data.draw(st.lists(st.integers(0, len(held) - 1), max_size=2))]
            order = rows.fork(wanted)
            held, logits = [list(held[wanted[n]]) for n in order], logits[[wanted[n] for n in order]]
            check(model, held, logits)
            going = data.draw(st.sets(st.integers(0, len(held) - 1), min_size=1))
            held = [held[n] for n in rows.select(sorted(going))]
            more = [[5 + n % 3] * (1 + n % 2) for n in range(len(held))]
            check(model, [[*a, *b] for a, b in zip(held, more, strict=True)], rows.extend(model, more))
            rows.end()


def check(model, sequences, logits):
    for ids, row in zip(sequences, logits, strict=True):
        assert torch.allclose(model(torch.tensor([ids])).logits[0, -1], row, atol=1e-4)


def test_what_was_said_is_known_and_what_was_not_used_for_longest_is_forgotten(backend):
    rows = ResidentRows(2, 60)

    def known(*prompts):
        with torch.inference_mode():
            order, sizes = rows.begin(prompts)
            rows.extend(backend.model, [prompts[n][size:] for n, size in zip(order, sizes, strict=True)])
            rows.end()
        return dict(zip(order, sizes, strict=True))

    assert known((5, 6, 7, 8, 9)) == {0: 0}
    assert known((5, 6, 7, 8, 9, 10)) == {0: 5}  # it goes on in its row
    assert known((5, 6, 4, 4)) == {0: 2}  # it departs, in a row of its own
    assert known((5, 6, 7, 8, 9, 10)) == {0: 5}  # the last token must be fed
    assert known((1, 2, 3)) == {0: 0}  # a third row is one too many
    assert known((5, 6, 4, 4)) == {0: 2}
    assert ResidentRows(2, 0).begin([(5, 6)]) == ([0], [0])


def test_a_chat_that_is_too_long_is_refused_with_its_length(backend):
    with pytest.raises(BackendError, match=r"has [\d,]+ tokens and .* has room for 1,024, answer included"):
        backend.complete([said("go north " * 600)])


def test_an_answer_ends_where_the_context_does(backend):
    frame = len(backend.chat.prompt(said("").messages).ids)
    (answer,) = backend.complete([said("x" * (1021 - frame), max_tokens=50, choices=("a longer answer",))])
    assert len(answer.prompt_token_ids) == 1021
    assert (len(answer.token_ids), answer.finish_reason) == (3, "length")


@pytest.mark.parametrize("missing", ["nowhere", ""])
def test_a_missing_model_is_one_sentence(tmp_path, missing):
    with pytest.raises(BackendError, match=r"(No language model|There is no model folder) .*give the folder"):
        HuggingFaceBackend(str(tmp_path / missing))


def test_a_path_without_a_model_is_said_before_vllm_is_asked_for(tmp_path):
    for name in (str(tmp_path / "nope"), "models/nope"):
        with pytest.raises(BackendError, match="There is no model folder"):
            VLLMBackend(name)


def test_a_base_model_needs_a_template(tmp_path):
    folder = str(tiny_model(tmp_path, chat_template=None))
    with pytest.raises(BackendError, match="no chat template"):
        HuggingFaceBackend(folder)
    (answer,) = HuggingFaceBackend(folder, chat_template=PLAIN).complete([said("go", max_tokens=5, stop=("\n",))])
    assert len(answer.token_ids) <= 5


@pytest.mark.parametrize(("module", "without"), [("hf", "transformers"), ("vllm", "vllm")])
def test_a_missing_package_names_the_extra_that_brings_it(monkeypatch, module, without):
    monkeypatch.setitem(sys.modules, without, None)
    monkeypatch.delitem(sys.modules, f"credit_gym.agents.llm.{module}", raising=False)
    with pytest.raises(MissingExtraError, match=rf'{without} is not installed: pip install "credit-gym\[{module}\]"'):
        importlib.import_module(f"credit_gym.agents.llm.{module}").VLLMBackend("folder")


def test_the_next_turn_reads_the_tokens_that_were_sampled(folder: Path) -> None:
    """A random model samples tokens whose text would be cut otherwise; the second prompt holds them as they were."""
    agent = BatchAgent(HuggingFaceBackend(folder), Prompting(max_tokens=12), seed=3)
    first = Context("goal", "one", (), (), {}, 0, 5)
    (action,) = agent.act([first])
    second = Context("goal", "two", (("one", action),), (), {}, 1, 5)
    (reply,) = agent.act([second])
    known = (*action.prompt_token_ids, *action.token_ids)
    assert action.token_ids
    assert reply.prompt_token_ids[: len(known)] == known
    assert not any("token_ids" in message for message in reply.messages)

"""Word lists and scenario files: what they hold, how they are split, and what is wrong with bad ones."""

from __future__ import annotations

import json
import math
import warnings
from pathlib import Path

import pytest
from builders.question_games import (
    CANDIDATE_GAMES,
    TalkingModel,
    begin_with,
    labelled,
)
from hypothesis import given
from hypothesis import strategies as st

from credit_gym.envs.information.guess_my_city import GuessMyCityEnv
from credit_gym.envs.information.sources import SPLITS, read_scenarios, split_of
from credit_gym.envs.information.twenty_questions import TwentyQuestionsEnv
from credit_gym.envs.webshop.stemmer import stem
from credit_gym.errors import ManifestError

ENVS = CANDIDATE_GAMES


@pytest.fixture(autouse=True)
def _without_wordnet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORDNET_DIR", "")


def test_splits_are_disjoint_by_stem_and_cover_everything():
    for make in ENVS:
        parts = {split: {task.secret for task in make(split).tasks} for split in SPLITS}
        everything = [task.secret for task in make("all").tasks]
        assert sorted(set().union(*parts.values())) == sorted(everything)
        stems = {split: {stem(secret.lower()) for secret in secrets} for split, secrets in parts.items()}
        for one in SPLITS:
            assert 0.05 < len(parts[one]) / len(everything) < 0.85
            assert not any(stems[one] & stems[other] for other in SPLITS if other != one)


@given(st.text(alphabet="abcdefgh", min_size=4, max_size=9))
def test_a_plural_stays_in_the_split_of_its_word(word):
    if stem(word + "s") == stem(word):
        assert split_of(word + "s") == split_of(word) == split_of(word.upper())


def test_word_files(tmp_path: Path):
    path = tmp_path / "words.txt"
    path.write_text("\ufeffdog\r\n\n# animals\ncat\ndog\n  tiger \n", encoding="utf-8")
    assert [s.secret for s in read_scenarios(path)] == ["dog", "cat", "tiger"]
    env = TwentyQuestionsEnv(words=path)
    assert [task.secret for task in env.tasks] == ["dog", "cat", "tiger"]
    env.reset(seed=0)
    assert env.log_belief() == pytest.approx(-math.log(3))
    assert TwentyQuestionsEnv(words=path, num_tasks=2).num_tasks == 2
    assert len({task.id for task in env.tasks}) == 3


def test_the_rules_say_which_words_they_leave_out(tmp_path: Path):
    path = tmp_path / "words.txt"
    path.write_text("dog\nambition\npolar bear\n")
    with pytest.warns(UserWarning, match="2 of 3 secrets .* not comparable .* wordnet-base.* give answerer="):
        assert TwentyQuestionsEnv(words=path).num_tasks == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = TwentyQuestionsEnv(words=path, answerer=TalkingModel(labelled("No")))
    begin_with(env, "polar bear")
    assert env.step("Is it a bear?")[0] == "no"
    assert env.step("Is it polar bears?")[2]
    with pytest.raises(ManifestError, match="several words"):
        TwentyQuestionsEnv(words=path, answerer=TalkingModel(""), mode="upstream")


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("a.txt", b"", "holds no secret"),
        ("a.txt", b"\n \n# x\n", "holds no secret"),
        ("a.txt", b"dog\ncaf\xe9\n", "not UTF-8 text \\(byte 7\\)"),
        ("a.txt", b"\x00\x01\x02", "unprintable"),
        ("a.txt", b"ambition\n", "no facts about any"),
        ("a.json", b"{", "not JSON"),
        ("a.json", b'{"train": "dog"}', "must hold a list"),
        ("a.json", b"[1]", "has the entry 1"),
        ("a.json", b"[]", "holds no secret"),
    ],
)
def test_bad_files_get_one_sentence(tmp_path: Path, name, content, complaint):
    path = tmp_path / name
    path.write_bytes(content)
    for make in ENVS:
        with pytest.raises(ManifestError, match=complaint):
            make(words=path)
    with pytest.raises(ManifestError, match="cannot be read"):
        TwentyQuestionsEnv(words=tmp_path / "missing.txt")


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("a.txt", b"dog\n\x00\x01\x02\ncat\x07\ntiger", "2 of 4 entries .*unprintable"),
        ("a.json", b'["dog", 1, {"agent": "x"}, "tiger"]', "2 of 4 entries are left out, first: .*has the entry 1"),
        ("a.json", b'{"train": ["dog", "tiger", {"env": "cat", "agent": 3}]}', "1 of 3 entries .*'agent': 3"),
    ],
)
def test_a_malformed_entry_costs_itself(tmp_path: Path, name, content, complaint):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.warns(UserWarning, match=complaint):
        assert {task.secret for task in TwentyQuestionsEnv(words=path).tasks} == {"dog", "tiger"}


def test_scenario_files_with_and_without_named_lists(tmp_path: Path):
    path = tmp_path / "cities.json"
    entries = [{"agent": "city", "env": "Lima, Peru"}, {"agent": "city", "env": "Quito, Ecuador"}]
    path.write_text(json.dumps({"train": entries, "eval": [{"env": "Kyiv (Kiev), Ukraine"}]}))
    assert [task.secret for task in GuessMyCityEnv("eval", words=path).tasks] == ["Kyiv, Ukraine"]
    assert GuessMyCityEnv("train", words=path).num_tasks == 2
    assert GuessMyCityEnv(words=path).num_tasks == 3
    path.write_text(json.dumps(entries))
    assert {s.split for s in read_scenarios(path)} <= set(SPLITS)
    assert GuessMyCityEnv(words=path, answerer=TalkingModel("No.")).num_tasks == 2

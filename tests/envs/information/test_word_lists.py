"""Any list of nouns is playable where WordNet knows its words, and the belief about it stays exact."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
from builders.small_wordnet import write_wordnet

from credit_gym.envs.information.grammar import Grammar
from credit_gym.envs.information.taxonomy import noun_world, sense_of
from credit_gym.envs.information.twenty_questions import TwentyQuestionsEnv
from credit_gym.envs.information.wordnet import WordNet, wordnet_folder
from credit_gym.errors import ManifestError

LIST = [
    "poodle",
    "collie",
    "bat",
    "dog",
    "attorney",
    "lawyer",
    "mammal",
    "table",
    "kettle",
    "ambition",
    "crane",
    "tiger",
]


@pytest.fixture
def wordnet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = write_wordnet(tmp_path / "dict")
    monkeypatch.setenv("WORDNET_DIR", str(folder))
    return folder


@pytest.fixture
def env(tmp_path: Path, wordnet: Path) -> TwentyQuestionsEnv:
    file = tmp_path / "words.txt"
    file.write_text("\n".join(LIST))
    return TwentyQuestionsEnv(words=file)


def begin(env: TwentyQuestionsEnv, secret: str) -> TwentyQuestionsEnv:
    env.reset(seed=0, options={"task": [task.secret for task in env.tasks].index(secret)})
    return env


def test_the_candidates_are_the_whole_list(env: TwentyQuestionsEnv) -> None:
    assert [task.secret for task in env.tasks] == LIST
    _, info = env.reset(seed=0)
    assert env.log_belief() == pytest.approx(-math.log(len(LIST)))
    assert info["left_out"] == 0


@pytest.mark.parametrize(
    ("noun", "question", "answer"),
    [
        ("poodle", "Is it alive?", "yes"), ("poodle", "Is it a mammal?", "yes"), ("poodle", "Can it fly?", "no"),
        ("poodle", "Is it a pet?", "yes"), ("bat", "Can it fly?", "yes"), ("bat", "Is it bigger than a dog?", "no"),
        ("lawyer", "Is it a person?", "yes"), ("lawyer", "Is it a profession?", "yes"),
        ("lawyer", "Is it abstract?", "no"), ("lawyer", "Is it a physical object?", "yes"),
        ("table", "Is it made mainly of wood?", "yes"), ("kettle", "Is it made of metal?", "yes"),
        ("kettle", "Is it made by people?", "yes"), ("ambition", "Is it a feeling?", "yes"),
        ("ambition", "Is it abstract?", "yes"), ("ambition", "Is it alive?", "no"), ("tiger", "Is it striped?", "yes"),
        ("crane", "Is it an animal?", "yes"), ("collie", "Is it a kind of dog?", "yes"),
    ],
)  # fmt: skip
def test_what_is_true_of_a_noun_follows_from_the_taxonomy(
    env: TwentyQuestionsEnv, noun: str, question: str, answer: str
) -> None:
    assert begin(env, noun).step(question)[0] == answer


@pytest.mark.parametrize(
    "guess", ["Is it an attorney?", "Is it a lawyer?", "Is it LAWYERS?", "Is it an attorney (a lawyer)?"]
)
@pytest.mark.parametrize("secret", ["attorney", "lawyer"])
def test_a_synonym_is_a_right_guess(env: TwentyQuestionsEnv, secret: str, guess: str) -> None:
    assert begin(env, secret).step(guess)[0] == "finished"


@pytest.mark.parametrize("mode", ["default", "upstream"])
def test_the_belief_holds_those_that_would_have_been_answered_the_same(
    tmp_path: Path, wordnet: Path, mode: str
) -> None:
    file = tmp_path / "words.txt"
    file.write_text("\n".join(LIST))
    env = TwentyQuestionsEnv(words=file, mode=mode)
    asked = ["Is it a mammal?", "Is it a lawyer?", "Is it bigger than a tiger?", "Is it a kind of dog?"]

    def played(secret: str) -> list[str]:
        begin(env, secret)
        texts = []
        for text in asked:
            texts.append(env.step(text)[0])
            if texts[-1] == "finished":
                break
        return texts

    for secret in LIST:
        answers = played(secret)
        left = set(env.remaining())
        if answers[-1] != "finished":
            assert left == {other for other in LIST if played(other) == answers}


def test_a_question_that_is_a_guess_of_a_secret_too_gains_what_the_secrets_gain(env: TwentyQuestionsEnv) -> None:
    gains = []
    for task in range(env.num_tasks):
        env.reset(options={"task": task})
        expected = env.information_gain("Is it a mammal?")
        gains.append(env.step("Is it a mammal?")[4]["verifier"])
    assert sum(gains) / len(gains) == pytest.approx(expected)
    assert begin(env, "mammal").step("Is it a mammal?")[0] == "finished"


def test_the_expert_finds_every_word(env: TwentyQuestionsEnv) -> None:
    for task in range(env.num_tasks):
        _, info = env.reset(options={"task": task})
        while "success" not in info:
            info = env.step(info["expert_actions"][0])[4]
        assert info["success"]


def test_words_that_wordnet_lacks_are_counted(tmp_path: Path, wordnet: Path) -> None:
    file = tmp_path / "words.txt"
    file.write_text("poodle\nflurb\nlightyear\n")
    with pytest.warns(UserWarning, match="1 of 3 secrets .* not comparable with published ones: give answerer="):
        env = TwentyQuestionsEnv(words=file)
    assert [task.secret for task in env.tasks] == ["poodle", "lightyear"]
    assert env.reset(seed=0)[1]["left_out"] == 1


def test_senses(wordnet: Path) -> None:
    found = WordNet(wordnet)
    chosen = {word: sense_of(word, found) for word in ("table", "crane", "light-year", "flurb", "Poodles")}
    files = {word: sense.file if sense else None for word, sense in chosen.items()}
    assert files == {
        "table": "artifact", "crane": "animal", "light-year": "quantity", "flurb": None, "Poodles": "animal",
    }  # fmt: skip


@pytest.mark.parametrize("damage", [b"", b"00000000 03 n 01\n", b"\xff" * 5000])
def test_damaged_files_are_refused_in_a_sentence(wordnet: Path, damage: bytes) -> None:
    (wordnet / "data.noun").write_bytes(damage)
    with pytest.raises(ManifestError, match=r"no synset at byte \d+: install WordNet"):
        WordNet(wordnet).senses("poodle")


def test_a_folder_without_the_files_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WORDNET_DIR", str(tmp_path))
    with pytest.raises(ManifestError, match=r"has no data\.noun and index.noun: install"):
        wordnet_folder()
    monkeypatch.setenv("WORDNET_DIR", "")
    assert wordnet_folder() is None


def test_circles_of_kinds_end(tmp_path: Path) -> None:
    folder = write_wordnet(
        tmp_path, [("egg", "animal", ["egg"], ["hen"], "a hen's"), ("hen", "animal", ["hen"], ["egg"], "of an egg")]
    )
    found = WordNet(folder)
    assert [level[0].words for level in found.upward(found.senses("egg")[0])] == [("egg",), ("hen",)]


def test_the_world_does_not_depend_on_hashes(wordnet: Path) -> None:
    code = (
        "import sys; from credit_gym.envs.information.taxonomy import noun_world\n"
        "print(noun_world(tuple(sys.argv[2:]), sys.argv[1]).properties)"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", code, str(wordnet), *LIST], capture_output=True, text=True, check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("0", "1")
    }  # fmt: skip
    assert len(texts) == 1


@pytest.mark.slow
def test_a_list_of_thousands_is_whole_and_its_questions_are_bounded(tmp_path: Path) -> None:
    folder = wordnet_folder()
    if folder is None:
        pytest.skip("WordNet is not installed")
    words = [line.split()[0].decode() for line in (folder / "index.noun").read_bytes().splitlines() if line[:1] != b" "]
    chosen = [word for word in words if word.isalpha()][::9][:4500]
    world = noun_world(tuple(chosen), str(folder))
    assert set(chosen) <= set(world.names)
    file = tmp_path / "words.txt"
    file.write_text("\n".join(chosen))
    env = TwentyQuestionsEnv(words=file)
    assert env.num_tasks == len(chosen)
    _, info = env.reset(seed=0)
    assert len(Grammar(world).world.questions) < 1000
    assert info["expert_actions"][0].endswith("?")

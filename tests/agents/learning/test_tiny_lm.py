"""The tiny model: what it is taught, that it is the same every time, and that it plays."""

import gymnasium as gym
import pytest
from builders.tiny_models import TRAINED, trained_tiny_lm  # noqa: F401 - a fixture
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

import credit_gym  # noqa: F401 - registers credit/*
from credit_gym.agents import Batched, NoisyExpert, RandomAgent, run_episodes
from credit_gym.agents.learning.tiny_lm import train_tiny_lm
from credit_gym.agents.learning.tiny_lm.corpus import texts, transcripts
from credit_gym.agents.learning.tiny_lm.tokenizer import learn_tokenizer
from credit_gym.agents.llm.agent import BatchAgent
from credit_gym.agents.llm.chat_tokens import ChatTokens
from credit_gym.agents.llm.hf import HuggingFaceBackend
from credit_gym.agents.llm.prompting import PROMPTINGS, Prompting
from credit_gym.errors import CreditGymError, UnknownNameError

SMALL = {"env_ids": ["credit/Diagnostic-v0"], "episodes": 6, "steps": 3, "hidden": 32, "layers": 1, "vocabulary": 300}


def play(agent, episodes, seed=5, **options):
    return run_episodes(
        lambda: gym.make("credit/Stochastic-v0"), agent, episodes=episodes, seed=seed, progress=False, **options
    )


class Noted(NoisyExpert):
    """Keeps what it was shown, by the episode's seed and the step."""

    contexts = {}  # noqa: RUF012 - one player only

    def act(self, contexts, /):
        self.contexts.update(((context.seed, context.step), context) for context in contexts)
        return super().act(contexts)


@pytest.fixture(scope="module")
def noisy():
    return play(Noted(0.3), 6)


def chat_for(episodes, prompting):
    return ChatTokens(learn_tokenizer(texts(episodes, prompting), 400))


def taught_text(row, chat):
    return "".join(chat.text([row.ids[index]]) for index in row.taught)


def test_a_transcript_teaches_the_actions_and_nothing_else(noisy):
    chat = chat_for(noisy, Prompting())
    rows = transcripts(noisy, Prompting(), chat)
    assert len(rows) == len(noisy)
    for row, episode in zip(rows, noisy, strict=True):
        assert taught_text(row, chat) == "".join(episode.actions)
        assert sum(row.ids[index] == chat.end_of_turn for index in row.taught) == len(episode)


def test_slips_are_shown_but_not_taught(noisy):
    chat = chat_for(noisy, Prompting())
    rows = transcripts(noisy, Prompting(), chat, expert_only=True)
    slips = 0
    for row, episode in zip(rows, noisy, strict=True):
        good = [a in e for a, e in zip(episode.actions, episode.expert_actions, strict=True)]
        slips += good.count(False)
        assert taught_text(row, chat) == "".join(a for a, yes in zip(episode.actions, good, strict=True) if yes)
        assert all(action in chat.text(row.ids) for action in episode.actions)
    assert slips


@pytest.mark.parametrize("prompting", [PROMPTINGS["listed"], Prompting(history_turns=1), PROMPTINGS["react"]])
def test_rows_hold_what_the_agent_reads_whatever_the_prompting(noisy, prompting):
    """The prompts of a player that says what the episode says are the prompts that are taught."""
    chat = chat_for(noisy, prompting)
    rows = transcripts(noisy, prompting, chat)
    asked = []

    class Parrot:
        name = "parrot"

        def complete(self, requests):
            asked.extend(chat.prompt(request.messages).ids for request in requests)
            raise StopIteration

    for episode in noisy:
        for step in range(len(episode)):
            with pytest.raises(StopIteration):
                BatchAgent(Parrot(), prompting).act([Noted.contexts[episode.seed, step]])
    beginnings = [row.ids[:index] for row in rows for index in row.taught if index - 1 not in row.taught]
    assert beginnings == asked


@pytest.mark.slow
def test_the_same_seed_gives_the_same_files_and_another_seed_others(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        train_tiny_lm(tmp_path / name, seed=seed, **SMALL)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert "model.safetensors" in files
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    assert (tmp_path / "a/model.safetensors").read_bytes() != (tmp_path / "c/model.safetensors").read_bytes()


def test_the_folder_is_an_ordinary_one_whose_tokenizer_cuts_as_in_training(tmp_path):
    heard = []
    report = train_tiny_lm(tmp_path, on_step=lambda step, loss: heard.append((step, loss)), **SMALL)
    model, tokenizer = AutoModelForCausalLM.from_pretrained(tmp_path), AutoTokenizer.from_pretrained(tmp_path)
    assert model.num_parameters() == report.parameters
    assert len(tokenizer) == report.vocabulary == model.config.vocab_size
    assert sorted(load_file(tmp_path / "model.safetensors"))  # no pickle
    assert heard == list(enumerate(report.losses))
    text = "You are in room 67, of maze 0. it's   over\n"
    own = learn_tokenizer(["You are in room 67 of maze 0."], 300)
    own.save_pretrained(tmp_path / "own")
    (tmp_path / "own/config.json").write_bytes((tmp_path / "config.json").read_bytes())
    assert AutoTokenizer.from_pretrained(tmp_path / "own").encode(text) == own.encode(text)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"env_ids": []}, "at least one environment"),
        ({"episodes": 0}, "episodes must be at least 1"),
        ({"steps": 0}, "steps, batch_size and layers"),
        ({"hidden": 40}, "multiple of 32"),
        ({"vocabulary": 100}, "vocabulary must be at least 259"),
        ({"agent": "noisy:2"}, "epsilon"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(tmp_path, changed, said):
    with pytest.raises(CreditGymError, match=said):
        train_tiny_lm(tmp_path, **{**SMALL, **changed})


def test_an_unknown_prompting_and_a_folder_with_a_model_are_refused(tmp_path):
    with pytest.raises(UnknownNameError):
        train_tiny_lm(tmp_path, prompting="nonsense", **SMALL)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(CreditGymError, match="already holds a model"):
        train_tiny_lm(tmp_path, **SMALL)


@pytest.mark.slow
def test_it_plays_far_better_than_chance_through_the_hugging_face_backend(trained_tiny_lm):  # noqa: F811
    agent = Batched(BatchAgent(HuggingFaceBackend(str(trained_tiny_lm)), TRAINED["prompting"]))
    learned = play(agent, 60, seed=99, workers=20)
    chance = play(RandomAgent(), 60, seed=99)
    assert [episode.error for episode in learned if episode.error] == []
    assert sum(episode.success for episode in chance) < 40
    assert sum(episode.success for episode in learned) >= 54
    assert sum(map(len, learned)) * 2 < sum(map(len, chance))


@pytest.mark.slow
def test_its_episodes_do_not_depend_on_the_number_of_workers(trained_tiny_lm):  # noqa: F811
    agent = Batched(BatchAgent(HuggingFaceBackend(str(trained_tiny_lm)), TRAINED["prompting"]))
    alone, together = play(agent, 12, workers=1), play(agent, 12, workers=12)
    assert [episode.actions for episode in alone] == [episode.actions for episode in together]
    assert [episode.token_ids for episode in alone] == [episode.token_ids for episode in together]

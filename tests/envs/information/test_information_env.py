"""Twenty Questions and Guess My City: rules, rewards, beliefs, judges and files."""

from __future__ import annotations

import json
import math
import pickle
import warnings
from pathlib import Path

import gymnasium as gym
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_gym import rng
from credit_gym.envs.information.guess_my_city import GuessMyCityEnv, names_anything, names_city
from credit_gym.envs.information.judge import LLMJudge, one_of, tagged
from credit_gym.envs.information.reward import UPSTREAM, broadcast
from credit_gym.envs.information.sources import SPLITS, read_scenarios, split_of
from credit_gym.envs.information.twenty_questions import TwentyQuestionsEnv, form_fault, says_exactly
from credit_gym.envs.webshop.stemmer import stem
from credit_gym.errors import CreditGymError, ManifestError, UnknownNameError
from credit_gym.testing.environments import check_fork, check_info, check_no_leak_after_reset, check_seed_isolation

ENVS = [TwentyQuestionsEnv, GuessMyCityEnv]


def at(env, secret):
    """Start the game with a certain secret."""
    number = next(n for n, task in enumerate(env.tasks) if task.secret == secret)
    return env.reset(seed=0, options={"task": number})


def nouns_env(secret, **options):
    env = TwentyQuestionsEnv("all", **options)
    at(env, secret)
    return env


def play_expert(env, info):
    rewards, verifiers, done = [], [], False
    while not done:
        _, reward, terminated, truncated, info = env.step(info["expert_actions"][0])
        rewards.append(reward)
        verifiers.append(info["verifier"])
        done = terminated or truncated
    return rewards, verifiers, info


# What every environment promises


@pytest.mark.filterwarnings("ignore:.*render")
@pytest.mark.parametrize("make", ENVS)
def test_the_house_checks_pass(make):
    check_env(make())
    check_info(make())
    for seed in range(3):
        check_fork(make(), seed=seed)
    check_no_leak_after_reset(make(), episodes=5)
    check_seed_isolation(make, seeds=5)


@pytest.mark.parametrize("make", ENVS)
def test_clones_are_small_and_fit_another_environment(make):
    env, other = make(), make()
    _, info = env.reset(seed=3)
    for number in range(4):
        env.step(info["admissible_actions"][rng.derive(number) % 100])
    state = env.clone_state()
    assert len(pickle.dumps(state)) < 2000
    observation, info = other.restore_state(pickle.loads(pickle.dumps(state)))
    assert observation == state.turns[-1].text
    assert info == env.restore_state(state)[1]
    action = info["expert_actions"][0]
    assert other.step(action) == env.step(action)


@pytest.mark.parametrize("make", ENVS)
def test_the_state_is_the_secret_with_what_was_answered(make):
    env = make()
    _, info = env.reset(seed=1)
    start, (a, b) = info["state_key"], info["admissible_actions"][:2]
    orders = []
    for order in ((a, b), (b, a)):
        env.reset(seed=1)
        orders.append([env.step(action)[4]["state_key"] for action in order])
    assert orders[0][1] == orders[1][1]
    assert len({start, orders[0][0], orders[1][0], orders[0][1]}) == 4
    assert env.step("nonsense")[4]["state_key"] == orders[0][1]
    assert env.step(a)[4]["state_key"] == orders[0][1]
    other = env.reset(options={"task": (env.tasks.index(env.task) + 1) % env.num_tasks})[1]["state_key"]
    assert other != start


@pytest.mark.parametrize("make", ENVS)
def test_nothing_in_info_tells_the_secret(make):
    env = make()
    for task in range(0, env.num_tasks, 7):
        observation, info = env.reset(seed=0, options={"task": task})
        shown = json.dumps([observation, info["task"], info["kind"], info["expert_actions"]]).lower()
        assert env.target.split(",")[0].lower() not in shown


@pytest.mark.parametrize("make", ENVS)
def test_bad_options_are_refused_in_a_sentence(make):
    with pytest.raises(UnknownNameError, match="did you mean default"):
        make(mode="defualt")
    with pytest.raises(UnknownNameError, match="did you mean upstream"):
        make(reward="upstraem")
    with pytest.raises(CreditGymError, match="turns must be a positive integer"):
        make(turns=0)
    with pytest.raises(ManifestError, match="choose among all, eval, test, train"):
        make("validation")
    with pytest.raises(gym.error.Error, match="must be an integer from 0"):
        make().reset(options={"task": -1})
    with pytest.raises(gym.error.ResetNeeded):
        make().step("Is it alive?")


@given(st.lists(st.text(max_size=40), max_size=8))
@settings(max_examples=60, deadline=None)
def test_no_action_crashes_a_game(actions):
    for env in (TwentyQuestionsEnv(), TwentyQuestionsEnv(mode="upstream"), GuessMyCityEnv()):
        env.reset(seed=0)
        for action in actions:
            _, _, terminated, truncated, info = env.step(action)
            assert not terminated
            assert not truncated
            assert info["verifier"] >= 0.0


# The published rules


@pytest.mark.parametrize(
    ("action", "default", "upstream"),
    [
        ("is it tiger?", "won", "won"),
        ("Is it a TIGER?", "won", "won"),
        ("is it tigers?", "won", "answered"),
        ("is it related to a tiger?", "invalid", "won"),
        ("tiger", "invalid", "invalid"),
        ("is it a cat? a dog?", "invalid", "invalid"),
        ("is it a\ntiger?", "invalid", "invalid"),
        ("is it a tiger?\n", "won", "won"),
        ("?", "invalid", "invalid"),
        ("is it " + "very " * 100 + "tiger?", "invalid", "invalid"),
        ("is it 7tiger?", "invalid", "won"),
        ("is it a tiger-like animal?", "invalid", "invalid"),
        ("is it alive?", "answered", "answered"),
        ("flurb blob?", "invalid", "invalid"),
    ],
)
def test_the_verification_table(action, default, upstream):
    for mode, kind in (("default", default), ("upstream", upstream)):
        observation, _, terminated, _, info = nouns_env("tiger", mode=mode).step(action)
        assert info["kind"] == kind, mode
        assert terminated == (kind == "won")
        assert info["invalid"] == (kind == "invalid")
        if kind in ("won", "answered"):
            assert observation == ("finished" if kind == "won" else "yes")


def test_which_rule_of_form_is_broken():
    faults = {"x" * 501 + "?": "length", "a": "length", "is it": "question", "a? b?": "multiple_questions"}
    assert {text: form_fault(text) for text in faults} == faults
    assert form_fault("is\x85it?") == form_fault("a\u2028b?") == "sentence"
    assert form_fault("Is it a tiger?") is None


def test_the_exact_rule_deletes_digits_and_signs_but_keeps_hyphens():
    assert says_exactly("Is it 'e-mail'?", "e-mail")
    assert says_exactly("Is it tiger2?", "tiger")
    assert not says_exactly("Is it tiger-like?", "tiger")
    assert not says_exactly("Is it tigers?", "tiger")


def test_repeats_are_noticed_in_any_wording_and_tell_nothing():
    env = nouns_env("tiger")
    assert env.step("Is it alive?")[0] == "yes"
    for wording in ("Is it a living thing?", "Is it inanimate?", "is it alive?"):
        observation, _, _, _, info = env.step(wording)
        assert "already asked" in observation
        assert info["repeated"]
        assert not info["invalid"]
        assert info["verifier"] == 0.0


def test_winning_guess_beats_repetition_and_a_lost_guess_counts():
    env = nouns_env("tiger")
    observation, reward, terminated, _, info = env.step("Is it a lion?")
    assert (observation, reward, terminated) == ("no", 0.0, False)
    n = env.candidates.bit_count()
    assert info["verifier"] == pytest.approx(math.log(n / (n - 1)))
    _, reward, terminated, truncated, info = env.step("Is it a tiger?")
    assert (reward, terminated, truncated, info["success"]) == (1.0, True, False, True)


def test_a_game_ends_at_the_limit():
    env = nouns_env("tiger", turns=3)
    for number in range(3):
        _, reward, terminated, truncated, info = env.step("Is it alive?")
        assert truncated == (number == 2)
        assert not terminated
        assert reward == 0.0
    assert info["success"] is False
    with pytest.raises(gym.error.ResetNeeded):
        env.step("Is it a tiger?")


@pytest.mark.parametrize(
    ("action", "kind", "text"),
    [
        ("Is it Lima, Peru?", "won", "Goal reached"),
        ("Is it Lima?", "won", "Goal reached"),
        ("Is it Lima, Chile?", "answered", "No."),
        ("Is it Peru?", "answered", "Yes."),
        ("Is it Lima or Quito?", "answered", "Yes."),
        ("What continent is it on?", "answered", "It is in South America."),
        ("Is it in Asia?", "answered", "No."),
        ("What is the name of the city?", "invalid", "will not tell you the name"),
        ("Which country is it in?", "invalid", "will not tell you the name"),
        ("Is it big? Is it old?", "invalid", "one question at a time"),
        ("Do you like it there?", "invalid", "did not understand"),
    ],
)
def test_guess_my_city_by_the_rules(action, kind, text):
    env = GuessMyCityEnv("all")
    at(env, "Lima, Peru")
    observation, _, terminated, _, info = env.step(action)
    assert info["kind"] == kind
    assert text in observation
    assert terminated == (kind == "won")


def test_upstream_shows_city_answers_without_case_and_punctuation():
    env = GuessMyCityEnv("all", mode="upstream")
    at(env, "Lima, Peru")
    assert env.step("What continent is it on?")[0] == "it is in south america"


# Rewards


def test_outcome_pays_one_for_a_win():
    for make in ENVS:
        env = make()
        rewards, _, info = play_expert(env, env.reset(seed=4)[1])
        assert info["success"]
        assert rewards == [0.0] * (len(rewards) - 1) + [1.0]


def test_the_published_reward_of_a_win_at_turn_ten_and_of_a_loss_at_twenty():
    env = nouns_env("tiger", reward="upstream")
    asks = [item.ask for item in env.world.questions]
    rewards = [env.step(text)[1] for text in asks[:9]] + [env.step("Is it a tiger?")[1]]
    assert rewards == pytest.approx([0.0] * 9 + [1.5])
    assert broadcast(rewards, won=True) == pytest.approx([1.5] * 10)

    env = nouns_env("tiger", reward="upstream")
    rewards = [env.step(text)[1] for text in asks[:20]]
    assert rewards == pytest.approx([0.0] * 19 + [-1.0])
    assert broadcast(rewards, won=False) == pytest.approx([-1.0] * 20)


def test_the_published_penalties():
    env = nouns_env("tiger", reward="upstream", turns=4)
    asked = ["Is it alive?", "Is it alive?", "nonsense", "Is it alive? Is it alive?"]
    assert [env.step(text)[1] for text in asked] == pytest.approx([0.0, -1.0, -5.0, -5.0 - 0.2])
    assert UPSTREAM.penalty(invalid=True, repeated=True) == -6.0
    env = nouns_env("tiger", reward="upstream")
    assert env.step("Is it a tiger?")[1] == 2.0  # a single turn pays no length


# Beliefs


@pytest.mark.parametrize("make", ENVS)
def test_verifier_readings_telescope_to_the_rise_of_the_log_posterior(make):
    env = make("all")
    for seed in range(10):
        _, info = env.reset(seed=seed)
        start = env.log_belief()
        assert start == pytest.approx(-math.log(env.candidates.bit_count()))
        _, verifiers, info = play_expert(env, info)
        assert info["success"]
        assert sum(verifiers) == pytest.approx(env.log_belief() - start)
        assert env.log_belief() == 0.0
        assert env.remaining() == (env.target,)


def test_the_candidates_are_those_that_would_have_been_answered_the_same():
    env = nouns_env("tiger")
    asked = ["Is it alive?", "Is it a mammal?", "Is it a lion?", "Is it bigger than a person?", "flurb?"]
    for text in asked:
        env.step(text)
    answers = [turn.text for turn in env.asked]
    alike = []
    for task in env.tasks:
        other = nouns_env(task.secret)
        if task.secret != "lion" and [other.step(text)[0] for text in asked] == answers:
            alike.append(task.secret)
    assert sorted(env.remaining()) == sorted(alike)


@pytest.mark.parametrize("make", ENVS)
def test_expected_gain_is_the_mean_gain_over_the_secrets(make):
    env = make("all")
    question = env.world.questions[2].ask
    gains = []
    for task in range(env.num_tasks):
        env.reset(options={"task": task})
        expected = env.information_gain(question)
        gains.append(env.step(question)[4]["verifier"])
        assert env.information_gain(question) == pytest.approx(0.0, abs=1e-12)
    assert sum(gains) / len(gains) == pytest.approx(expected)
    assert env.information_gain("flurb?") == 0.0


@pytest.mark.parametrize("make", ENVS)
def test_the_expert_asks_what_gains_most(make):
    env = make()
    _, info = env.reset(seed=2)
    for _ in range(3):
        gains = {action: env.information_gain(action) for action in info["admissible_actions"]}
        best = info["expert_actions"][0]
        assert gains[best] == pytest.approx(max(gains.values()))
        _, _, terminated, _, info = env.step(best)
        if terminated:
            break


@pytest.mark.parametrize("make", ENVS)
def test_the_expert_guesses_on_the_last_turn(make):
    env = make(turns=1)
    _, info = env.reset(seed=2)
    assert info["expert_actions"][0] in env.restore_state(env.clone_state())[1]["admissible_actions"]
    _, _, _, _, info = env.step(info["expert_actions"][0])
    assert env.asked[-1].key.startswith("=")


@pytest.mark.slow
@pytest.mark.parametrize("make", ENVS)
def test_the_expert_wins_every_game(make):
    env = make("all")
    for task in range(env.num_tasks):
        assert play_expert(env, env.reset(options={"task": task})[1])[2]["success"]


# Judges


class Model:
    """A model that says what it is told to, in turn, and remembers what it was asked."""

    def __init__(self, *texts):
        self.texts = list(texts)
        self.asked = []

    def __call__(self, messages):
        self.asked.append(messages)
        return self.texts.pop(0) if len(self.texts) > 1 else self.texts[0]


def label(text):
    return f"Well. <answer>{text}</answer>"


def test_judge_texts_are_read_as_published():
    upstream, default = one_of(["yes", "no"], upstream=True), one_of(["yes", "no"])
    assert upstream("so <ANSWER> Yes!\n</answer>") == "yes"
    assert upstream("<answer>yes it is</answer><answer>no</answer>") == "yes"
    assert upstream("<answer>yes.</answer>") is None
    assert default("<answer>Yes.</answer>") == "yes"
    assert default("yes") is None
    assert default("<answer>maybe</answer>") is None
    assert tagged("<answer>a\nb</answer> x <Answer>c</Answer>") == "a\nb c"


@pytest.mark.parametrize(
    ("mode", "said", "kind", "shown"),
    [
        ("default", "Yes", "answered", "yes"),
        ("default", "No", "answered", "no"),
        ("default", "Invalid", "invalid", "not a valid question"),
        ("default", "Repeated", "repeated", "already asked"),
        ("default", "Finished", "answered", "yes"),
        ("upstream", "Finished", "answered", "yes"),
        ("upstream", "hm", "invalid", "not a valid question"),
        ("default", "hm", "unanswered", "Nobody could answer"),
    ],
)
def test_decisions_on_the_judges_label(mode, said, kind, shown):
    env = nouns_env("tiger", mode=mode, answerer=Model(label(said)), reward="upstream")
    observation, reward, _, _, info = env.step("Does it smell of tigers?" if said == "Finished" else "Is it cosy?")
    assert info["kind"] == kind
    assert shown in observation
    assert reward == {"invalid": -5.0, "repeated": -1.0}.get(kind, 0.0)
    assert math.isnan(info["verifier"])
    assert "expert_actions" not in info


def test_winning_needs_no_judge():
    model = Model(label("No"))
    env = nouns_env("tiger", answerer=model)
    assert env.step("Is it a tiger?")[2]
    assert model.asked == []


def test_answers_are_cached_by_secret_and_normalised_question(tmp_path):
    model = Model(label("Yes"), label("No"))
    env = nouns_env("tiger", answerer=LLMJudge(model, cache=tmp_path))
    assert env.step("Is it  COSY?")[0] == "yes"
    at(env, "tiger")
    assert env.step("is it cosy?")[0] == "yes"
    assert len(model.asked) == 1
    at(env, "lion")
    assert env.step("is it cosy?")[0] == "no"
    assert len(model.asked) == 2
    silent = Model("")
    again = nouns_env("tiger", answerer=LLMJudge(silent, cache=tmp_path))
    assert again.step("Is it cosy?")[0] == "yes"
    assert silent.asked == []


def test_an_unreadable_answer_is_asked_for_again_and_never_charged():
    model = Model("hm", label("Yes"))
    env = nouns_env("tiger", answerer=model)
    assert env.step("Is it cosy?")[0] == "yes"
    assert len(model.asked) == 2
    assert "hm" in model.asked[1][-2]["content"]

    judge = LLMJudge(Model("hm"), attempts=3)
    env = nouns_env("tiger", answerer=judge, reward="upstream", turns=2)
    for number in range(2):
        _, reward, _, truncated, info = env.step(f"Is it cosy {'very ' * number}?")
        assert info["kind"] == "unanswered"
        assert not info["invalid"]
        assert reward == 0.0
    assert (judge.calls, judge.failures) == (6, 2)
    assert truncated  # free turns have a limit too

    env = nouns_env("tiger", answerer=Model("hm", "hm", "hm", label("No")), reward="upstream", turns=2)
    rewards = [env.step(text)[1] for text in ("Is it cosy?", "Is it blue-ish?", "Is it a tiger?")]
    assert rewards == pytest.approx([0.0, 0.0, 2.0 - 0.05 * 2])  # two charged turns


def test_what_the_model_raises_reaches_the_caller():
    def broken(messages):
        raise CreditGymError("The model is out.")

    with pytest.raises(CreditGymError, match="out"):
        nouns_env("tiger", answerer=broken).step("Is it cosy?")


def test_the_upstream_judge_sees_the_earlier_questions_and_the_default_one_does_not():
    for mode, sees in (("upstream", True), ("default", False)):
        model = Model(label("Yes"))
        env = nouns_env("tiger", answerer=model, mode=mode)
        env.step("Is it cosy?")
        env.step("Is it tidy?")
        assert ("Is it cosy?" in model.asked[1][-1]["content"]) == sees
        assert model.asked[0][0] == model.asked[1][0]  # what never changes comes first


def test_with_a_judge_the_default_mode_notices_the_same_words():
    env = nouns_env("tiger", answerer=Model(label("Yes")))
    env.step("Is it cosy?")
    assert env.step("is it COSY ?")[4]["repeated"]


@pytest.mark.parametrize(
    ("mode", "said", "action", "kind"),
    [
        ("default", "It is by the sea.", "Is it nice?", "answered"),
        ("default", "Lima is by the sea.", "Is it nice?", "unanswered"),
        ("upstream", "Lima is by the sea.", "Is it nice?", "answered"),
        ("default", "", "Is it nice?", "unanswered"),
        ("default", "NOTVALID", "What is it called?", "invalid"),
        ("default", "Goal reached", "Is it in Peru?", "answered"),
        ("upstream", "Goal reached!", "Is it in Peru?", "won"),
        ("upstream", "Goal reached", "Is it a nice one?", "invalid"),
        ("upstream", "Goal reached", "Is it Lima or Quito?", "invalid"),
        ("upstream", "Goal reached", "Is it Lima, Peru?", "won"),
        ("default", "No.", "Is it Lima, Peru?", "won"),
    ],
)
def test_guess_my_city_with_a_judge(mode, said, action, kind):
    env = GuessMyCityEnv("all", mode=mode, answerer=Model(said))
    at(env, "Lima, Peru")
    assert env.step(action)[4]["kind"] == kind


def test_names_of_published_cities():
    assert names_city("Is it Prayagraj, India?", "Allahabad (Prayagraj), India")
    assert names_city("Do you live in Łódź?", "Łódź, Poland")
    assert names_city("Is it Sao Luis, Brazil?", "São Luís, Brazil")
    assert not names_city("Is it India?", "Allahabad (Prayagraj), India")
    assert not names_city("Is it near Lima?", "Lima, Peru")
    assert names_anything("I bet on Peru", "Lima, Peru")
    assert names_anything("is it au prince?", "Port-au-Prince, Haiti")
    assert not names_anything("Chile?", "Lima, Peru")


# Files and splits


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
    with pytest.warns(UserWarning, match="2 of 3 secrets .* give answerer="):
        assert TwentyQuestionsEnv(words=path).num_tasks == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = TwentyQuestionsEnv(words=path, answerer=Model(label("No")))
    at(env, "polar bear")
    assert env.step("Is it a bear?")[0] == "no"
    assert env.step("Is it polar bears?")[2]
    with pytest.raises(ManifestError, match="several words"):
        TwentyQuestionsEnv(words=path, answerer=Model(""), mode="upstream")


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("a.txt", b"", "holds no secret"),
        ("a.txt", b"\n \n# x\n", "holds no secret"),
        ("a.txt", b"dog\ncaf\xe9\n", "not UTF-8 text \\(byte 7\\)"),
        ("a.txt", b"dog\n\x00\x01\x02", "unprintable"),
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


def test_scenario_files_with_and_without_named_lists(tmp_path: Path):
    path = tmp_path / "cities.json"
    entries = [{"agent": "city", "env": "Lima, Peru"}, {"agent": "city", "env": "Quito, Ecuador"}]
    path.write_text(json.dumps({"train": entries, "eval": [{"env": "Kyiv (Kiev), Ukraine"}]}))
    assert [task.secret for task in GuessMyCityEnv("eval", words=path).tasks] == ["Kyiv, Ukraine"]
    assert GuessMyCityEnv("train", words=path).num_tasks == 2
    assert GuessMyCityEnv(words=path).num_tasks == 3
    path.write_text(json.dumps(entries))
    assert {s.split for s in read_scenarios(path)} <= set(SPLITS)
    assert GuessMyCityEnv(words=path, answerer=Model("No.")).num_tasks == 2

"""Questioning games that a language model answers: its labels, its cache, its failures, and a whole server."""

from __future__ import annotations

import json
import math

import pytest
from builders.model_servers import KEY, Reply, chat_completion, openai_server, serving
from builders.question_games import (
    SCENARIO_GAMES,
    TalkingModel,
    begin_with,
    labelled,
    nouns_env,
)

from credit_gym.envs.information.customer_service import CustomerServiceEnv
from credit_gym.envs.information.guess_my_city import GuessMyCityEnv, names_anything, names_city
from credit_gym.envs.information.judge import LLMJudge, one_of, tagged
from credit_gym.envs.information.murder_mystery import MurderMysteryEnv
from credit_gym.envs.information.personalization import PersonalizationEnv
from credit_gym.envs.information.twenty_questions import TwentyQuestionsEnv
from credit_gym.errors import CreditGymError

# Questions about a known world


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
    env = nouns_env("tiger", mode=mode, answerer=TalkingModel(labelled(said)), reward="upstream")
    observation, reward, _, _, info = env.step("Does it smell of tigers?" if said == "Finished" else "Is it cosy?")
    assert info["kind"] == kind
    assert shown in observation
    assert reward == {"invalid": -5.0, "repeated": -1.0}.get(kind, 0.0)
    assert math.isnan(info["verifier"])
    assert "expert_actions" not in info


def test_winning_needs_no_judge():
    model = TalkingModel(labelled("No"))
    env = nouns_env("tiger", answerer=model)
    assert env.step("Is it a tiger?")[2]
    assert model.asked == []


def test_answers_are_cached_by_secret_and_normalised_question(tmp_path):
    model = TalkingModel(labelled("Yes"), labelled("No"))
    env = nouns_env("tiger", answerer=LLMJudge(model, cache=tmp_path))
    assert env.step("Is it  COSY?")[0] == "yes"
    begin_with(env, "tiger")
    assert env.step("is it cosy?")[0] == "yes"
    assert len(model.asked) == 1
    begin_with(env, "lion")
    assert env.step("is it cosy?")[0] == "no"
    assert len(model.asked) == 2
    silent = TalkingModel("")
    again = nouns_env("tiger", answerer=LLMJudge(silent, cache=tmp_path))
    assert again.step("Is it cosy?")[0] == "yes"
    assert silent.asked == []


def test_an_unreadable_answer_is_asked_for_again_and_never_charged():
    model = TalkingModel("hm", labelled("Yes"))
    env = nouns_env("tiger", answerer=model)
    assert env.step("Is it cosy?")[0] == "yes"
    assert len(model.asked) == 2
    assert "hm" in model.asked[1][-2]["content"]

    judge = LLMJudge(TalkingModel("hm"), attempts=3)
    env = nouns_env("tiger", answerer=judge, reward="upstream", turns=2)
    for number in range(2):
        _, reward, _, truncated, info = env.step(f"Is it cosy {'very ' * number}?")
        assert info["kind"] == "unanswered"
        assert not info["invalid"]
        assert reward == 0.0
    assert (judge.calls, judge.failures) == (6, 2)
    assert truncated  # free turns have a limit too

    env = nouns_env("tiger", answerer=TalkingModel("hm", "hm", "hm", labelled("No")), reward="upstream", turns=2)
    rewards = [env.step(text)[1] for text in ("Is it cosy?", "Is it blue-ish?", "Is it a tiger?")]
    assert rewards == pytest.approx([0.0, 0.0, 2.0 - 0.05 * 2])  # two charged turns


def test_what_the_model_raises_reaches_the_caller():
    def broken(messages):
        raise CreditGymError("The model is out.")

    with pytest.raises(CreditGymError, match="out"):
        nouns_env("tiger", answerer=broken).step("Is it cosy?")


def test_the_upstream_judge_sees_the_earlier_questions_and_the_default_one_does_not():
    for mode, sees in (("upstream", True), ("default", False)):
        model = TalkingModel(labelled("Yes"))
        env = nouns_env("tiger", answerer=model, mode=mode)
        env.step("Is it cosy?")
        env.step("Is it tidy?")
        assert ("Is it cosy?" in model.asked[1][-1]["content"]) == sees
        assert model.asked[0][0] == model.asked[1][0]  # what never changes comes first


def test_with_a_judge_the_default_mode_notices_the_same_words():
    env = nouns_env("tiger", answerer=TalkingModel(labelled("Yes")))
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
    env = GuessMyCityEnv("all", mode=mode, answerer=TalkingModel(said))
    begin_with(env, "Lima, Peru")
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


# Scenarios


def scenario_file(tmp_path):
    path = tmp_path / "scenarios.json"
    entries = [
        {"agent": "A duke is dead.", "env": "The butler Brown did it."},
        {"agent": "A count is dead.", "env": "X."},
    ]
    path.write_text(json.dumps({"train": entries, "eval": [{"agent": "", "env": "Y."}]}))
    return path


@pytest.mark.parametrize("make", SCENARIO_GAMES)
def test_published_scenario_files_are_played_by_a_judge(make, tmp_path):
    model = TalkingModel("You find a glove.")
    env = make("train", scenarios=scenario_file(tmp_path), answerer=model)
    assert env.num_tasks == 2
    _, info = env.reset(options={"task": 0})
    assert "A duke is dead." in info["task"]["goal"]
    assert "Brown" not in json.dumps(info)
    observation, _, _, _, info = env.step("Look around.")
    assert observation == "You find a glove."
    assert math.isnan(info["verifier"])
    assert info["admissible_actions"] == []
    assert "expert_actions" not in info
    assert "The butler Brown did it." in model.asked[0][1]["content"]
    with pytest.raises(CreditGymError, match="make the environment without answerer"):
        env.log_belief()
    assert make(scenarios=scenario_file(tmp_path), answerer=model).num_tasks == 3


@pytest.mark.parametrize(
    ("make", "mode", "action", "said", "kind"),
    [
        (MurderMysteryEnv, "default", "I accuse Brown.", "Goal reached", "won"),
        (MurderMysteryEnv, "default", "Brown looks suspicious.", "Goal reached", "answered"),
        (MurderMysteryEnv, "upstream", "Brown looks suspicious.", "goal reached!", "won"),
        (MurderMysteryEnv, "default", "I accuse Smith.", "You accuse Smith.", "lost"),
        (MurderMysteryEnv, "upstream", "I accuse Smith.", "You accuse Smith.", "answered"),
        (MurderMysteryEnv, "default", "Look around.", "  ", "unanswered"),
        (MurderMysteryEnv, "upstream", "Look around.", "", "answered"),
        (CustomerServiceEnv, "default", "Replace the cable.", "Goal reached", "won"),
        (CustomerServiceEnv, "default", "Is the cable loose?", "Goal reached", "answered"),
        (CustomerServiceEnv, "upstream", "Is the cable loose?", "Goal reached", "won"),
        (CustomerServiceEnv, "upstream", "Is it on? Is it off?", "Goal reached", "invalid"),
        (PersonalizationEnv, "default", "I recommend the sea.", "<answer>9/10</answer>", "won"),
        (PersonalizationEnv, "default", "I recommend the sea.", "<answer>3</answer>", "lost"),
        (PersonalizationEnv, "default", "I recommend the sea.", "It is a ten.", "unanswered"),
        (PersonalizationEnv, "default", "Do you like the sea?", "Very much.", "answered"),
    ],
)
def test_decisions_on_what_the_judge_says(make, mode, action, said, kind, tmp_path):
    options = {} if make is PersonalizationEnv else {"mode": mode}
    env = make(scenarios=scenario_file(tmp_path), answerer=TalkingModel(said), **options)
    env.reset(options={"task": 0})
    _, reward, terminated, _, info = env.step(action)
    assert info["kind"] == kind
    assert terminated == (kind in ("won", "lost"))
    if make is PersonalizationEnv and terminated:
        assert reward == pytest.approx({"won": 8 / 9, "lost": 2 / 9}[kind])
    else:
        assert reward == (kind == "won")


def test_the_default_judge_remembers_the_conversation_and_the_upstream_one_does_not(tmp_path):
    for mode, sees in (("default", True), ("upstream", False)):
        model = TalkingModel("A glove.")
        env = MurderMysteryEnv(scenarios=scenario_file(tmp_path), answerer=model, mode=mode)
        env.reset(options={"task": 0})
        env.step("Look around.")
        env.step("Look at the table.")
        assert ("Look around." in model.asked[1][1]["content"]) == sees
        assert model.asked[0][0] == model.asked[1][0]  # what never changes comes first


def test_embedded_cases_can_be_played_by_a_judge_who_is_told_all_facts():
    model = TalkingModel("Nothing.")
    env = MurderMysteryEnv("all", answerer=model)
    env.reset(seed=0)
    env.step("Look for footprints.")
    told = model.asked[0][1]["content"]
    assert f"The culprit is {env.target}." in told
    assert all(fact.question.cell(env.case.world)[0] in told for fact in env.case.puzzle.facts)


# The whole path: an agent and a judge behind one OpenAI-compatible server


def played_through_a_server(monkeypatch, verdict):
    pytest.importorskip("openai")
    from credit_gym.agents import parse_agent, run_episodes
    from credit_gym.agents.llm.asking import asker

    questions = ["Is it alive?", "Is it a tool?", "Is it heavy?", "Is it edible?"]

    def answer(seen):
        if seen.method != "POST":
            return openai_server(seen)
        messages = seen.body["messages"]
        if "You judge a game" in messages[0]["content"]:
            return Reply(chat_completion(verdict))
        return Reply(chat_completion(questions[sum(m["role"] == "assistant" for m in messages) % len(questions)]))

    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with serving(answer) as server:
        spec = f"openai:m@{server.root}/v1"
        judge = LLMJudge(asker(spec))
        episodes = run_episodes(
            lambda: TwentyQuestionsEnv(turns=4, answerer=judge, reward="upstream"),
            parse_agent(spec),
            episodes=2,
            seed=3,
            workers=2,
            progress=False,
        )
        return list(episodes), judge, len(server.posts())


@pytest.mark.slow
def test_an_agent_and_a_judge_behind_a_server_play_twenty_questions(monkeypatch):
    episodes, judge, posts = played_through_a_server(monkeypatch, "Not so. <answer>No</answer>")
    for episode in episodes:
        assert episode.error is None
        assert episode.actions == ("Is it alive?", "Is it a tool?", "Is it heavy?", "Is it edible?")
        assert episode.observations[1:] == ("no",) * 4
        assert episode.truncated
        assert episode.rewards == pytest.approx((0.0, 0.0, 0.0, -0.2))
    assert judge.failures == 0
    assert posts == 8 + judge.calls


def test_a_judge_that_talks_nonsense_is_never_charged_to_the_agent(monkeypatch):
    episodes, judge, _ = played_through_a_server(monkeypatch, "The weather is fine.")
    for episode in episodes:
        assert episode.error is None
        assert all("Nobody could answer" in text for text in episode.observations[1:])
        assert episode.rewards == (0.0,) * 4
        assert not any(episode.invalid)
        assert not episode.success
    assert judge.failures == 8
    assert judge.calls == 3 * judge.failures

"""What a run records on demand, and that scorers find what they need before anything is played."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders.commands import call, good, opened

from credit_gym.credit.needs import ALWAYS, check_needs
from credit_gym.errors import MissingColumnError
from credit_gym.scorers import get, names

GAME = ("--env", "credit/TwentyQuestions-v0", "--env-arg", "turns=4", "--episodes", "4", "--agent", "expert")


def test_beliefs_are_recorded_where_they_are_asked_for_and_a_resumed_run_knows_of_them(folder: Path) -> None:
    run_id = good("run", *GAME, "--belief", "exact", "--scorer", "delta_belief", "--group-size", "2").split()[0]
    with opened(run_id) as store:
        episodes = store.load_episodes(run_id)
        assert all(episode.log_belief is not None for episode in episodes)
        assert store.run(run_id).config["belief"] == "exact"
    good("run", "--resume", run_id, "--scorer", "contrastive")
    assert opened(run_id).load_episodes(run_id) == episodes


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((*GAME, "--scorer", "delta_belief"), "add --belief exact, or --belief hf:FOLDER"),
        ((*GAME, "--scorer", "grpo", "--scorer", "igpo"), "add --belief exact"),
        ((*GAME, "--scorer", "policy_logprob"), "play with a language model"),
        ((*GAME, "--scorer", "vine"), "it comes from ReplayTree"),
        ((*GAME, "--scorer", "role_shapley"), "whose agents have roles"),
        ((*GAME, "--belief", "nowhere"), "There is no model folder 'nowhere'"),
        ((*GAME, "--belief", "openai:m@http://127.0.0.1:1/v1"), "gives no probabilities of texts"),
        (("--env", "credit/Stochastic-v0", "--belief", "exact"), "knows no exact belief"),
    ],
)
def test_what_would_not_be_recorded_is_said_before_the_first_episode(
    folder: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    result = call("run", *arguments)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert sentence in result.stderr
    assert not Path("runs").exists()


def test_roles_are_found_where_an_environment_has_them(folder: Path) -> None:
    good("run", "--env", "credit/TeamGame-v0", "--episodes", "8", "--group-size", "8", "--scorer", "role_shapley")


@pytest.mark.parametrize("name", names())
def test_a_scorer_is_refused_if_and_only_if_it_would_miss_a_column(name: str) -> None:
    needs = get(name).needs_with({})
    check_needs([(name, {})], needs, {})
    for column in needs - ALWAYS:
        with pytest.raises(MissingColumnError, match=f"{name} needs the column '{column}'"):
            check_needs([(name, {})], needs - {column}, {})


def test_a_function_plays_from_the_command_line_with_a_prompting(folder: Path) -> None:
    Path("played_by_hand.py").write_text(
        "def answer(messages):\n"
        "    page = messages[-1]['content']\n"
        "    return 'Thought: hm.\\nAction: ' + page.split('You can ')[1].split(',')[0]\n"
    )
    spec = "played_by_hand:answer"
    command = ("run", "--env", "credit/Stochastic-v0", "--agent", spec, "--episodes", "3", "--prompting", "react")
    run_id = good(*command).split()[0]
    with opened(run_id) as store:
        assert {e.agent_id for e in store.load_episodes(run_id)} == {spec}
        assert store.run(run_id).config["settings"]["prompting"]["name"] == "react"
    refused = call("run", "--resume", run_id)
    assert (refused.exit_code, f"add --agent {spec}" in refused.stderr) == (2, True)
    good("run", "--resume", run_id, "--agent", spec)


def test_options_of_models_are_refused_where_a_class_plays(folder: Path) -> None:
    Path("played_by_class.py").write_text(
        "class Last:\n"
        "    name = 'last'\n"
        "    def act(self, contexts):\n"
        "        return [context.admissible_actions[-1] for context in contexts]\n"
    )
    command = ("run", "--env", "credit/Stochastic-v0", "--agent", "played_by_class:Last", "--episodes", "2")
    good(*command)
    assert "--prompting is for language models" in call(*command, "--prompting", "react").stderr

"""Keys on the way to credits: commands, the wrapper, stored credits and their fingerprints, settings of trainers."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
from builders.commands import call, good, opened
from builders.episodes import walk

import credit_gym  # noqa: F401 (registers the environments)
from credit_gym.agents.learning.softmax import SoftmaxAgent
from credit_gym.agents.learning.training import Training
from credit_gym.agents.score_table import ScoreTable, ScoreTableAgent
from credit_gym.credit.assign import build_targets
from credit_gym.credit.fingerprint import fingerprint
from credit_gym.credit.stored_runs import label, run_credits, score_run
from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.episode import Episode
from credit_gym.data.key_functions import function_name, read_function
from credit_gym.errors import CreditGymError, OptionError, UnknownNameError
from credit_gym.scorers import DEFAULT, check_options, read_options
from credit_gym.store import new_run
from credit_gym.wrappers import AssignCredit, RecordVerifier

OWN = """
def by_length(episode):
    return [len(observation) for observation in episode.observations]

nothing = 7
"""


def by_first_letter(episode: Episode, letters: int = 1) -> list[str]:
    return [observation[:letters] for observation in episode.observations]


def mark(key: Any) -> str:
    played = [walk("7-0"), walk("7-1", success=False, rewards=(0.0,) * 3)]
    return fingerprint(EpisodeBatch.from_episodes(played, key=key), ["7-0", "7-1"], "gigpo", {"key": key})


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_keys_for_this_test.py").write_text(OWN)
    return good(
        "run", "--env", "credit/Stochastic-v0", "--episodes", "8", "--group-size", "4", "--agent", "noisy:0.5"
    ).split()[0]


@pytest.mark.slow
def test_commands_take_every_key_and_say_which_auto_took(stored: str) -> None:
    for key in ("state", "observation", "text", "similar", "call", "calls"):
        assert f"gigpo(key={key})" in "".join(
            good("score", stored, "--scorer", "gigpo", "--option", f"key={key}").split()
        )
    for command in ("score", "targets", "report"):
        result = call(command, stored, "--scorer", "gigpo", "--option", "key=auto")
        assert result.exit_code == 0
        assert result.stderr.startswith("key=auto is state: ")
        assert result.stderr.count("\n") == 1
    with opened(stored) as store:
        assert {options["key"] for name, options in store.target_sets(stored) if name == "gigpo"} == {
            *("state", "observation", "text", "similar", "call", "calls")
        }


def page_or_table(said: str) -> str:
    return Path(said.strip()).read_text("utf-8") if said.endswith(".html\n") else "".join(said.split())


@pytest.mark.slow
def test_run_and_report_take_options_of_their_scorers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    play = ("run", "--env", "credit/Stochastic-v0", "--episodes", "4", "--group-size", "4")
    shown = good(*play, "--scorer", "crbc", "--option", "key=text")
    assert "crbc(key=text)" in "".join(shown.split())
    run_id = shown.split()[0]
    page = Path(good("report", run_id, "--scorer", "gae", "--option", "lam=0.5", "--option", "key=call").strip())
    assert "gae(key=call, lam=0.5)" in page.read_text("utf-8")
    for command in (play, ("report", run_id)):
        assert f"{DEFAULT}(key=text)" in page_or_table(good(*command, "--option", "key=text"))
        result = call(*command, "--scorer", "gae", "--option", "key=txt")
        assert (result.exit_code, result.stdout) == (2, "")
        assert "no key of gae called 'txt'; did you mean text" in result.stderr


@pytest.mark.slow
def test_a_function_is_named_on_the_command_line_and_kept_credits_say_that_it_is_one(stored: str) -> None:
    spec = "own_keys_for_this_test:by_length"
    given = ("--scorer", "gigpo", "--option", f"key={spec}")
    assert f"gigpo(key=function{spec})" in "".join(good("score", stored, *given).split())
    good("targets", stored, *given)
    with opened(stored) as store:
        assert store.target_sets(stored) == [(DEFAULT, {}), ("gigpo", {"key": f"function {spec}"})]
    result = call("report", stored)  # what a store says is never imported
    assert result.exit_code == 0
    assert f"The key '{spec}' names a function: give the function itself, or --option key={spec}" in result.stderr
    assert f"gigpo(key=function {spec})" in Path(good("report", stored, *given).strip()).read_text("utf-8")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ("no_such_module_here:key", "cannot be imported (ModuleNotFoundError: No module named 'no_such_module_here')"),
        ("own_keys_for_this_test:gone", "cannot be imported (AttributeError"),
        ("own_keys_for_this_test:", "cannot be imported (AttributeError"),
        (":by_length", "cannot be imported (ValueError"),
        ("own_keys_for_this_test:nothing", "must name a function of an episode, not a int"),
        ("math:sqrt", "The key function math:sqrt fails for episode"),
        ("belief", "no column 'log_belief'"),
        ("bogus", "no key of gigpo called 'bogus'"),
    ],
)
def test_a_key_that_is_none_is_one_sentence_everywhere(stored: str, spec: str, sentence: str) -> None:
    for command in ("score", "targets", "report"):
        result = call(command, stored, "--scorer", "gigpo", "--option", f"key={spec}")
        assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
        assert sentence in result.stderr


def test_options_take_a_function_as_it_is_and_read_its_name() -> None:
    assert check_options("gigpo", {"key": by_first_letter}, key=True) == {"key": by_first_letter}
    assert read_options("gigpo", {"key": "collections:Counter.most_common"}, key=True)["key"].__name__ == "most_common"
    with pytest.raises(OptionError, match=r"must be .*'auto', or a function \(as text, module:function\), not 7"):
        check_options("gigpo", {"key": 7}, key=True)
    with pytest.raises(UnknownNameError, match="did you mean calls"):
        check_options("gigpo", {"key": "calls "}, key=True)


def test_the_wrapper_pools_by_a_function() -> None:
    env = AssignCredit(
        RecordVerifier(gym.make("credit/Stochastic-v0")), scorer="gigpo", group_size=1, key=by_first_letter
    )
    env.reset(seed=0)
    info, over = {}, False
    while not over:
        _, _, terminated, truncated, info = env.step(env.unwrapped.action_space.sample())
        over = terminated or truncated
    assert {len(target.state_key) for target in info["targets"]} == {1}


def test_a_fingerprint_tells_keys_apart_and_functions_by_name_and_by_what_they_say() -> None:
    keys = ("state", "observation", "text", "similar", "call", "calls", "auto", by_first_letter)
    assert len({mark(key) for key in keys}) == len(keys)
    assert mark(functools.partial(by_first_letter)) == mark(by_first_letter)  # one function, the same labels
    assert mark(functools.partial(by_first_letter, letters=14)) != mark(by_first_letter)
    assert function_name(functools.partial(by_first_letter)) == f"function {__name__}:by_first_letter"
    assert function_name(read_function("json:JSONDecoder")) == "function json.decoder:JSONDecoder"


def test_credits_by_a_function_are_kept_and_found_again(tmp_path: Path) -> None:
    store, run_id = new_run(tmp_path, env_id="credit/Test-v0", agent_id="random", config={}, seed=7)
    with store:
        store.add_episodes(run_id, [walk("7-0"), walk("7-1", success=False, rewards=(0.0,) * 3)])
        played, options = store.load_episodes(run_id), {"key": by_first_letter}
        score_run(store, run_id, played, "gigpo", options)
        assert (
            store.load_credits(run_id, "gigpo", options)["7-0"]
            == run_credits(store, run_id, played, "gigpo", options)[0]
        )
        assert [t.state_key for t in store.load_targets(run_id, "gigpo", options)] == ["Y"] * 6
        assert [t.state_key for t in build_targets(played, "gigpo", **options)] == ["Y"] * 6
    assert label("gigpo", options) == f"gigpo(key=function {__name__}:by_first_letter)"


def test_who_must_act_or_go_on_by_a_key_takes_only_those_that_can() -> None:
    for make in (SoftmaxAgent, functools.partial(ScoreTableAgent, ScoreTable())):
        assert make(key="observation").key == "observation"
        with pytest.raises(UnknownNameError, match="no key of an agent called 'similar'; known: observation, state"):
            make(key="similar")
    with pytest.raises(CreditGymError, match="its key must be a name"):
        Training(env="credit/Stochastic-v0", model="m", scorer="gigpo", options={"key": by_first_letter})

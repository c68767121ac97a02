"""Options are what a scorer's own signature declares, the same in Python, in YAML and on the command line."""

from __future__ import annotations

import math
import re
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from builders.batches import Run, batch_of
from builders.commands import call, good
from builders.episodes import walk
from hypothesis import given
from hypothesis import strategies as st

import credit_gym  # noqa: F401 (registers the environments)
from credit_gym import scorers
from credit_gym.baselines.protocol.sweep import check_config
from credit_gym.credit.assign import build_targets
from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.target import pair_with_credit
from credit_gym.errors import OptionError, UnknownNameError
from credit_gym.estimation.ranges import Finite, Range
from credit_gym.scorers import Option, check_options, read_options, score, signatures
from credit_gym.scorers.signatures import declared
from credit_gym.wrappers import AssignCredit

every_scorer = pytest.mark.parametrize("scorer", scorers.names())
REFUSED = (OptionError, UnknownNameError)
BATCH = batch_of([Run(path=[0, 1, 2], actions=[0, 1]), Run(path=[0, 1], actions=[1], success=False)])


def values_that_do_not_fit(option: Option) -> list[Any]:
    """One value of every kind that an option must refuse, without None where that is allowed."""
    wrong: dict[Any, list[Any]] = {
        float: [True, np.True_, "0.5", "x", math.nan, -math.inf, [0.5], 10**400],
        int: [True, 1.0, 0.5, "1", math.nan],
        bool: [1, 0, "none", "true", 0.0],
        str: [1, True, b"mean"],
        dict: [1, "{}", ["lam"], True],
    }
    found = [*wrong[option.kind]]
    if option.choices:
        found += ["bogus", option.choices[0].upper() + " "]
    if option.range is not Finite:
        low, high = (float(end) for end in option.range.text[1:-1].split(","))
        outside = [low - 1, high + 1 if math.isfinite(high) else math.nan]
        outside += [end for end in (low, high) if math.isfinite(end) and end not in option.range]
        found += [int(end) if option.kind is int and math.isfinite(end) else end for end in outside]
    return found if option.optional else [*found, None]


@every_scorer
def test_an_option_takes_its_default_and_refuses_what_its_signature_does_not_declare(scorer: str) -> None:
    for option in scorers.get(scorer).options.values():
        assert check_options(scorer, {option.name: option.default}) == {option.name: option.default}
        for value in values_that_do_not_fit(option):
            with pytest.raises(REFUSED, match=f"{option.name} of {scorer}"):
                score(BATCH, scorer, **{option.name: value})
            with pytest.raises(REFUSED, match=f"{option.name} of {scorer}"):
                check_options(scorer, {option.name: value})


@every_scorer
def test_every_option_declares_a_type_and_the_docstring_says_its_range(scorer: str) -> None:
    text = scorers.get(scorer).function.__doc__ or ""
    for option in scorers.get(scorer).options.values():
        assert option.kind is not None, option.name
        said = re.search(rf"^        {option.name}: (.*(?:\n            .*)*)", text, re.M)
        assert said is not None, option.name
        if option.range is not Finite:
            assert option.range.text in said[1]
            assert option.range.text in option.takes


@every_scorer
def test_a_default_written_as_text_is_read_as_itself(scorer: str) -> None:
    for option in scorers.get(scorer).options.values():
        text = str(option.default)
        assert read_options(scorer, {option.name: text}) == {option.name: option.default}


@pytest.mark.parametrize(
    ("scorer", "text", "value"),
    [
        ("gae", "discount=1e-1", 0.1),
        ("gae", "discount=.5", 0.5),
        ("gae", "discount=1", 1.0),
        ("grpo", "scale=false", False),
        ("grpo", "scale=No", False),
        ("counterfactual", "draws=none", None),
        ("counterfactual", "draws=3", 3),
        ("counterfactual", "scale=none", "none"),
        ("turn_grpo_belief", "return_to_go=null", None),
        ("turn_grpo_belief", "return_to_go=1e-2", 0.01),
        ("high_water_mark", "cap=inf", math.inf),
        ("progress_advantage", "tokens=q10", "q10"),
        ("adaptive_q", "kappa=1e3", 1000.0),
    ],
)
def test_a_text_is_read_as_the_declared_type(scorer: str, text: str, value: Any) -> None:
    name, _, given = text.partition("=")
    (read,) = read_options(scorer, {name: given}).values()
    assert read == value
    assert type(read) is type(value)


REFUSALS = [
    ("grpo", "scale", "none", "The option scale of grpo must be true or false, not 'none'."),
    ("grpo", "scale", "abc", "The option scale of grpo must be true or false, not 'abc'."),
    ("grpo", "scale", "1", "The option scale of grpo must be true or false, not '1'."),
    ("gae", "lam", "2", "The option lam of gae must be a number in [0, 1], not 2."),
    ("gae", "lam", "x", "The option lam of gae must be a number in [0, 1], not 'x'."),
    ("gae", "discount", "nan", "The option discount of gae must be a number in [0, 1], not nan."),
    ("gae", "discount", "", "The option discount of gae must be a number in [0, 1], not ''."),
    ("gae", "lamb", "1", "There is no option of gae called 'lamb'; did you mean lam?"),
    ("counterfactual", "draws", "0", "The option draws of counterfactual must be a whole number in [1, inf) or none, "),
    ("counterfactual", "draws", "1.5", "must be a whole number in [1, inf) or none, not '1.5'."),
    ("counterfactual", "scale", "shrunken", "There is no scale of counterfactual called 'shrunken'; did you mean"),
    ("spa", "ridge", "0", "The option ridge of spa must be a number in (0, inf), not 0."),
    ("random", "seed", "-1", "The option seed of random must be a whole number in [0, inf), not -1."),
    ("hcapo", "weight", "inf", "The option weight of hcapo must be a number that is finite, not inf."),
    ("random", "seed", "9" * 5000, "The option seed of random must be a whole number in [0, inf), not '999"),
]


@pytest.mark.parametrize(("scorer", "name", "text", "sentence"), REFUSALS)
def test_what_does_not_fit_is_one_sentence_from_yaml_and_the_command_line(
    scorer: str, name: str, text: str, sentence: str
) -> None:
    config = {"name": "x", "environments": ["credit/Stochastic-v0"]}
    with pytest.raises(REFUSED) as found:
        check_config({**config, "scorers": [{"scorer": scorer, "options": {name: text}}]})
    assert sentence in str(found.value)
    assert "\n" not in str(found.value)
    assert len(str(found.value)) < 300
    with pytest.raises(REFUSED) as again:
        read_options(scorer, {name: text}, key=True)
    assert str(again.value)[:60] == str(found.value)[:60]


def test_a_sweep_reads_the_text_that_yaml_makes_of_a_number() -> None:
    entry = {"scorer": "gae", "options": {"discount": "1e-1", "lam": 1}}
    config = check_config({"name": "x", "environments": ["credit/Stochastic-v0"], "scorers": [entry]})
    assert config["scorers"] == [entry]
    for wrong in ({"lam": 2}, {"lam": True}, {"lam": None}, {"key": "state"}):
        with pytest.raises(REFUSED):
            check_config({**config, "scorers": [{"scorer": "gae", "options": wrong}]})


@pytest.mark.parametrize("options", [{"lam": 2}, {"lam": "0.5"}, {"lamb": 0.5}, {"key": "bogus"}, {"key": None}])
def test_targets_and_the_crediting_wrapper_check_at_once(options: dict[str, Any]) -> None:
    with pytest.raises(REFUSED):
        build_targets([], "gae", **options)
    with pytest.raises(REFUSED):
        build_targets([walk()], "gae", **options)
    with pytest.raises(REFUSED):
        AssignCredit(gym.make("credit/Stochastic-v0"), scorer="gae", **options)


def test_a_key_that_is_neither_is_refused_wherever_states_are_pooled() -> None:
    for make in (
        lambda key: EpisodeBatch.from_episodes([walk()], key=key),
        lambda key: EpisodeBatch.from_episodes([], key=key),
        lambda key: pair_with_credit([walk()], np.zeros(3), key=key),
    ):
        with pytest.raises(UnknownNameError, match="no key called 'bogus'"):
            make("bogus")


def test_plain_numbers_of_numpy_are_taken_and_come_out_as_pythons() -> None:
    given = {"weight": np.float32(0.5), "scale": np.True_, "return_to_go": np.int64(1)}
    read = check_options("turn_grpo_belief", given)
    assert read == {"weight": 0.5, "scale": True, "return_to_go": 1.0}
    assert [type(value) for value in read.values()] == [float, bool, float]
    np.testing.assert_array_equal(score(BATCH, "gae", lam=1), score(BATCH, "gae", lam=1.0))


def test_a_function_that_was_imported_checks_its_options_too() -> None:
    from credit_gym.scorers.temporal_difference import gae

    with pytest.raises(OptionError):
        gae(BATCH, lam=2.0)


def test_what_a_third_party_declares_is_enough() -> None:
    def by_mood(batch, *, share=0.5, other=None, **more):  # type: ignore[no-untyped-def]
        return batch.reward

    known = declared(by_mood)
    assert (known["share"].kind, known["other"].kind) == (float, None)
    read = signatures.read_options("by_mood", by_mood, {"share": "1e-1", "other": "[1]", "third": "x"})
    assert read == {"share": 0.1, "other": [1], "third": "x"}
    with pytest.raises(OptionError, match="share of by_mood"):
        signatures.check_options("by_mood", by_mood, {"share": "x"})


@given(st.floats(allow_nan=True))
def test_a_range_holds_what_mathematics_says(value: float) -> None:
    assert (value in Range("[0, 1]")) == (0 <= value <= 1)
    assert (value in Range("(0, 1]")) == (0 < value <= 1)
    assert (value in Range("[0, inf)")) == (0 <= value < math.inf)
    assert (value in Range("(-inf, inf)")) == math.isfinite(value)
    assert (value in Range("[0, inf]")) == (value >= 0)


@pytest.mark.usefixtures("stored")
class TestCommands:
    """The same through `credit-gym score`, on a stored run."""

    @pytest.fixture
    def stored(self, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> str:
        monkeypatch.chdir(tmp_path)
        run = ("run", "--env", "credit/Stochastic-v0", "--episodes", "4", "--group-size", "2")
        return good(*run, "--agent", "noisy:0.5").split()[0]

    def test_options_are_read_and_refused(self, stored: str) -> None:
        good("score", stored, "--scorer", "gae", "--option", "discount=1e-1", "--option", "key=observation")
        for scorer, option, sentence in (
            ("gae", "lam=2", "lam of gae must be a number in [0, 1], not 2."),
            ("gae", "discount=nan", "discount of gae must be a number in [0, 1], not nan."),
            ("gae", "key=bogus", "no key of gae called 'bogus'"),
            ("grpo", "scale=none", "scale of grpo must be true or false, not 'none'."),
        ):
            for command in ("score", "targets"):
                result = call(command, stored, "--scorer", scorer, "--option", option)
                assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
                assert sentence in result.stderr


def test_a_description_lists_what_the_options_take() -> None:
    shown = " ".join(good("scorers", "counterfactual").split())
    assert "a whole number in [1, inf) or none" in shown
    assert "draws" in shown
    assert "Options" not in good("scorers", "rloo")

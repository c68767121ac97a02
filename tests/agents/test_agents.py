import io
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Lock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from credit_gym.agents import (
    Action,
    Agent,
    Batched,
    Context,
    NoisyExpert,
    RandomAgent,
    ScoreTable,
    ScoreTableAgent,
    ScriptedExpert,
    parse_agent,
)
from credit_gym.agents.human import HumanAgent, printable
from credit_gym.data.target import TrainingTarget
from credit_gym.errors import CreditGymError, UnknownNameError
from credit_gym.metrics.differentiation import preference_table


def context(*actions, expert=None, state="s", observation="you see", seed=0, step=0):
    info = {"state_key": state} if expert is None else {"state_key": state, "expert_actions": [expert]}
    return Context("goal", observation, (), actions, info, step, seed)


def targets(*rows):
    return [TrainingTarget("e", 0, state, action, credit) for state, action, credit in rows]


# Scripted agents


def test_random_actions_are_uniform_over_the_admissible_ones():
    contexts = [context("a", "b", "c", seed=seed, step=step) for seed in range(60) for step in range(50)]
    counts = Counter(RandomAgent(1).act(contexts))
    assert set(counts) == {"a", "b", "c"}
    assert all(abs(count - 1000) < 4 * (3000 * 2 / 9) ** 0.5 for count in counts.values())


@given(seed=st.integers(0, 2**64 - 1), step=st.integers(0, 99), agent_seed=st.integers(0, 9))
def test_an_action_depends_on_its_own_context_alone(seed, step, agent_seed):
    mine = context("a", "b", "c", expert="b", seed=seed, step=step)
    others = [context("c", "d", expert="d", seed=k) for k in range(3)]
    for agent in (RandomAgent(agent_seed), NoisyExpert(0.5, agent_seed)):
        assert agent.act([*others, mine])[-1] == agent.act([mine, *others])[0]


def test_different_agent_seeds_draw_differently():
    contexts = [context(*"abcdefgh", step=step) for step in range(40)]
    assert RandomAgent(0).act(contexts) != RandomAgent(1).act(contexts)


@pytest.mark.parametrize(("epsilon", "share"), [(0.0, 1.0), (0.3, 0.7 + 0.3 / 4), (1.0, 0.25)])
def test_a_noisy_expert_errs_as_often_as_it_says(epsilon, share):
    contexts = [context("a", "b", "c", "d", expert="c", seed=seed) for seed in range(4000)]
    played = NoisyExpert(epsilon).act(contexts).count("c") / 4000
    assert abs(played - share) <= 4 * (share * (1 - share) / 4000) ** 0.5


def test_where_nothing_helps_any_more_a_noisy_expert_plays_at_random():
    lost = [context("a", "b", seed=seed)._replace(info={"expert_actions": []}) for seed in range(64)]
    assert set(NoisyExpert(0.0).act(lost)) == {"a", "b"}
    with pytest.raises(CreditGymError, match="what an expert would do"):
        NoisyExpert(0.0).act([context("a", "b")])


@pytest.mark.parametrize(
    ("agent", "sentence"),
    [(RandomAgent(), "lists no admissible actions"), (ScriptedExpert(), "what an expert would do")],
)
def test_an_agent_says_what_its_environment_lacks(agent, sentence):
    with pytest.raises(CreditGymError, match=sentence):
        agent.act([context()])


def test_an_action_is_its_text():
    action = Action("go", logprobs=[-1.0], usage={"tokens": 1})
    assert action == "go"
    assert hash(action) == hash("go")
    assert (action.logprobs, action.messages, action.usage) == ((-1.0,), (), {"tokens": 1})


# Specs


@pytest.mark.parametrize("spec", ["random", "expert", "noisy:0.25", "human"])
def test_a_spec_names_the_agent_it_builds(spec):
    agent = parse_agent(spec, seed=3)
    assert isinstance(agent, Agent)
    assert agent.name == spec


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ("expert:7", "takes no argument"),
        ("noisy", r"noisy:EPSILON"),
        ("noisy:lots", r"noisy:EPSILON"),
        ("noisy:1.5", r"\[0, 1\]"),
        ("table", "table:PATH"),
        ("table:/nowhere.json", "cannot be read"),
    ],
)
def test_a_bad_argument_is_answered_with_one_sentence(spec, sentence):
    with pytest.raises(CreditGymError, match=sentence):
        parse_agent(spec)


def test_an_unknown_agent_is_answered_with_the_nearest_known():
    with pytest.raises(UnknownNameError, match="random"):
        parse_agent("randon")


# Score table


def test_the_best_action_has_the_largest_mean_credit():
    # a: mean 2; b: mean 2.5; c: one lucky 3 among -3
    table = ScoreTable().fit(
        targets(("s", "a", 2.0), ("s", "b", 2.0), ("s", "b", 3.0), ("s", "c", 3.0), ("s", "c", -3.0))
    )
    assert table.best("s") == "b"
    assert table.best("s", ["a", "c", "never tried"]) == "a"
    assert table.best("s", ["never tried"]) is None
    assert table.best("elsewhere") is None


rows = st.lists(st.tuples(st.sampled_from("st"), st.sampled_from("abc"), st.integers(-3, 3).map(float)), max_size=12)


@given(rows, rows)
def test_fits_accumulate(first, second):
    twice = ScoreTable().fit(targets(*first)).fit(targets(*second))
    assert twice.means == preference_table(targets(*first, *second))


@given(seed=st.integers(0, 999), order=st.permutations("abcd"))
def test_a_tie_is_broken_once_and_for_all(seed, order):
    tied = targets(*(("s", action, 1.0) for action in order))
    table = ScoreTable(seed).fit(tied)
    choice = table.best("s")
    assert choice == ScoreTable(seed).fit(targets(*(("s", action, 1.0) for action in "abcd"))).best("s")
    assert table.fit(tied).best("s") == choice


def test_ties_fall_evenly_over_states():
    names = [str(number) for number in range(2000)]
    table = ScoreTable(5).fit(targets(*((name, action, 0.1 + 0.2) for name in names for action in "ab")))
    share = sum(table.best(name) == "a" for name in names) / 2000
    assert abs(share - 0.5) < 4 * (0.25 / 2000) ** 0.5


def test_rounding_does_not_break_a_tie():
    # 0.1 + 0.2 and 0.3 differ in the last bit
    for seed in range(20):
        close = ScoreTable(seed).fit(targets(("s", "a", 0.1 + 0.2), ("s", "b", 0.3)))
        exact = ScoreTable(seed).fit(targets(("s", "a", 0.3), ("s", "b", 0.3)))
        assert close.best("s") == exact.best("s")


def test_the_table_agent_plays_the_best_action_and_explores_where_it_knows_nothing():
    agent = ScoreTableAgent(ScoreTable().fit(targets(("s", "a", 1.0), ("s", "b", 0.0))))
    assert agent.act([context("a", "b", seed=k) for k in range(20)]) == ["a"] * 20
    assert set(agent.act([context("a", "b", state="new", seed=k) for k in range(20)])) == {"a", "b"}


def test_the_table_agent_can_know_states_by_what_they_look_like():
    table = ScoreTable().fit(targets(("you see", "b", 1.0)))
    assert ScoreTableAgent(table, key="observation").act([context("a", "b", state="hidden")]) == ["b"]


@given(rows=rows, seed=st.integers(0, 9))
def test_a_saved_table_comes_back_the_same(tmp_path_factory, rows, seed):
    path = tmp_path_factory.mktemp("table") / "scores.json"
    table = ScoreTable(seed).fit(targets(*rows, ("\ud800", '"</script>', 0.5)))
    table.save(path)
    again = ScoreTable.load(path)
    assert again.means == table.means
    assert [again.best(state) for state in table.means] == [table.best(state) for state in table.means]


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": "other"}', '{"format": "credit-gym score table 1"}'])
def test_a_file_that_is_no_table_is_refused_with_one_sentence(tmp_path, content):
    (tmp_path / "scores.json").write_text(content)
    with pytest.raises(CreditGymError, match="not a score table"):
        parse_agent(f"table:{tmp_path / 'scores.json'}")


# Human


def ask(answer, *actions):
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=False)
    console.input = lambda *_: answer
    (action,) = HumanAgent(console).act([context(*actions, observation="[red]\x1b[2J[/red]")])
    return action, screen.getvalue()


@pytest.mark.parametrize(("answer", "action"), [("2", "look"), (" wave ", "wave"), ("3", "3"), ("0", "0"), ("²", "²")])
def test_a_person_answers_with_a_number_or_with_any_text(answer, action):
    assert ask(answer, "go", "look")[0] == action


def test_what_the_environment_says_cannot_drive_the_terminal():
    _, screen = ask("1", "[bold]go[/bold]\x07")
    assert r"[red]\x1b[2J[/red]" in screen
    assert r"[bold]go[/bold]\x07" in screen
    assert "\x1b" not in screen


@given(st.text())
def test_printable_text_has_no_control_characters(text):
    assert all(c.isprintable() or c == "\n" for c in printable(text))


def test_the_end_of_input_leaves_the_game():
    console = Console(file=io.StringIO())

    def closed(*_):
        raise EOFError

    console.input = closed
    with pytest.raises(KeyboardInterrupt):
        HumanAgent(console).act([context("go")])


# Batching


class Echo:
    """Answers with the observation; notes the sizes of its batches and whether it was ever entered twice."""

    name = "echo"

    def __init__(self):
        self.lock = Lock()
        self.sizes = []

    def act(self, contexts):
        assert self.lock.acquire(blocking=False)
        self.sizes.append(len(contexts))
        answers = [c.observation for c in contexts]
        self.lock.release()
        return answers


def test_batched_gives_everyone_their_own_answer_and_never_enters_the_agent_twice():
    echo = Echo()
    agent = Batched(echo, limit=5)
    with ThreadPoolExecutor(8) as pool:
        asked = [[f"{thread}-{turn}"] * 3 for thread in range(8) for turn in range(50)]
        answers = list(pool.map(lambda texts: agent.act([context(observation=text) for text in texts]), asked))
    assert answers == asked
    assert max(echo.sizes) <= 5
    assert sum(echo.sizes) == 8 * 50 * 3


def test_an_error_of_a_batch_reaches_everyone_in_it_and_nobody_waits_forever():
    class Broken:
        name = "broken"

        def act(self, contexts):
            return ["only one answer"] * (len(contexts) - 1)

    agent, start = Batched(Broken()), Barrier(4)

    def ask_one(_):
        start.wait()
        with pytest.raises(ValueError):
            agent.act([context(), context()])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(ask_one, range(4)))

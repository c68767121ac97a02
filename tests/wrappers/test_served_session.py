"""A session of a served environment: what may be asked of it, what is told, forks, failures."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import pytest
from hypothesis import given
from hypothesis import strategies as st

import credit_gym  # noqa: F401 (registers the ids)
from credit_gym.errors import CreditGymError
from credit_gym.registration import ENVIRONMENTS
from credit_gym.wrappers import RecordVerifier
from credit_gym.wrappers.doors.finished_episodes import FinishedEpisodes
from credit_gym.wrappers.doors.served_session import OPTIONS, Moment, ServedGame, ServedSession
from credit_gym.wrappers.doors.served_tasks import MOST, ServedTasks

IDS = [spec.id for spec in ENVIRONMENTS]
SECRET = (
    "verifier",
    "exact_verifier",
    "expert_actions",
    "state_key",
    "context_key",
    "distance",
    "beliefs",
    "best_reward",
)
STOCHASTIC = "credit/Stochastic-v0"


def is_one_sentence(text: str) -> bool:
    return text.endswith((".", "?")) and "\n" not in text and len(text) < 300


def game(
    env_id: str = STOCHASTIC, *, splits: tuple[str, ...] = (), snapshots: int = 64, **arguments: Any
) -> ServedGame:
    def make(**chosen: str) -> gym.Env[str, str]:
        return RecordVerifier(gym.make(env_id, **arguments, **chosen))

    return ServedGame(env_id, make, splits, snapshots)


def played(session: ServedSession, number: int = 0) -> Moment:
    """Play actions on offer, the same ones for the same number, until the episode is over."""
    moment = session.moment
    assert moment is not None
    step = number
    while not moment.over:
        offered = moment.told["admissible_actions"]
        moment = session.step(offered[(7 * step + number) % len(offered)])
        step += 1
    return moment


@pytest.mark.parametrize("env_id", IDS)
def test_a_player_is_told_what_he_may_see_and_nothing_else(env_id: str) -> None:
    session = ServedSession(game(env_id))
    moment = session.reset({"seed": 4})
    told = [moment.told]
    for step in range(4):
        if not moment.over:
            moment = session.step((moment.told.get("admissible_actions") or ["look"])[step % 2 - 1])
            told.append(moment.told)
    assert told[0]["goal"]
    assert told[0]["action_format"]
    assert not {name for each in told for name in each} & {*SECRET, *(f"reward_{end}" for end in ("now", "components"))}
    assert moment.revealed == {}
    json.dumps(told)


def test_whoever_starts_the_server_may_reveal_what_only_the_game_knows() -> None:
    open_game = ServedGame(STOCHASTIC, game().make, reveal=True)
    revealed = ServedSession(open_game).reset({"seed": 0}).revealed
    assert {"verifier", "expert_actions", "state_key"} <= revealed.keys()


def test_a_seed_and_a_task_fix_an_episode_and_a_drawn_seed_is_told() -> None:
    first, second = ServedSession(game(), record=True), ServedSession(game(), record=True)
    first.reset({"task": 5, "episode_id": "mine"})
    assert first.episode_id == "mine"
    assert first.seed is not None
    second.reset({"seed": first.seed, "index": 5, "split": "all"})
    one, other = played(first), played(second)
    assert one.told == other.told
    assert first.task == second.task
    assert one.episode is not None
    assert other.episode is not None
    assert one.episode.actions == other.episode.actions
    assert one.episode.state_keys == other.episode.state_keys


WRONG: dict[str, dict[str, Any]] = {
    "an unknown key": {"sed": 1},
    "a seed that is text": {"seed": "1"},
    "a seed that is a truth value": {"seed": True},
    "a seed below 0": {"seed": -1},
    "a seed that is no whole number": {"seed": 1.5},
    "a task out of range": {"task": 10**9},
    "a task that is a list": {"task": [1]},
    "an index below 0": {"index": -1},
    "task and index": {"task": 1, "index": 1},
    "another split": {"split": "test"},
    "a split that is a number": {"split": 3},
    "an id that is long": {"episode_id": "x" * 300},
    "an unknown snapshot": {"snapshot": "s9"},
    "a snapshot with a seed": {"snapshot": "s1", "seed": 1},
}


@pytest.mark.parametrize("options", WRONG.values(), ids=WRONG.keys())
def test_a_reset_that_asks_for_what_there_is_not_is_one_sentence(options: dict[str, Any]) -> None:
    session = ServedSession(game())
    with pytest.raises(CreditGymError) as said:
        session.reset(options)
    assert is_one_sentence(str(said.value))
    assert session.reset({"seed": 1}).told["goal"]


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner))


@given(st.dictionaries(st.sampled_from(OPTIONS) | st.text(max_size=8), JSON, max_size=3))
def test_any_reset_plays_or_says_why_not(options: dict[str, Any]) -> None:
    session, said = ServedSession(game()), ""
    try:
        moment = session.reset(options)
    except CreditGymError as error:
        said = str(error)
    assert is_one_sentence(said) if said else moment.told["goal"]


def test_a_split_is_chosen_among_those_that_are_served() -> None:
    session = ServedSession(game("credit/ALFWorld-v0", splits=("train", "valid_seen"), num_tasks=6))
    assert session.reset({"seed": 0}).told["split"] == "train"
    assert session.reset({"seed": 0, "split": "valid_seen", "index": 2}).told["split"] == "valid_seen"
    with pytest.raises(CreditGymError, match="no split called 'test'"):
        session.reset({"split": "test"})


@pytest.mark.parametrize("env_id", IDS)
def test_a_snapshot_is_gone_back_to_as_often_as_one_likes(env_id: str) -> None:
    session = ServedSession(game(env_id), record=True)
    moment = session.reset({"seed": 3})
    if moment.told.get("admissible_actions"):
        moment = session.step(moment.told["admissible_actions"][0])
    if moment.over:
        pytest.skip("one step is all there is")
    here, name = session.clone()
    assert here == moment
    ends = []
    for _ in range(3):
        again = session.reset({"snapshot": name})
        assert again.told["text"] == moment.told["text"]
        assert again.told["goal"]
        assert again.reward is None
        assert session.step_count <= 1
        for step in range(3):
            if not again.over:
                again = session.step((again.told.get("admissible_actions") or ["look"])[step - 1])
        ends.append((again.told, again.reward, again.episode and again.episode.actions))
    assert ends[0] == ends[1] == ends[2]


def test_the_oldest_snapshot_is_dropped_for_another_and_all_of_them_when_the_session_ends() -> None:
    session = ServedSession(game(snapshots=2))
    session.reset({"seed": 0})
    names = [session.clone()[1] for _ in range(3)]
    for name in names[1:]:
        session.reset({"snapshot": name})
    with pytest.raises(CreditGymError, match="keeps the last 2"):
        session.reset({"snapshot": names[0]})
    session.close()
    assert not session._snapshots


class Fails(gym.Wrapper[str, str, str, str]):
    """Raises something from its second step on."""

    def __init__(self, env: gym.Env[str, str], error: Exception) -> None:
        super().__init__(env)
        self.error, self.steps = error, 0

    def step(self, action: str) -> Any:
        self.steps += 1
        if self.steps > 1:
            raise self.error
        return self.env.step(action)


def failing(error: Exception) -> ServedGame:
    make: Callable[[], gym.Env[str, str]] = game().make
    return ServedGame(STOCHASTIC, lambda: Fails(make(), error))


@pytest.mark.parametrize("error", [KeyError("the secret is amber"), RecursionError(), MemoryError("x")])
def test_a_failing_environment_costs_its_episode_one_error_that_tells_nothing(error: Exception) -> None:
    session = ServedSession(failing(error))
    moment = session.reset({"seed": 0})
    action = moment.told["admissible_actions"][0]
    session.step(action)
    with pytest.raises(CreditGymError) as said:
        session.step(action)
    assert str(said.value) == (
        f"The environment failed ({type(error).__name__}) and the episode is over: reset to begin another."
    )
    with pytest.raises(CreditGymError, match="reset to begin one"):
        session.step(action)
    assert session.reset({"seed": 0}).told == moment.told


def test_what_cannot_be_forked_says_so() -> None:
    session = ServedSession(game(max_episode_steps=5))
    session.reset({"seed": 0})
    with pytest.raises(CreditGymError, match="cannot be forked"):
        session.clone()


def test_a_step_without_an_episode_and_anything_after_the_end_is_refused() -> None:
    session = ServedSession(game())
    for ask in (lambda: session.step("x"), session.clone):
        with pytest.raises(CreditGymError, match="reset to begin one"):
            ask()
    session.reset({"seed": 0})
    played(session)
    with pytest.raises(CreditGymError, match="The episode is over"):
        session.step("x")
    session.close("Gone.")
    for ask in (lambda: session.step("x"), session.clone, lambda: session.reset({})):
        with pytest.raises(CreditGymError, match="Gone"):
            ask()


def test_tasks_are_browsed_without_a_session() -> None:
    tasks = ServedTasks(game("credit/ALFWorld-v0", splits=("train", "valid_seen"), num_tasks=6))
    assert tasks.splits() == ["train", "valid_seen"]
    assert tasks.count("train") == 6
    described = tasks.tasks("train", 2, 4)
    assert [each["index"] for each in described] == [2, 3]
    session = ServedSession(game("credit/ALFWorld-v0", num_tasks=6))
    told = session.reset({"index": 3}).told
    assert described[1] == {"index": 3, "id": told["task"], "split": told["split"], "goal": told["goal"]}
    assert tasks.task("train", 3) == described[1]
    assert tasks.preview("train") == tasks.tasks("train")
    for index in (-1, 6):
        with pytest.raises(IndexError):
            tasks.task("train", index)
    with pytest.raises(CreditGymError, match="no split called 'other'"):
        tasks.count("other")


def test_a_game_without_a_list_of_tasks_has_none_to_browse_and_is_played_by_its_seed() -> None:
    class Untold(gym.Wrapper[str, str, str, str]):
        """Says nothing of any task."""

        def reset(self, **options: Any) -> Any:
            text, info = self.env.reset(**options)
            return text, {name: value for name, value in info.items() if name != "task"}

        @property
        def unwrapped(self) -> Any:
            return self

    made = ServedGame("mine/Game-v0", lambda: Untold(game().make()))
    tasks = ServedTasks(made)
    assert tasks.splits() == [""]
    with pytest.raises(NotImplementedError):
        tasks.count("")
    session = ServedSession(made)
    assert session.reset({"seed": 1}).told["goal"] is None
    assert session.task == ""


def test_a_description_of_very_many_tasks_is_asked_for_in_parts() -> None:
    tasks = ServedTasks(game(num_tasks=MOST + 1))
    with pytest.raises(CreditGymError, match=f"at most {MOST}"):
        tasks.tasks("all")
    assert len(tasks.tasks("all", -2)) == 2


def test_the_last_episodes_of_a_task_are_compared_with_each_other() -> None:
    finished = FinishedEpisodes(group_size=2, groups=2)
    session = ServedSession(game(), record=True)
    episodes = []
    for number, task in enumerate((0, 0, 0, 1, 2)):
        session.reset({"seed": number, "task": task})
        episode = played(session, number).episode
        assert episode is not None
        episodes.append(episode)
        finished.add(episode)
    assert finished.beside(episodes[3]) == [episodes[3]]
    assert finished.beside(episodes[0]) == [episodes[0]]  # dropped with its task, the oldest of three
    finished.add(episodes[1])
    finished.add(episodes[2])
    assert finished.beside(episodes[2]) == [episodes[1], episodes[2]]
    assert finished.beside(episodes[0]) == [episodes[1], episodes[2], episodes[0]]


def test_what_was_said_in_finished_episodes_is_bounded_however_long_they_are() -> None:
    session, finished = ServedSession(game(), record=True), FinishedEpisodes(characters=20_000)
    last = None
    for number in range(8):
        moment = session.reset({"seed": number, "task": number % 2})
        while not moment.over:
            moment = session.step("x" * 300)
        assert moment.episode is not None
        finished.add(last := moment.episode)
        assert finished._held <= 20_000
        assert finished._held == sum(
            len(text)
            for kept in finished._kept.values()
            for each in kept
            for text in (*each.observations, *each.actions)
        )
    assert last in finished.beside(last)

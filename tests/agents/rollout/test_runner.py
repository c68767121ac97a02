import io
from dataclasses import replace

import gymnasium as gym
import pytest
from builders.corridor import Corridor
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from credit_gym import rng
from credit_gym.agents import Action, Batched, NoisyExpert, RandomAgent, run_episodes
from credit_gym.agents.rollout.progress_bar import episode_progress
from credit_gym.agents.rollout.run_state import episode_id
from credit_gym.errors import CreditGymError
from credit_gym.wrappers import RecordVerifier


def corridor():
    return RecordVerifier(Corridor())


AGENT = NoisyExpert(0.4, seed=2)


def run(agent=AGENT, make_env=corridor, **options):
    return run_episodes(make_env, agent, **{"episodes": 12, "seed": 7, **options})


@settings(max_examples=15)
@given(seed=st.integers(0, 2**32), workers=st.integers(2, 8), group_size=st.integers(1, 5))
def test_episodes_do_not_depend_on_the_number_of_workers(seed, workers, group_size):
    alone = run(seed=seed, group_size=group_size)
    assert run(seed=seed, group_size=group_size, workers=workers) == alone
    assert run(Batched(NoisyExpert(0.4, seed=2)), seed=seed, group_size=group_size, workers=workers) == alone


def test_episode_i_has_a_seed_and_an_id_of_its_own():
    played = run()
    assert [episode.seed for episode in played] == [rng.derive(7, number) for number in range(12)]
    assert [episode.episode_id for episode in played] == [episode_id(7, number) for number in range(12)]


def test_an_episode_can_be_played_again_from_its_record():
    for episode in run(RandomAgent(1), group_size=3):
        env = corridor()
        observation, _ = env.reset(seed=episode.seed, options={"task": int(episode.task_id[-1]) - 1})
        assert (observation, *(env.step(action)[0] for action in episode.actions)) == episode.observations


def test_the_members_of_a_group_share_the_task_but_not_the_stream():
    played = run(episodes=24, group_size=8)
    groups = [played[start : start + 8] for start in (0, 8, 16)]
    assert [{episode.task_id for episode in group} for group in groups] == [
        {"corridor-1"},
        {"corridor-2"},
        {"corridor-3"},
    ]
    assert [len({episode.group_id for episode in group}) for group in groups] == [1, 1, 1]
    assert len({episode.group_id for episode in played}) == 3
    assert len({episode.state_keys for episode in groups[2]}) > 1


class NoTaskCount(gym.Wrapper):
    def get_wrapper_attr(self, name):
        if name == "num_tasks":
            raise AttributeError(name)
        return super().get_wrapper_attr(name)

    def has_wrapper_attr(self, name):
        return name != "num_tasks" and super().has_wrapper_attr(name)


def test_without_a_task_count_the_seed_chooses_the_task_and_groups_are_refused():
    played = run(make_env=lambda: NoTaskCount(Corridor()), episodes=30)
    assert len({episode.task_id for episode in played}) == 3
    with pytest.raises(CreditGymError, match="num_tasks"):
        run(make_env=lambda: NoTaskCount(Corridor()), group_size=2)


@pytest.mark.parametrize("workers", [1, 4])
def test_an_environment_that_raises_fails_its_own_episodes_only(workers):
    envs = []

    def fragile():
        envs.append(Corridor(broken_task=1))
        return RecordVerifier(envs[-1])

    played = run(make_env=fragile, workers=workers)
    whole = run()
    for number, (episode, expected) in enumerate(zip(played, whole, strict=True)):
        if number % 3 != 1:
            assert episode == expected
        else:
            steps = len(episode)
            assert episode.error == "RuntimeError: the floor gave way"
            assert (episode.success, episode.terminated, episode.truncated) == (False, False, False)
            assert episode.actions == expected.actions[:steps]
            assert episode.observations == expected.observations[: steps + 1]
            assert steps < len(expected)
    assert all(env.closed for env in envs)


def test_an_agent_that_raises_fails_its_own_episode_only():
    class Forgetful(RandomAgent):
        def act(self, contexts):
            if contexts[0].seed == rng.derive(7, 4) and contexts[0].step == 2:
                raise TimeoutError("no answer")
            return super().act(contexts)

    played = run(Forgetful(2), workers=3)
    assert [episode.error for episode in played] == [None] * 4 + ["TimeoutError: no answer"] + [None] * 7
    assert played[4].actions == run(RandomAgent(2))[4].actions[:2]


def test_a_reset_that_raises_leaves_an_empty_record():
    class Shut(Corridor):
        def reset(self, **_):
            raise ConnectionError("closed")

    (episode,) = run(make_env=Shut, episodes=1)
    assert (len(episode), episode.error) == (0, "ConnectionError: closed")


def test_an_environment_that_cannot_be_built_ends_the_run():
    def missing():
        raise FileNotFoundError("no such game")

    with pytest.raises(FileNotFoundError):
        run(make_env=missing)


@pytest.mark.parametrize("workers", [1, 4])
def test_a_resumed_run_plays_what_is_missing_and_nothing_else(workers):
    whole = run(group_size=2)
    done = {episode_id(7, number) for number in (0, 3, 4, 11)}
    rest = run(group_size=2, resume_done=done, workers=workers)
    assert rest == [episode for episode in whole if episode.episode_id not in done]


@pytest.mark.parametrize("workers", [1, 4])
def test_an_interrupted_run_keeps_what_the_sink_has_seen_and_can_go_on(workers):
    committed, envs = [], []

    def commit(episode):
        committed.append(episode)
        if len(committed) == 5:
            raise KeyboardInterrupt

    def counted():
        envs.append(Corridor())
        return RecordVerifier(envs[-1])

    with pytest.raises(KeyboardInterrupt):
        run(make_env=counted, sink=commit, workers=workers, episodes=200)
    assert len(committed) == 5
    assert all(env.closed for env in envs)
    rest = run(episodes=200, resume_done={episode.episode_id for episode in committed})
    number = {episode_id(7, n): n for n in range(200)}
    assert sorted(committed + rest, key=lambda e: number[e.episode_id]) == run(episodes=200)


def test_an_agent_sees_the_whole_history_of_its_episode():
    seen = []

    class Watcher(RandomAgent):
        def act(self, contexts):
            seen.extend(contexts)
            return super().act(contexts)

    (episode,) = run(Watcher(), episodes=1)
    assert [context.history for context in seen] == [
        tuple(zip(episode.observations[:step], episode.actions[:step], strict=True)) for step in range(len(episode))
    ]
    assert [context.observation for context in seen] == list(episode.observations[:-1])
    assert {context.goal for context in seen} == {"Reach the end."}


def test_what_a_model_says_about_its_action_is_recorded():
    class Talker(RandomAgent):
        def act(self, contexts):
            return [Action("wait", logprobs=(-float(c.step),), usage={"tokens": 1}) for c in contexts]

    (episode,) = run(Talker(), episodes=1)
    assert episode.policy_logprobs == tuple((-float(step),) for step in range(8))
    assert episode.usage == {"tokens": 8}
    assert (episode.messages, episode.token_ids, episode.prompt_token_ids, episode.decodings) == (None,) * 4


def test_the_tokens_of_an_action_and_how_it_was_decoded_are_recorded_step_by_step():
    class Sampler(RandomAgent):
        def act(self, contexts):
            (step,) = (context.step for context in contexts)
            if step % 2:
                return ["wait"]  # an answer that says nothing about itself
            tokens = {"token_ids": (7, 0), "prompt_token_ids": tuple(range(step + 1))}
            return [Action("wait", messages=({"role": "user", "content": "?"},), decoding="exact", **tokens)]

    (episode,) = run(Sampler(), episodes=1)
    assert episode.token_ids == ((7, 0), ()) * 4
    assert episode.prompt_token_ids == tuple(() if step % 2 else tuple(range(step + 1)) for step in range(8))
    assert episode.decodings == ("exact", "") * 4
    assert episode.messages == (({"role": "user", "content": "?"},), ()) * 4
    assert {type(action) for action in episode.actions} == {str}


def test_one_context_that_a_model_cannot_answer_fails_no_other_episode_of_its_batch():
    class Overflowing(NoisyExpert):
        def act(self, contexts):
            if any(context.seed == rng.derive(7, 3) for context in contexts):
                raise ValueError("the chat is too long")
            return super().act(contexts)

    played = run(Batched(Overflowing(0.4, seed=2)), workers=12)
    assert played[3].error == "ValueError: the chat is too long"
    assert played[:3] + played[4:] == run()[:3] + run()[4:]


@pytest.mark.parametrize("bad", [{"episodes": -1}, {"workers": 0}, {"group_size": 0}])
def test_impossible_counts_are_refused(bad):
    with pytest.raises(CreditGymError, match="at least"):
        run(**bad)


def test_the_progress_line_counts_failures_apart():
    screen = io.StringIO()
    played = run(make_env=lambda: Corridor(broken_task=1))
    with episode_progress(12, visible=True, console=Console(file=screen, width=120, force_terminal=True)) as advance:
        for episode in played:
            advance(episode)
    solved = sum(episode.success for episode in played)
    assert "12/12" in screen.getvalue()
    assert f"success {solved / 8:.0%}" in screen.getvalue()
    assert "4 failed" in screen.getvalue()


def test_the_progress_line_counts_tokens_and_dollars():
    screen = io.StringIO()
    usage = {"prompt_tokens": 900.0, "completion_tokens": 100.0, "dollars": 1.25}
    with episode_progress(2, visible=True, console=Console(file=screen, width=160, force_terminal=True)) as advance:
        for episode in run(episodes=2):
            advance(replace(episode, usage=usage))
    assert "tokens/s" in screen.getvalue()
    assert "$2.50" in screen.getvalue()


def test_there_is_no_progress_bar_where_there_is_no_terminal(capsys):
    run()
    assert capsys.readouterr() == ("", "")

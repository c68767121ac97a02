"""Language models as agents, by name, against real servers: whole episodes, whatever the network does."""

import asyncio
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import gymnasium as gym
import pytest
from builders.model_servers import (
    KEY,
    OVERFLOW,
    PASSING_FAULTS,
    FaultyServer,
    Reply,
    anthropic_message,
    anthropic_server,
    chat_completion,
    openai_server,
    serving,
    vllm_server,
)

import credit_gym  # noqa: F401 - registers the environments
from credit_gym.agents import Action, Agent, Batched, Context, parse_agent, run_episodes
from credit_gym.agents.core import AsyncAgent
from credit_gym.agents.llm.agent import BatchAgent, ServerAgent
from credit_gym.agents.llm.asking import asker
from credit_gym.agents.llm.backends import BACKENDS, Settings, settings_from, settings_record
from credit_gym.agents.llm.completion import Completion
from credit_gym.agents.llm.prices import Price
from credit_gym.agents.llm.prompting import PROMPTINGS, Prompting
from credit_gym.baselines.protocol.collection import Plan, collect
from credit_gym.baselines.studies.delta_belief.__main__ import main
from credit_gym.errors import BackendError, BudgetError, CreditGymError, UnknownNameError
from credit_gym.store import Store

FAST = Settings(retries=0, timeout=10.0)
CHAT = [{"role": "user", "content": "You can say yes or no."}]


@pytest.fixture(autouse=True)
def planted_key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)


def context(step=0, seed=7, actions=("press the button", "pull the lever"), observation=None):
    said = observation or f"Floor {step}. You can {' or '.join(actions)}."
    return Context("Win.", said, (("start", "wait"),) * step, tuple(actions), {}, step, seed)


class Echo:
    """A model in this process that says the last word of each chat."""

    name = "echo"

    def __init__(self):
        self.batches = []

    def complete(self, requests, /):
        self.batches.append(len(requests))
        return [Completion(text=request.messages[-1]["content"].split()[-1].strip(".")) for request in requests]


# Agents


def test_a_model_in_this_process_is_asked_for_all_contexts_at_once():
    model = Echo()
    actions = BatchAgent(model, seed=1).act([context(observation=f"say {word}") for word in "abc"])
    assert actions == ["a", "b", "c"]
    assert model.batches == [3]
    assert all(isinstance(action, Action) for action in actions)


@pytest.mark.parametrize(("spec", "answer"), [("openai:m@{}/v1", openai_server), ("anthropic:m@{}", anthropic_server)])
def test_a_server_agent_is_an_agent_both_ways_and_gives_the_same_actions(spec, answer):
    contexts = [context(step, seed) for step in range(3) for seed in range(4)]
    with serving(answer) as server:
        agent = parse_agent(spec.format(server.root), seed=3, settings=FAST)
        assert isinstance(agent, Agent)
        assert isinstance(agent, AsyncAgent)
        blocking = agent.act(contexts)
        with ThreadPoolExecutor(4) as pool:
            threaded = [action for (action,) in pool.map(agent.act, [[one] for one in contexts])]

        async def awaited():
            inside = agent.act(contexts[:1])  # even where an event loop runs already
            actions = await asyncio.gather(*map(agent.act_async, contexts))
            await agent.close()
            return inside, actions

        inside, actions = asyncio.run(awaited())
    assert blocking == threaded == actions
    assert inside == blocking[:1]
    assert {action.decoding for action in actions} == {"exact"}
    assert all(action.usage["prompt_tokens"] == 20.0 for action in actions)
    assert [action.messages[-1]["content"] for action in actions] == [one.observation for one in contexts]


def test_closing_an_agent_cancels_what_still_waits():
    with serving(lambda seen: Reply("", delay=30.0)) as server:
        agent = parse_agent(f"anthropic:m@{server.root}", settings=FAST)

        async def closing():
            waiting = asyncio.create_task(agent.act_async(context()))
            while not server.posts():
                await asyncio.sleep(0.01)
            await agent.close()
            with pytest.raises((asyncio.CancelledError, BackendError)):
                await waiting

        asyncio.run(asyncio.wait_for(closing(), 10))


def test_the_agents_seed_reaches_the_server():
    with serving(openai_server) as server:
        for seed in (1, 2, 1):
            parse_agent(f"openai:m@{server.root}/v1", seed=seed, settings=FAST).act([context()])
        seeds = [post.body["seed"] for post in server.posts()]
    assert seeds[0] == seeds[2] != seeds[1]


def test_constrained_decoding_is_vllms_and_nearest_elsewhere():
    settings = replace(FAST, prompting=PROMPTINGS["constrained"])
    found = []
    for answer in (vllm_server, lambda seen: Reply(chat_completion("pull lever"))):
        with serving(answer) as server:
            (action,) = parse_agent(f"openai:m@{server.root}/v1", settings=settings).act([context()])
        found.append((str(action), action.decoding, action.token_ids))
    assert found == [("pull the lever", "constrained", (7, 8)), ("pull the lever", "nearest", ())]


def test_an_environment_without_listed_actions_is_played_in_free_text():
    with serving(lambda seen: Reply(chat_completion("search[red shoes]"))) as server:
        (action,) = parse_agent(f"openai:m@{server.root}/v1", settings=FAST).act([context(actions=())])
    assert (str(action), action.decoding) == ("search[red shoes]", "free")


def test_a_failure_of_one_context_is_raised_and_the_agent_goes_on():
    def answer(seen):
        bad = seen.method == "POST" and "bad" in seen.body["messages"][-1]["content"]
        return Reply(OVERFLOW, 400) if bad else openai_server(seen)

    with serving(answer) as server:
        agent = parse_agent(f"openai:m@{server.root}/v1", settings=FAST)
        with pytest.raises(BackendError, match="fewer history_turns"):
            agent.act([context(), context(observation="bad")])
        assert agent.act([context()])


# Names and settings


def test_specs_name_their_agents():
    served = parse_agent("openai:org/m@http://127.0.0.1:1/v1/")
    assert isinstance(served, ServerAgent)
    assert served.name == "openai:org/m@http://127.0.0.1:1/v1"
    assert parse_agent("anthropic:claude-x").name == "anthropic:claude-x"


def test_a_model_in_this_process_is_batched_and_its_tokens_capped(monkeypatch):
    monkeypatch.setitem(BACKENDS, "echo", lambda argument, settings: Echo())
    agent = parse_agent("echo:x", seed=5)
    assert isinstance(agent, Batched)
    assert agent.act([context(observation="say hi")]) == ["hi"]


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ("opnai:m", "did you mean openai"),
        ("openai:", "Write openai:MODEL or openai:MODEL@URL"),
        ("anthropic:", "Write anthropic:MODEL"),
        ("hf:", "Write hf:FOLDER"),
        ("vllm:", "Write vllm:FOLDER"),
        ("", "There is no agent called ''"),
    ],
)
def test_a_bad_spec_gets_one_sentence(spec, sentence):
    with pytest.raises(CreditGymError, match=sentence) as caught:
        parse_agent(spec)
    assert "\n" not in str(caught.value)


def test_a_judge_must_be_a_language_model():
    with pytest.raises(UnknownNameError, match="no language model backend called 'random'"):
        asker("random")


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"timeout": 0}, "timeout must be"),
        ({"timeout": float("nan")}, "timeout must be"),
        ({"rpm": -1}, "rpm must be"),
        ({"tpm": True}, "tpm must be"),
        ({"concurrency": 0}, "concurrency must be"),
        ({"concurrency": 1.5}, "concurrency must be"),
        ({"max_cost": "ten"}, "max_cost must be"),
        ({"retries": -1}, "retries must be"),
        ({"price": (1.0,)}, "price must be two numbers"),
    ],
)
def test_settings_that_make_no_sense_get_one_sentence(fields, sentence):
    with pytest.raises(CreditGymError, match=sentence):
        Settings(**fields)


def test_settings_survive_a_runs_configuration():
    settings = Settings(prompting=Prompting(style="tags", stop=("x",)), rpm=60, price=Price(1, 2), cache="c", retries=2)
    assert settings_from(settings_record(settings)) == settings
    assert settings_from(settings_record(Settings())) == Settings()
    with pytest.raises(UnknownNameError, match="did you mean timeout"):
        settings_from({"timout": 1})


def test_a_cost_cap_needs_a_price():
    spec = "openai:mystery@http://127.0.0.1:1/v1"
    with pytest.raises(CreditGymError, match=r"price of openai:mystery@.* is not known, so max_cost cannot hold"):
        parse_agent(spec, settings=Settings(max_cost=1.0))
    assert parse_agent(spec, settings=Settings(max_cost=1.0, price=Price(1.0, 1.0)))
    assert parse_agent("openai:gpt-4o-mini", settings=Settings(max_cost=1.0))


# Caps and caches over the network


@pytest.mark.slow
def test_a_cap_holds_to_the_request_with_fifty_in_flight():
    """20 + 2 of usage against a worst case of about 500 tokens: the cap is used up to the last fitting request."""

    def answer(seen):
        return Reply(openai_server(seen).body, delay=0.02)

    with serving(answer) as server:
        agent = parse_agent(f"openai:m@{server.root}/v1", settings=replace(FAST, max_tokens=2000, concurrency=50))
        contexts = [context(seed=seed) for seed in range(200)]

        async def play():
            return await asyncio.gather(*map(agent.act_async, contexts), return_exceptions=True)

        outcomes = asyncio.run(play())
        sent = len(server.posts())
    answered = [outcome for outcome in outcomes if isinstance(outcome, Action)]
    spent = sum(action.usage["prompt_tokens"] + action.usage["completion_tokens"] for action in answered)
    assert sent == len(answered)
    assert sum(isinstance(outcome, BudgetError) for outcome in outcomes) == 200 - sent
    assert 2000 - 600 < spent <= 2000


def test_a_replayed_agent_answers_from_the_cache_without_a_server(tmp_path):
    settings = replace(FAST, cache=str(tmp_path), price=Price(1.0, 1.0))
    with serving(openai_server) as server:
        url = f"{server.root}/v1"
        first = parse_agent(f"openai:m@{url}", settings=settings).act([context(step) for step in range(5)])
    again = parse_agent(f"openai:m@{url}", settings=settings).act([context(step) for step in range(5)])
    assert again == first
    assert all(action.usage["dollars"] > 0 for action in first)
    assert all(action.usage["dollars"] == 0 for action in again)
    assert not any(KEY.encode() in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


# Judges


def test_an_asker_blocks_inside_an_event_loop_and_in_threads():
    with serving(openai_server) as server:
        judge = asker(f"openai:m@{server.root}/v1", FAST, seed=1)
        expected = judge(CHAT)
        assert expected in {"say yes", "no"}

        async def inside():
            return judge(CHAT)

        assert asyncio.run(inside()) == expected
        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(judge, [CHAT] * 40)) == {expected}
        assert all(post.body["temperature"] == 0.0 for post in server.posts())


def test_an_asker_takes_a_model_in_this_process():
    assert asker(Echo())([{"role": "user", "content": "say hi"}]) == "hi"


# A thousand episodes


def play_stochastic(agent, episodes, **options):
    short = partial(gym.make, "credit/Stochastic-v0", max_episode_steps=4)  # a fault knows nothing of the step it meets
    return run_episodes(short, agent, episodes=episodes, seed=5, progress=False, **options)


def play(episode):
    return episode.actions, episode.rewards, episode.success


@pytest.mark.slow
@pytest.mark.parametrize(("protocol", "number"), [("openai", 1000), ("anthropic", 100)])
def test_of_a_thousand_episodes_at_twenty_percent_faults_none_is_lost_doubled_or_scored_by_mistake(
    protocol, number, tmp_path
):
    silent = {"choices": [{"message": {"content": None, "id": KEY}, "finish_reason": "content_filter"}]}
    spec, faithful, declined = {
        "openai": ("openai:m@{}/v1", openai_server, silent),
        "anthropic": ("anthropic:m@{}", anthropic_server, anthropic_message("", "refusal")),
    }[protocol]
    faults = [*PASSING_FAULTS.values(), Reply("", delay=4.0), Reply(declined)]  # the last one does not pass
    faulty = FaultyServer(faithful, 0.2, faults, seed=1)
    settings = Settings(timeout=2.0, retries=6, concurrency=32, prompting=Prompting(history_turns=2))
    path = tmp_path / "store"
    with Store.open(path) as store, serving(faulty) as server:
        run = store.start_run(env_id="credit/Stochastic-v0", agent_id=spec, seed=5)
        agent = parse_agent(spec.format(server.root), seed=2, settings=settings)
        episodes = play_stochastic(agent, number, workers=256, sink=lambda episode: store.add_episode(run, episode))
    with serving(faithful) as server:  # the same episodes over a network that never fails
        agent = parse_agent(spec.format(server.root), seed=2, settings=settings)
        untroubled = play_stochastic(agent, 50, workers=64)

    assert Counter(episode.episode_id for episode in episodes) == Counter(f"5-{k}" for k in range(number))
    failed = [episode for episode in episodes if episode.error]
    finished = [episode for episode in episodes if not episode.error]
    assert 0.15 < faulty.injected / faulty.attempts < 0.25
    assert 0 < len(failed) < 0.3 * number
    assert all(episode.error.startswith("ServerError: ") for episode in failed)
    assert any("declined to answer" in episode.error for episode in failed)
    assert all(episode.terminated or episode.truncated for episode in finished)
    assert not any(episode.terminated or episode.truncated or episode.success for episode in failed)
    calm = {episode.episode_id: play(episode) for episode in untroubled}
    for episode in episodes:
        actions, rewards, success = calm.get(episode.episode_id, play(episode))
        assert (episode.actions, episode.rewards) == (actions[: len(episode)], rewards[: len(episode)])
        assert episode.error or (len(episode), episode.success) == (len(actions), success)
    with Store.open(path) as store:
        assert sorted(store.episode_ids(run)) == sorted(episode.episode_id for episode in episodes)
        assert sum(episode.error is not None for episode in store.load_episodes(run)) == len(failed)
    assert not any(b"PLANTED" in file.read_bytes() for file in path.rglob("*") if file.is_file())


@pytest.mark.parametrize("kind", ["anthropic", "openai"])
def test_alfworld_is_collected_with_a_model_behind_a_server(kind, tmp_path):
    spec, answer = {
        "openai": ("openai:m@{}/v1", openai_server),
        "anthropic": ("anthropic:m@{}", anthropic_server),
    }[kind]
    with serving(answer) as server:
        arguments = {"max_steps": 4}
        found = collect(
            "credit/ALFWorld-v0",
            arguments,
            spec.format(server.root),
            Plan(episodes=4, group_size=2, seed=7),
            runs_dir=tmp_path,
            prompting="listed",
        )
    assert len(found.completed) == 4
    assert all(episode.messages and episode.usage["completion_tokens"] > 0 for episode in found.completed)
    assert found.comparison["branch_aware"]["states"] > 0


def test_the_published_evaluation_plays_a_model_before_a_judge(tmp_path, monkeypatch):
    """The same script, end to end: the player and the judge are both models behind a server."""

    def answer(seen):
        if seen.body is None:  # the list of models
            return openai_server(seen)
        judged = "<answer>" in str(seen.body)
        return Reply(chat_completion("<answer>No</answer>" if judged else f"Is it thing {len(seen.body['messages'])}?"))

    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    page = tmp_path / "table.md"
    with serving(answer) as server:
        spec = f"openai:m@{server.root}/v1"
        main(model=spec, judge=spec, secrets=3, repeats=2, turns=4, markdown=page)
    text = page.read_text()
    assert "Mean@2 | 0.000" in text
    assert "questions of a game | 4.00" in text
    assert "0 of 3" in text
    assert KEY not in text

"""RecordBelief: exact and model beliefs, online, postponed and after the fact."""

from __future__ import annotations

import math
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest

import credit_gym  # noqa: F401 - registers the environments
from credit_gym.data.batch import EpisodeBatch
from credit_gym.envs.information.customer_service import CustomerServiceEnv
from credit_gym.envs.information.guess_my_city import GuessMyCityEnv
from credit_gym.envs.information.murder_mystery import MurderMysteryEnv
from credit_gym.envs.information.personalization import PersonalizationEnv
from credit_gym.envs.information.twenty_questions import TwentyQuestionsEnv
from credit_gym.errors import CreditGymError
from credit_gym.wrappers import RecordEpisodes, RecordVerifier
from credit_gym.wrappers.record_belief import Reading, RecordBelief, columns, oracle

GAMES = [TwentyQuestionsEnv, GuessMyCityEnv, MurderMysteryEnv, CustomerServiceEnv, PersonalizationEnv]
WORDS = ("tiger", "apple", "hammer")


def played(env, *, seed=0, actions=None):
    """Play one game, by the expert or some actions and then nonsense; return its record."""
    _, info = env.reset(seed=seed)
    done, number = False, 0
    while not done:
        action = info["expert_actions"][0] if actions is None else [*actions, "hm"][min(number, len(actions))]
        _, _, terminated, truncated, info = env.step(action)
        done, number = terminated or truncated, number + 1
    return info["episode"]


# The exact belief


@pytest.mark.parametrize("make", GAMES)
def test_the_oracles_gains_are_the_exact_gains_of_information_and_telescope(make):
    env = RecordEpisodes(RecordBelief(RecordVerifier(make()), oracle))
    for seed in range(5):
        episode = played(env, seed=seed)
        belief = np.array(episode.log_belief)
        assert belief.shape == (len(episode) + 1,)
        np.testing.assert_allclose(np.diff(belief), episode.verifier, atol=1e-12)
        assert math.fsum(episode.verifier) == pytest.approx(belief[-1] - belief[0])
        assert belief[-1] == 0.0
        np.testing.assert_allclose(np.exp(belief) + np.exp(episode.distractor_log_belief), 1.0)


def test_the_columns_reach_a_batch():
    env = RecordEpisodes(RecordBelief(TwentyQuestionsEnv(), oracle))
    episodes = [played(env, seed=seed) for seed in range(2)]
    batch = EpisodeBatch.from_episodes(episodes)
    assert batch.log_belief.tolist() == [*episodes[0].log_belief, *episodes[1].log_belief]
    assert batch.distractor_log_belief is not None
    assert batch.anchor_log_belief is None


def test_an_environment_without_a_posterior_is_refused_in_a_sentence():
    with pytest.raises(CreditGymError, match="knows no exact belief: give RecordBelief another believer"):
        RecordBelief(gym.make("credit/Diagnostic-v0"), oracle).reset(seed=0)
    with pytest.raises(CreditGymError, match="make the environment without answerer"):
        RecordBelief(TwentyQuestionsEnv(answerer=lambda chat: ""), oracle).reset(seed=0)
    with pytest.raises(CreditGymError, match="leave postponed out"):
        RecordBelief(TwentyQuestionsEnv(), oracle, postponed=True)


def test_a_function_can_believe_and_each_episode_is_followed_anew():
    begun = []

    def believer(env):
        seen = []
        begun.append(env.unwrapped.target)

        def follow(turn):
            seen.append(turn)
            return Reading(-1.0 / len(seen), anchor_log_belief=float(len(turn.observation)))

        return follow

    env = RecordEpisodes(RecordBelief(TwentyQuestionsEnv(turns=2), believer))
    for _ in range(2):
        episode = played(env, actions=["Is it alive?"])
        assert episode.log_belief == (-1.0, -0.5, -1.0 / 3)
        assert episode.anchor_log_belief == tuple(map(float, map(len, episode.observations)))
        assert episode.distractor_log_belief is None
    assert begun == [env.unwrapped.target] * 2


def test_columns_that_were_never_read_are_left_out():
    assert columns([Reading(-1.0), Reading(-2.0)]) == {"log_belief": (-1.0, -2.0)}


# The belief of a model


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Two tiny models in memory; ``plain`` is what the naive way asks."""
    pytest.importorskip("torch").set_num_threads(1)
    transformers = pytest.importorskip("transformers")
    from builders.tiny_models import tiny_model

    from credit_gym.agents.likelihood.language_model import LanguageModel

    loaded = []
    for seed in range(2):
        folder = tiny_model(tmp_path_factory.mktemp("model"), seed=seed)
        model = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
        loaded.append(LanguageModel.of(model, transformers.AutoTokenizer.from_pretrained(folder)))
        loaded[-1].plain = model
    return loaded


def believer(models, **options):
    from credit_gym.agents.likelihood.believers import ModelBeliever

    return ModelBeliever(models[0], distractors=WORDS, anchor=models[1], **options)


def naive(lm, believer, episode, target):
    """log-probability of the target at every point: one forward pass each, over the text of the whole chat."""
    import torch

    from credit_gym.agents.core import Context
    from credit_gym.agents.likelihood.rendering import elicit
    from credit_gym.agents.llm.prompting import messages
    from credit_gym.data.action_format import declared_format

    branch, values, form = elicit(lm.tokenizer, target), [], declared_format(episode.env_id)
    for t in range(len(episode) + 1):
        history = tuple(zip(episode.observations[:t], episode.actions[:t], strict=True))
        chat = messages(Context(episode.goal, episode.observations[t], history, (), {}, t, 0, form), believer.prompting)
        prompt = lm.tokenizer.apply_chat_template(list(chat), add_generation_prompt=True, tokenize=False)
        ids = [*lm.tokenizer.encode(prompt, add_special_tokens=False), *branch.ids]
        with torch.no_grad():
            table = lm.plain(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
        places = range(len(ids) - len(branch.ids) + branch.start, len(ids) - len(branch.ids) + branch.end)
        values.append(sum(float(table[place - 1, ids[place]]) for place in places))
    return values


ACTIONS = ["Is it alive?", "Is it an animal?", "Is it a tool?", "Is it red?"]


def test_online_postponed_recorded_and_naive_beliefs_agree(models):
    from credit_gym.agents.likelihood.believers import with_beliefs

    game = gym.make("credit/TwentyQuestions-v0", turns=4).unwrapped
    online = played(RecordEpisodes(RecordBelief(game, believer(models))), actions=ACTIONS)
    target = game.target
    postponed = played(RecordEpisodes(RecordBelief(game, believer(models), postponed=True)), actions=ACTIONS)
    plain = played(RecordEpisodes(game), actions=ACTIONS)
    assert plain.log_belief is None
    targets = {task.id: task.secret for task in game.tasks}
    recorded, again = with_beliefs([plain, plain], believer(models), targets)
    assert recorded == again
    assert replace(recorded, log_belief=None, distractor_log_belief=None, anchor_log_belief=None) == plain
    expected = {
        "log_belief": naive(models[0], believer(models), plain, target),
        "anchor_log_belief": naive(models[1], believer(models), plain, target),
        "distractor_log_belief": np.logaddexp.reduce(
            [naive(models[0], believer(models), plain, word) for word in WORDS if word != target], axis=0
        ),
    }
    for name, values in expected.items():
        for episode in (online, postponed, recorded):
            np.testing.assert_allclose(getattr(episode, name), values, atol=1e-4, err_msg=name)
    assert len(set(online.log_belief)) == 5


@pytest.mark.slow
def test_one_believer_serves_many_workers_and_what_is_recorded_does_not_depend_on_them(models):
    from credit_gym.agents import parse_agent, run_episodes

    shared = believer(models)
    runs = [
        run_episodes(
            lambda: RecordBelief(TwentyQuestionsEnv(turns=3), shared),
            parse_agent("random"),
            episodes=6,
            seed=1,
            workers=workers,
            progress=False,
        )
        for workers in (1, 3)
    ]
    assert all(episode.error is None for episode in runs[0])
    for one, other in zip(*runs, strict=True):
        assert one.actions == other.actions
        assert one.log_belief == other.log_belief
        assert one.distractor_log_belief == other.distractor_log_belief


def test_a_prompting_that_forgets_turns_is_followed_exactly_too(models):
    from credit_gym.agents.llm.prompting import Prompting

    game = gym.make("credit/TwentyQuestions-v0", turns=4).unwrapped
    options = {"prompting": Prompting(history_turns=1, ask=" Well?")}
    online = played(RecordEpisodes(RecordBelief(game, believer(models, **options))), actions=ACTIONS)
    values = naive(models[0], believer(models, **options), online, game.target)
    np.testing.assert_allclose(online.log_belief, values, atol=1e-4)


def test_a_history_that_is_too_long_reads_nan_and_warns_once(models):
    from credit_gym.agents.likelihood.believers import with_beliefs

    game = gym.make("credit/TwentyQuestions-v0", turns=4).unwrapped
    whole = played(RecordEpisodes(RecordBelief(game, believer(models))), actions=ACTIONS)
    short = believer(models)
    lengths = []
    fits = short._fits
    short._fits = lambda ids, branches: lengths.append(ids.size + max(b.end for b in branches)) or fits(ids, branches)
    played(RecordEpisodes(RecordBelief(game, short)), actions=ACTIONS)
    bounded = {"max_context": lengths[2]}  # three of the five points fit
    with pytest.warns(
        UserWarning, match=f"tokens and the believer takes {lengths[2]:,}: .* NaN; take a model"
    ) as caught:
        online = played(RecordEpisodes(RecordBelief(game, believer(models, **bounded))), actions=ACTIONS)
    assert len(caught) == 1
    with pytest.warns(UserWarning, match="recorded as NaN"):
        (recorded,) = with_beliefs(
            [replace(whole, log_belief=None)], believer(models, **bounded), {whole.task_id: game.target}
        )
    for episode in (online, recorded):
        for name in ("log_belief", "distractor_log_belief", "anchor_log_belief"):
            column = getattr(episode, name)
            np.testing.assert_allclose(column[:3], getattr(whole, name)[:3], atol=1e-4)
            assert np.isnan(column[3:]).all()
    with pytest.warns(UserWarning, match="recorded as NaN"):
        nothing = played(RecordEpisodes(RecordBelief(game, believer(models, max_context=3))), actions=ACTIONS)
    assert np.isnan(nothing.log_belief).all()


def test_surface_forms_add_up_and_the_mean_divides_by_the_tokens(models):
    from credit_gym.agents.likelihood.believers import ModelBeliever
    from credit_gym.agents.likelihood.rendering import elicit

    game = gym.make("credit/TwentyQuestions-v0", turns=2).unwrapped
    one = ModelBeliever(models[0])
    episode = played(RecordEpisodes(RecordBelief(game, one)), actions=ACTIONS)
    target = game.target
    forms = naive(models[0], one, episode, target), naive(models[0], one, episode, f"a {target}")
    both = ModelBeliever(models[0], variants=lambda y: (y, f"a {y}"))
    summed = played(RecordEpisodes(RecordBelief(game, both)), actions=ACTIONS)
    np.testing.assert_allclose(summed.log_belief, np.logaddexp(*forms), atol=1e-4)
    assert summed.distractor_log_belief is None
    branch = elicit(models[0].tokenizer, target)
    mean = played(RecordEpisodes(RecordBelief(game, ModelBeliever(models[0], aggregate="mean"))), actions=ACTIONS)
    np.testing.assert_allclose(mean.log_belief, np.array(forms[0]) / (branch.end - branch.start), atol=1e-4)


def test_bad_input_gets_a_sentence(models):
    from credit_gym.agents.likelihood.believers import ModelBeliever, with_beliefs

    with pytest.raises(CreditGymError, match=r"must hold \{target\} once"):
        ModelBeliever(models[0], "Is it this?")
    with pytest.raises(CreditGymError, match="has no attribute target"):
        RecordBelief(gym.make("credit/Diagnostic-v0"), ModelBeliever(models[0])).reset(seed=0)
    episode = played(RecordEpisodes(TwentyQuestionsEnv(turns=1)), actions=ACTIONS)
    with pytest.raises(CreditGymError, match="There is no target for the task 'noun-"):
        with_beliefs([episode], ModelBeliever(models[0]), {})

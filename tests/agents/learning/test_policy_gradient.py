import numpy as np
import pytest
from builders.corridor import Corridor
from hypothesis import given
from hypothesis import strategies as st

from credit_gym.agents import run_episodes
from credit_gym.agents.learning.policy_gradient import softmax, softmax_gradient_step
from credit_gym.agents.learning.softmax import SoftmaxAgent, train_softmax
from credit_gym.data.batch import EpisodeBatch
from credit_gym.errors import BatchError
from credit_gym.scorers import score
from credit_gym.wrappers import RecordVerifier


@st.composite
def problems(draw):
    """Logits, admissible slots and credited steps."""
    states, slots, steps = draw(st.integers(1, 4)), draw(st.integers(1, 4)), draw(st.integers(0, 8))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    admissible = generator.random((states, slots)) < 0.7
    admissible[:, 0] = True
    state = generator.integers(states, size=steps)
    action = np.array([generator.choice(np.flatnonzero(admissible[s])) for s in state], dtype=np.int64)
    return generator.normal(size=(states, slots)), admissible, state, action, generator.normal(size=steps)


@given(problems())
def test_a_policy_is_a_distribution_over_the_admissible_slots(problem):
    logits, admissible, *_ = problem
    policy = softmax(logits, admissible)
    assert np.allclose(policy.sum(axis=1), 1.0)
    assert (policy[~admissible] == 0.0).all()
    assert np.allclose(softmax(logits + 1e4, admissible), policy)


def test_a_state_without_actions_has_an_empty_policy():
    assert softmax(np.ones((1, 2)), np.zeros((1, 2), dtype=bool)).tolist() == [[0.0, 0.0]]


def test_one_step_worked_by_hand():
    # pi = (1/2, 1/2): credit 2 on slot 0 and 1 on slot 1 push by 2 * (1/2, -1/2) + 1 * (-1/2, 1/2) = (1/2, -1/2)
    logits = softmax_gradient_step(
        np.zeros((2, 3)),
        np.array([[True, True, False]] * 2),
        np.array([1, 1]),
        np.array([0, 1]),
        np.array([2.0, 1.0]),
        0.1,
    )
    assert np.allclose(logits, [[0.0, 0.0, 0.0], [0.05, -0.05, 0.0]])


@given(problems())
def test_the_step_follows_the_gradient_of_the_credited_log_likelihood(problem):
    logits, admissible, state, action, credit = problem
    step = softmax_gradient_step(logits, admissible, state, action, credit, 1.0) - logits

    def likelihood(values):
        return float(credit @ np.log(softmax(values, admissible)[state, action]))

    small = 1e-5
    for index in np.argwhere(admissible):
        nudge = np.zeros_like(logits)
        nudge[tuple(index)] = small
        slope = (likelihood(logits + nudge) - likelihood(logits - nudge)) / (2 * small)
        assert abs(slope - step[tuple(index)]) < 1e-6


def corridor():
    return RecordVerifier(Corridor())


def test_the_agent_takes_the_same_step_on_texts():
    agent = SoftmaxAgent(3)
    episodes = run_episodes(corridor, agent, episodes=6, seed=1)
    batch = EpisodeBatch.from_episodes(episodes)
    credit = np.linspace(-1.0, 1.0, batch.num_steps)
    agent.update(episodes, credit, learning_rate=0.5)
    slots = ("forward", "wait", "back")
    action = np.array([slots.index(batch.action_vocabulary[a]) for a in batch.action])
    states = len(batch.state_vocabulary)
    flat = softmax_gradient_step(
        np.zeros((states, 3)), np.ones((states, 3), dtype=bool), batch.state, action, credit, 0.5
    )
    for state in np.unique(batch.state):
        learned = agent.logits[batch.state_vocabulary[state]]
        assert np.allclose([learned[name] for name in slots], flat[state])


@pytest.mark.slow
def test_the_agent_draws_from_its_softmax():
    agent = SoftmaxAgent(5)
    agent.logits = {"1:0": {"forward": 1.0, "wait": 0.0, "back": -1.0}}
    episodes = run_episodes(corridor, agent, episodes=3000, seed=2, group_size=3000)
    first = [episode.actions[0] for episode in episodes]
    expected = softmax(np.array([[1.0, 0.0, -1.0]]), np.ones((1, 3), dtype=bool))[0]
    for name, share in zip(("forward", "wait", "back"), expected, strict=True):
        assert abs(first.count(name) / 3000 - share) < 4 * (share * (1 - share) / 3000) ** 0.5


def test_an_update_needs_to_know_what_was_admissible():
    (episode,) = run_episodes(corridor, SoftmaxAgent(), episodes=1, seed=0)
    blind = type(episode)(
        **{name: getattr(episode, name) for name in episode.__dataclass_fields__ if name != "admissible_actions"}
    )
    with pytest.raises(BatchError, match="admissible"):
        SoftmaxAgent().update([blind], np.zeros(len(blind)), learning_rate=1.0)


@pytest.mark.slow
@pytest.mark.parametrize("scorer", ["outcome_only", "branch_aware"])
def test_training_learns_to_walk_and_is_the_same_with_more_workers(scorer):
    agent = SoftmaxAgent(1)
    curve = train_softmax(corridor, agent, scorer, episodes=48, seed=5, learning_rate=4.0)
    assert curve[0] < 0.8
    assert curve[-1] > 0.95
    again = SoftmaxAgent(1)
    assert train_softmax(corridor, again, scorer, episodes=48, seed=5, learning_rate=4.0, workers=4) == curve
    assert again.logits == agent.logits


def test_credits_reach_the_steps_they_were_computed_for():
    episodes = run_episodes(corridor, SoftmaxAgent(2), episodes=4, seed=9)
    credit = score(EpisodeBatch.from_episodes(episodes), "outcome_only")
    assert credit.tolist() == [episode.episode_return for episode in episodes for _ in range(len(episode))]

"""Training on belief credit where it can go wrong: the default must not collapse, and what collapses must be seen to.

A player of three moves: ``ask`` raises the belief in the truth, ``confuse`` lowers it (and the next ask wins it back,
twice), ``guess`` ends the game and wins with the probability that the belief gives. A softmax policy over moves per
turn is trained by policy gradient; nothing else is random.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from credit_gym.data.batch import EpisodeBatch
from credit_gym.scorers import score

TURNS, GROUP = 4, 64
ASK, CONFUSE, GUESS = range(3)
LEVELS = np.array([-6.0, -4.0, -2.0, -1.0, -0.05])


def play(policy: np.ndarray, generator: np.random.Generator) -> tuple[EpisodeBatch, np.ndarray]:
    """One group of games of the policy (TURNS, 3); returns the batch and each step's turn."""
    lengths, actions, beliefs, wins = [], [], [], []
    for _ in range(GROUP):
        level, row, own = 1, [], [LEVELS[1]]
        won = False
        for turn in range(TURNS):
            move = int(generator.choice(3, p=policy[turn]))
            row.append(move)
            if move == GUESS:
                won = bool(generator.random() < np.exp(LEVELS[level]))
                own.append(np.nan)
                break
            lost = move == CONFUSE
            level = 0 if lost else min(level + (2 if level == 0 else 1), len(LEVELS) - 1)
            own.append(LEVELS[level])
        lengths.append(len(row))
        actions += row
        beliefs += own
        wins.append(won)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    turns = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
    reward = np.zeros(offsets[-1])
    reward[offsets[1:] - 1] = wins
    batch = EpisodeBatch(
        offsets=offsets,
        state=turns,
        next_state=turns + 1,
        action=np.array(actions),
        reward=reward,
        group=np.zeros(GROUP, dtype=np.int64),
        task=np.zeros(GROUP, dtype=np.int64),
        success=np.array(wins),
        terminated=np.ones(GROUP, dtype=bool),
        truncated=np.zeros(GROUP, dtype=bool),
        log_belief=np.array(beliefs),
    )
    return batch, turns


def trained(name: str, *, seed: int = 0, updates: int = 200, **options: object) -> tuple[float, np.ndarray]:
    """Success at the end of training, and the policy."""
    generator = np.random.default_rng(seed)
    logits = np.zeros((TURNS, 3))
    wins = []
    for _ in range(updates):
        policy = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        batch, turns = play(policy, generator)
        credit = score(batch, name, **options)
        step = -policy[turns] * credit[:, None]
        step[np.arange(turns.size), batch.action] += credit
        np.add.at(logits, turns, 0.3 * step / GROUP)
        wins.append(batch.success.mean())
    return float(np.mean(wins[-30:])), policy


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_the_default_learns_to_ask_and_then_to_guess(seed: int) -> None:
    success, policy = trained("turn_grpo_belief", seed=seed)
    assert success > 0.8
    assert policy[:, CONFUSE].max() < 0.1


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_too_much_weight_on_belief_unlearns_guessing(seed: int) -> None:
    default, _ = trained("turn_grpo_belief", seed=seed)
    heavy, _ = trained("turn_grpo_belief", seed=seed, weight=20.0)
    assert heavy < default - 0.1


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_return_to_go_of_a_rectified_gain_teaches_to_confuse_oneself_first(seed: int) -> None:
    _, honest = trained("turn_grpo_belief", seed=seed, weight=1.0)
    _, pumped = trained("turn_grpo_belief", seed=seed, weight=1.0, return_to_go=1.0)
    assert honest[0, CONFUSE] < 0.1
    assert pumped[0, CONFUSE] > 0.5


@pytest.mark.slow
def test_the_high_water_mark_cannot_be_pumped() -> None:
    _, policy = trained("turn_grpo_belief", belief="high_water_mark", weight=1.0, return_to_go=1.0)
    assert policy[0, CONFUSE] < 0.1


def test_zeroing_the_gain_of_refused_turns_does_not_stop_the_pump_but_the_mark_does() -> None:
    """The refused turn loses belief for nothing, the next one is paid for finding it again."""
    generator = np.random.default_rng(0)
    batch, _ = play(np.tile([0.0, 1.0, 0.0], (TURNS, 1)) * [[1]] + 0.0, generator)
    pumped = replace(batch, log_belief=np.tile([-4.0, -6.0, -2.0, -6.0, -2.0], GROUP), invalid=batch.step % 2 == 0)
    assert score(pumped, "delta_belief").reshape(GROUP, TURNS)[0].tolist() == [0.0, 4.0, 0.0, 4.0]
    assert score(pumped, "high_water_mark").reshape(GROUP, TURNS)[0].tolist() == [0.0, 2.0, 0.0, 0.0]

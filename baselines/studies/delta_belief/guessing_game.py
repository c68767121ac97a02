"""The guessing game in tokens: 64 entities, 24 yes/no attributes, three tokens a turn, eight turns.

A turn is ``ask attribute yes|no`` or ``guess entity win|lose``, which ends the game; anything else is answered ``huh``.
Every game has its turns at the same positions, so that a batch of games is one rectangle of token ids.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from credit_gym.data.grouping import BoolArray, FloatArray, IntArray

ENTITIES, ATTRIBUTES, TURNS = 64, 24, 8
SHARES = (0.5,) * 12 + (0.25,) * 6 + (0.0625,) * 6
"""Share of the entities that have each attribute: half of the questions are good, the last ones nearly useless."""

BOS, ASK, GUESS, YES, NO, WIN, LOSE, HUH, ELICIT = range(9)
FIRST_ATTRIBUTE = 9
FIRST_ENTITY = FIRST_ATTRIBUTE + ATTRIBUTES
VOCABULARY = FIRST_ENTITY + ENTITIES
LENGTH = 1 + 3 * TURNS
WORDS = (
    *("<bos>", "ask", "guess", "yes", "no", "win", "lose", "huh", "is"),
    *(f"attribute{j}" for j in range(ATTRIBUTES)),
    *(f"entity{i}" for i in range(ENTITIES)),
)


class Answers(NamedTuple):
    """What a batch of turns is answered.

    Attributes:
        reply: (B,) token.
        legal: (B,) whether the turn was understood.
        ended: (B,) whether it was a guess.
        won: (B,) whether it was the right one.
    """

    reply: IntArray
    legal: BoolArray
    ended: BoolArray
    won: BoolArray


@dataclass(frozen=True)
class Table:
    """Which entity has which attribute: (64, 24) bool, rows distinct."""

    has: BoolArray

    def answer(self, verb: IntArray, word: IntArray, secret: IntArray) -> Answers:
        """Answer one turn of each of B games."""
        attribute, entity = word - FIRST_ATTRIBUTE, word - FIRST_ENTITY
        asks = (verb == ASK) & (attribute >= 0) & (attribute < ATTRIBUTES)
        guesses = (verb == GUESS) & (entity >= 0)
        yes = self.has[secret, np.clip(attribute, 0, ATTRIBUTES - 1)]
        won = guesses & (entity == secret)
        reply = np.where(asks, np.where(yes, YES, NO), np.where(guesses, np.where(won, WIN, LOSE), HUH))
        return Answers(reply, asks | guesses, guesses, won)

    def log_posterior(self, tokens: IntArray, secret: IntArray) -> FloatArray:
        """Exact log-belief in the secret before each turn and after the last, uniform prior.

        Args:
            tokens: (B, LENGTH) games.
            secret: (B,) entities.

        Returns:
            (B, TURNS + 1) float64, nats; a lost guess rules its entity out, a won one leaves certainty.
        """
        possible = np.ones((len(tokens), ENTITIES), dtype=np.bool_)
        beliefs = [np.full(len(tokens), -np.log(ENTITIES))]
        for turn in range(TURNS):
            verb, word, reply = tokens[:, 1 + 3 * turn : 4 + 3 * turn].T
            attribute = np.clip(word - FIRST_ATTRIBUTE, 0, ATTRIBUTES - 1)
            asked = (verb == ASK) & ((reply == YES) | (reply == NO))
            possible &= np.where(asked[:, None], self.has.T[attribute] == (reply == YES)[:, None], True)
            named = np.arange(ENTITIES) == (word - FIRST_ENTITY)[:, None]
            possible &= np.where((reply == LOSE)[:, None], ~named, True)
            possible &= np.where((reply == WIN)[:, None], named, True)
            beliefs.append(-np.log(possible.sum(axis=1)))
        return np.stack(beliefs, axis=1)


def make_table(seed: int = 0) -> Table:
    """Draw a table whose rows are all distinct."""
    generator = np.random.default_rng(seed)
    while True:
        has = generator.random((ENTITIES, ATTRIBUTES)) < np.array(SHARES)
        if len(np.unique(has, axis=0)) == ENTITIES:
            return Table(has)


def random_games(table: Table, count: int, generator: np.random.Generator) -> tuple[IntArray, IntArray, IntArray]:
    """Games of a player that asks 3 to 7 different random questions and guesses an entity that fits the answers.

    Returns:
        tokens: (count, LENGTH), BOS after the end.
        secret: (count,).
        turns: (count,) number of turns, the guess included.
    """
    secret = generator.integers(ENTITIES, size=count)
    questions = generator.integers(3, TURNS, size=count)
    order = generator.random((count, ATTRIBUTES)).argsort(axis=1)[:, :TURNS]
    asked = np.arange(TURNS)[None, :] < questions[:, None]
    yes = np.take_along_axis(table.has[secret], order, axis=1)
    fits = (table.has[:, order] == yes[None]) | ~asked[None]  # (64, count, TURNS)
    possible = fits.all(axis=2).T
    guess = np.where(possible, generator.random((count, ENTITIES)), -1.0).argmax(axis=1)
    tokens = np.full((count, LENGTH), BOS, dtype=np.int64)
    for turn in range(TURNS):
        column = tokens[:, 1 + 3 * turn : 4 + 3 * turn]
        column[:, 0] = np.where(asked[:, turn], ASK, np.where(turn == questions, GUESS, BOS))
        column[:, 1] = np.where(asked[:, turn], FIRST_ATTRIBUTE + order[:, turn], BOS)
        column[:, 2] = np.where(asked[:, turn], np.where(yes[:, turn], YES, NO), BOS)
        last = turn == questions
        column[last, 1] = FIRST_ENTITY + guess[last]
        column[last, 2] = np.where(guess == secret, WIN, LOSE)[last]
    return tokens, secret, questions + 1

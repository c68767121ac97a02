"""Which scorer for a run, what it should save against GRPO, what to beware of, and why.

The default scorer stands unless the map of regimes says that another one is 1.25 times cheaper, over its whole
interval, at the points nearest to the run; one that reads the verifier only where outcomes bear that out or the
environment declares it exact. Where no key tells states apart it is GRPO, which pools none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from credit_gym.credit.advice import Advice, Caution
from credit_gym.credit.regime_map import CEILING, Nearby, nearby, place, shipped_map
from credit_gym.credit.run_facts import RunFacts, run_facts
from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.episode import Episode
from credit_gym.data.keys import ENOUGH, FRESH, Key, Recurrence, choose_key, measure_keys
from credit_gym.data.soundness import sound
from credit_gym.errors import BatchError, MissingColumnError, ReadingError
from credit_gym.metrics.statistics import Estimate
from credit_gym.scorers import DEFAULT, get, names

OUTCOMES = "grpo"
"""The scorer that all others are compared with."""
CHEAPER = 1.25
"""How many times cheaper than the default a scorer must be to be named in its place."""

_RARE = 0.05  # share of the later steps below which nothing recurs
_TELLING = 0.5  # an agreement that may be as large is not ruled out
_FAR = 3.0  # units beyond which a run lies off the map


def advise(run: EpisodeBatch | Iterable[Episode]) -> Advice:
    """Say which scorer fits some episodes.

    Args:
        run: episodes, of which those that did not complete are left out; or a batch, whose states stay as they are.

    Returns:
        The advice.

    Raises:
        BatchError: no episode completed with a step.
    """
    states = _as_given(run) if isinstance(run, EpisodeBatch) else _pooled(run)
    if not states.batch.num_steps:
        raise BatchError("No episode completed with a step, so there is nothing to go by: play or import some first.")
    facts = run_facts(states.batch)
    near = nearby(place(facts), shipped_map()) if _learnable(facts) and not facts.single else None
    scorer = OUTCOMES if states.blind else _scorer(states.batch, facts, near)
    expected = near.ratio(scorer, OUTCOMES) if near else Estimate(1.0, 1.0, 1.0) if _learnable(facts) else None
    return Advice(
        scorer=scorer,
        options={} if states.key == "state" or scorer == OUTCOMES else {"key": states.key},
        facts=facts,
        keys=states.keys,
        expected=expected,
        ceiling=near.ratio(CEILING, OUTCOMES) if near else None,
        points=tuple(point.name for point in near.points) if near else (),
        distance=near.distance if near else float("nan"),
        reasons=tuple(_reasons(states, facts, scorer, near)),
        cautions=tuple(_cautions(states, facts, near)),
    )


class _States(NamedTuple):
    """A batch, the key its states are told apart by, what every key gives, and whether none tells them apart.

    ``given`` is the number of episodes with those that are left out.
    """

    batch: EpisodeBatch
    key: Key
    keys: tuple[Recurrence, ...]
    blind: bool
    given: int


def _as_given(batch: EpisodeBatch) -> _States:
    return _States(batch, "state", (), False, batch.num_episodes)


def _pooled(run: Iterable[Episode]) -> _States:
    given = list(run)
    completed = [episode for episode in given if episode.error is None]
    try:
        EpisodeBatch.from_episodes(completed)
    except ReadingError:
        completed = sound(completed)
    chosen = choose_key(completed)
    true_states = any(episode.state_keys != episode.observations for episode in completed)
    blind = not true_states and chosen.key == "state" and chosen.later >= ENOUGH and chosen.fresh < FRESH
    batch = EpisodeBatch.from_episodes(completed, key=chosen.key)
    return _States(batch, chosen.key, tuple(measure_keys(completed).values()), blind, len(given))


def _learnable(facts: RunFacts) -> bool:
    """Whether something tells better episodes from worse ones, as a verifier may where all are lost."""
    return facts.group_size > 1 and (facts.mixed > 0.0 or (facts.believed > 0.0 and facts.won < 0.5))


def _scorer(batch: EpisodeBatch, facts: RunFacts, near: Nearby | None) -> str:
    """The default, or the cheapest of those that are cheaper by enough."""
    if near is None:
        return DEFAULT
    found = []
    for name in sorted(near.scorers & {*names()} - {DEFAULT}):
        ratio = near.ratio(name, DEFAULT)
        if ratio is not None and ratio.high <= 1.0 / CHEAPER and _can_run(name, batch, facts):
            found.append((ratio.value, name))
    return min(found)[1] if found else DEFAULT


def _can_run(name: str, batch: EpisodeBatch, facts: RunFacts) -> bool:
    """Whether a scorer finds what it needs, and a verifier that can be relied on if that is among it."""
    needs = get(name).needs
    try:
        for column in needs:
            batch.require(column)
    except MissingColumnError:
        return False
    return "verifier" not in needs or _reliable(facts)


def _reliable(facts: RunFacts) -> bool:
    if facts.agreement is None:
        return facts.exact
    return facts.agreement.low > 0.0 or (facts.exact and facts.agreement.high >= 0.0)


def _reasons(states: _States, facts: RunFacts, scorer: str, near: Nearby | None) -> Iterator[str]:
    if states.key != "state":
        yield from _why_the_key(states, facts)
    if states.blind:
        yield "no key tells states apart, so a scorer that pools them would learn of steps that are not alike"
    elif near and scorer != DEFAULT:
        yield f"at those points it needs {near.ratio(scorer, DEFAULT):.2f} of the episodes of the default, {DEFAULT}"
    else:
        yield _why_the_default(facts)


def _why_the_key(states: _States, facts: RunFacts) -> Iterator[str]:
    before = next((found.later for found in states.keys if found.key == "state"), facts.recurrence)
    here = f"under key={states.key} {facts.recurrence:.0%} of the later steps recur"
    if before < _RARE:
        yield f"as they are no states recur and the default is grpo; {here}"
    elif before < facts.recurrence:
        yield f"as they are {before:.0%} of the later steps recur; {here}"
    elif before > facts.recurrence:
        yield f"as they are the same few states come again and again; {here}, and they differ within an episode"


def _why_the_default(facts: RunFacts) -> str:
    if facts.single:
        return "a step that is alone in its episode earns what the episode did, as with grpo"
    sources = []
    if facts.recurrence >= _RARE:
        sources.append("what others met in the same states")
    if facts.density and _reliable(facts):
        sources.append("the verifier")
    if not sources:
        return "nothing recurs and no verifier is borne out: there the default credits every step as grpo does"
    return f"beside the outcome the default reads {' and '.join(sources)}, as far as outcomes bear it out"


def _cautions(states: _States, facts: RunFacts, near: Nearby | None) -> Iterator[Caution]:
    if states.given > facts.episodes:
        yield Caution(
            "left out", f"{states.given - facts.episodes} of {states.given} episodes did not complete soundly."
        )
    if facts.unlike > 0.0:
        told = f"{facts.unlike:.0%} of the groups compare episodes of several tasks"
        yield Caution(
            "unlike tasks", f"{told}, and what is easy is credited as good; give each task groups of its own."
        )
    if facts.groups < 2:
        yield Caution("one group", "no other group can bear out what this one says; play more tasks.")
    if facts.group_size <= 1:
        yield Caution("groups of one", "episodes are compared within groups; play each task several times.")
    elif facts.mixed == 0.0:
        remedy = "harder tasks" if facts.success > 0.5 else "easier tasks or a better agent"
        told = f"in no group does one episode return more than another ({facts.success:.0%} are solved)"
        yield Caution("no outcome evidence", f"{told}; play {remedy}.")
    if facts.single:
        yield Caution("single steps", "no episode has two steps, so there is no outcome to divide among them.")
    elif states.blind:
        yield Caution("blind states", "the same few texts come again and again; give a key that says what matters.")
    elif facts.recurrence < _RARE:
        best = max(states.keys, key=lambda found: found.later, default=None)
        most = f"most do under key={best.key}, {best.later:.0%}" if best and best.later > 0.0 else "under no key more"
        yield Caution(
            "nothing recurs", f"steps are credited by the outcome alone ({most}); a key of your own may help."
        )
    yield from _verifier_cautions(facts)
    if near and near.distance > _FAR:
        yield Caution("far from the map", f"the nearest point is {near.distance:.1f} units away; expect anything.")


def _verifier_cautions(facts: RunFacts) -> Iterator[Caution]:
    agreement = facts.agreement
    if facts.density == 0.0:
        yield Caution("silent verifier", "its readings are all 0 or missing.")
    elif agreement is not None and agreement.high < 0.0:
        yield Caution(
            "misleading verifier", "lost episodes read higher than won ones; use no scorer that relies on it."
        )
    elif agreement is not None and agreement.low <= 0.0 and agreement.high < _TELLING:
        yield Caution("uninformative verifier", "its readings do not tell won from lost episodes.")
    elif facts.density is not None and not _reliable(facts):
        yield Caution(
            "unproven verifier",
            "too few groups have both outcomes to check it; play more, or declare it if it is an exact potential.",
        )

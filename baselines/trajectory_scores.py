"""Every training-free score of whole trajectories, from one batch with token log-probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from credit_gym.batch import EpisodeBatch
from credit_gym.episode import Episode
from credit_gym.errors import CreditGymError
from credit_gym.grouping import FloatArray
from credit_gym.scorers import get, score
from credit_gym.token_scores import aggregate_steps
from credit_gym.uncertainty import auroc

if TYPE_CHECKING:
    from credit_gym.agents.engine.model import LanguageModel
    from credit_gym.agents.engine.transcripts import Transcript

STEP_SCORES: dict[str, dict[str, Any]] = {
    "progress_advantage": {},
    "progress_advantage_centred": {},
    "policy_logprob": {},
    "reference_logprob": {},
    "self_certainty": {},
    "negative_entropy": {},
}
"""Scorers whose options include ``tokens``."""

_CHANCE = 1_000_003  # a stream that nothing else draws from

TOKENS = ("mean", "sum", "last", "min", "max")
STEPS = ("mean", "sum", "last", "min", "max", "bottom10")


def trajectory_scores(batch: EpisodeBatch, *, tokens: str = "mean", steps: str = "mean") -> dict[str, FloatArray]:
    """Return every score that the batch's columns allow, and the controls.

    The aggregation is the same for all and chosen beforehand; DeepConf's two forms fix the one over steps.

    Args:
        batch: the episodes.
        tokens: token aggregation.
        steps: step aggregation.

    Returns:
        Name -> (E,) float64, higher meaning success; NaN where an episode has no step.
    """
    found = {
        name: aggregate_steps(score(batch, name, tokens=tokens), batch.offsets, steps)
        for name in STEP_SCORES
        if all(getattr(batch, column) is not None for column in get(name).needs)
    }
    if "self_certainty" in found:
        certainty = score(batch, "self_certainty", tokens=tokens)
        found["deepconf_tail"] = aggregate_steps(certainty, batch.offsets, "last")
        found["deepconf_bottom10"] = aggregate_steps(certainty, batch.offsets, "bottom10")
    return found | controls(batch)


def controls(batch: EpisodeBatch) -> dict[str, FloatArray]:
    """The scores that know nothing of probabilities: fewer steps, fewer tokens, and chance."""
    found = {"fewer steps": -batch.lengths.astype(np.float64)}
    if batch.logprob_offsets is not None:
        found["fewer tokens"] = aggregate_steps(score(batch, "brevity"), batch.offsets, "sum")
    found["random"] = np.random.default_rng(_CHANCE).random(batch.num_episodes)
    return found


def nested_choice(batch: EpisodeBatch, name: str, *, folds: int = 5) -> tuple[float, tuple[tuple[str, str], ...]]:
    """AUROC of a score whose aggregation is tuned honestly: chosen on the other tasks, measured on the held-out ones.

    Tasks are dealt to folds by their number. The best of thirty aggregations chosen on the very episodes it is reported
    on would beat chance by several points with scores that know nothing.

    Returns:
        Mean AUROC over the folds that hold both outcomes, and the (token, step) aggregation chosen in each.
    """
    grid = {
        (tokens, steps): aggregate_steps(score(batch, name, tokens=tokens), batch.offsets, steps)
        for tokens in TOKENS
        for steps in STEPS
    }
    fold = batch.task % folds
    values, chosen = [], []
    for held_out in range(folds):
        test = fold == held_out
        if batch.success[test].all() or not batch.success[test].any():
            continue
        best = max(grid, key=lambda pair: _finite(auroc(grid[pair][~test], batch.success[~test])))
        values.append(auroc(grid[best][test], batch.success[test]))
        chosen.append(best)
    return float(np.mean(values)) if values else float("nan"), tuple(chosen)


def language_model(spec: str) -> LanguageModel:
    """Return the model of a spec ``hf:PATH`` for the engine; nothing is loaded yet.

    Raises:
        CreditGymError: the spec names no such model.
    """
    from credit_gym.agents.engine.model import LanguageModel

    kind, _, path = spec.partition(":")
    if kind != "hf" or not path:
        raise CreditGymError(f"Scoring needs a model's own probabilities: give hf:PATH, not {spec!r}.")
    return LanguageModel(path)


def recorded_batch(
    policy: str, reference: str, *, run: str = "", tau2: Path | None = None, trials: Path | None = None, form: str = ""
) -> EpisodeBatch:
    """Return finished episodes with every token column, scored by two models of one vocabulary.

    A run whose tokens were recorded is scored on those; everything else on its text.

    Args:
        policy: ``hf:PATH``.
        reference: ``hf:PATH``.
        run: id or folder of a stored run.
        tau2: a results file of tau2; ungraded conversations are left out.
        trials: a best-of-n folder, ``trial_{i}/{domain}.json``.
        form: how text becomes tokens; by default ``chat`` if the policy has a chat template, else ``plain``.

    Raises:
        CreditGymError: not exactly one source is given, a source is damaged, or nothing in it was graded.
    """
    if not policy or not reference:
        raise CreditGymError("Scoring recorded episodes needs --policy hf:PATH and --reference hf:PATH.")
    if sum(map(bool, (run, tau2, trials))) != 1:
        raise CreditGymError("Give one of --run, --tau2 and --trials, not several.")
    from credit_gym.agents.engine.transcripts import from_episode, read_simulations, read_trials

    models = language_model(policy), language_model(reference)
    if not run:
        found = read_simulations(tau2) if tau2 else read_trials(trials) if trials else []
        return _text_batch([each for each in found if each.reward is not None], *models, form)
    episodes = [episode for episode in _stored(run) if episode.error is None]
    if not form and episodes and all(e.token_ids is not None and e.prompt_token_ids is not None for e in episodes):
        from credit_gym.agents.engine.recorded import with_policy_scores, with_reference_scores

        scored = with_policy_scores(models[0], episodes)
        return EpisodeBatch.from_episodes(with_reference_scores(models[1], scored, policy=models[0]))
    return _text_batch([from_episode(episode) for episode in episodes], *models, form)


def _stored(run: str) -> list[Episode]:
    from credit_gym.store.folders import find

    store, name = find(run, Path("runs"))
    if name.startswith("group_"):
        raise CreditGymError(f"{name} is a sweep: give one of its runs.")
    return store.load_episodes(name)


def _text_batch(
    found: Sequence[Transcript], policy: LanguageModel, reference: LanguageModel, form: str
) -> EpisodeBatch:
    from credit_gym.agents.engine.divergence import token_divergence
    from credit_gym.agents.engine.logprobs import score_tokens
    from credit_gym.agents.engine.transcripts import sequences

    if not found:
        raise CreditGymError("There is nothing to score: no episode in it is complete and graded.")
    form = form or ("chat" if policy.tokenizer.chat_template else "plain")
    rendered = [each for transcript in found for each in sequences(transcript, policy.tokenizer, form=form)]
    own, other = score_tokens(policy, rendered), score_tokens(reference, rendered)
    columns = {
        "policy_logprobs": own.logprob,
        "policy_entropies": own.entropy,
        "policy_top_logprobs": own.top_k_mean,
        "reference_logprobs": other.logprob,
        "policy_kls": token_divergence(policy, reference, rendered),
    }
    spans = pairwise(own.offsets)
    return EpisodeBatch.from_episodes(
        _as_episode(transcript, form, [next(spans) for _ in transcript.turns], columns) for transcript in found
    )


def _as_episode(
    transcript: Transcript, form: str, spans: Sequence[tuple[int, int]], columns: Mapping[str, Any]
) -> Episode:
    """The actions of a transcript as steps; what was said between them is not needed any more."""
    steps = [index for index, action in enumerate(transcript.actions(form)) if action]
    own: Any = {
        name: tuple(tuple(map(float, flat[slice(*spans[index])])) for index in steps) for name, flat in columns.items()
    }
    success = (transcript.reward or 0.0) >= 1.0
    blank = ("",) * (len(steps) + 1)
    return Episode(
        env_id="recorded",
        task_id=transcript.task_id,
        group_id=transcript.task_id,
        episode_id=f"{transcript.trial}-{transcript.task_id}-{transcript.id}",
        observations=blank,
        state_keys=blank,
        actions=tuple(transcript.turns[index].content for index in steps),
        rewards=(*(0.0,) * (len(steps) - 1), transcript.reward or 0.0)[-len(steps) :] if steps else (),
        success=success,
        terminated=True,
        truncated=False,
        **own,
    )


def _finite(value: float) -> float:
    return value if np.isfinite(value) else 0.0

"""Batch after batch by one scorer, which is told how far the verifier agreed with the outcomes of those before.

A batch whose groups are each all won or all lost says nothing of a verifier; what earlier ones said holds there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.foreign_text import file_text, read_json
from credit_gym.data.grouping import FloatArray
from credit_gym.errors import StoreError
from credit_gym.estimation.trust import Trust
from credit_gym.scorers import check_options, get, score
from credit_gym.scorers.evidence_lambda import verifier_trust

TRUST = "trust.json"
_OPTIONS = frozenset({"trust", "trust_weight"})
_OF_THIS_PROCESS: dict[str, TrustingScorer] = {}


def remembering(scorer: str, options: Mapping[str, Any]) -> TrustingScorer:
    """Return the one scorer of this process that has a name and options: it remembers as long as the process lives.

    For trainers that hand over a batch at a time and keep nothing of ours between two.

    Args:
        scorer: a registered scorer.
        options: its keyword options.

    Raises:
        UnknownNameError: no scorer has that name.
    """
    called = f"{scorer} {sorted(options.items())}"
    if called not in _OF_THIS_PROCESS:
        _OF_THIS_PROCESS[called] = TrustingScorer(scorer, options)
    return _OF_THIS_PROCESS[called]


class TrustingScorer:
    """Scores the batches of one learner, one after another.

    Where the scorer has the options ``trust`` and ``trust_weight`` it is told what the batches before taught of the
    verifier; one of them that is given stays as it is, and nothing is remembered.

    Args:
        scorer: a registered scorer.
        options: its keyword options.
        known: what is known of the verifier before the first batch; None leaves it to what the environment declares.

    Attributes:
        known: what is known by now, None where nothing is remembered or no verifier was seen.

    Raises:
        UnknownNameError: no scorer has that name.
    """

    def __init__(self, scorer: str, options: Mapping[str, Any] | None = None, known: Trust | None = None) -> None:
        self._scorer, self._options = scorer, dict(options or {})
        given = any(self._options.get(name) is not None for name in _OPTIONS)
        self._remembers = get(scorer).options.keys() >= _OPTIONS and not given
        self._how = {name: value for name, value in self._options.items() if name == "pseudo_count"}
        self.known = known if self._remembers else None

    def __call__(self, batch: EpisodeBatch) -> FloatArray:
        """Return the credit of every step, (S,) float64, by what was known before this batch; then learn from it."""
        if not self._remembers:
            return score(batch, self._scorer, **self._options)
        told = {} if self.known is None else {"trust": self.known.agreement, "trust_weight": self.known.weight}
        credit = score(batch, self._scorer, **{**self._options, **told})
        if batch.verifier is not None:
            self.known = verifier_trust(batch, self.known, **self._how)
        return credit

    @property
    def summary(self) -> dict[str, float]:
        """What a training log says of it: ``trust`` and ``trust_weight``; nothing where nothing is known."""
        return {} if self.known is None else {"trust": self.known.agreement, "trust_weight": self.known.weight}

    def save(self, folder: Path) -> None:
        """Write what is known into the folder of a checkpoint.

        Raises:
            StoreError: it cannot be written.
        """
        if self.known is None:
            return
        try:
            (folder / TRUST).write_text(json.dumps(self.known._asdict()), encoding="utf-8")
        except OSError as error:
            raise StoreError(f"{folder / TRUST} cannot be written ({error}): free some space.") from error

    def load(self, folder: Path) -> None:
        """Go on from what a checkpoint knew; one that knew nothing leaves it so.

        Raises:
            StoreError: it cannot be read.
        """
        path = folder / TRUST
        if not self._remembers or not path.exists():
            return
        try:
            record = read_json(file_text(path))
            known = Trust(float(record["agreement"]), float(record["weight"]))
            check_options(self._scorer, {"trust": known.agreement, "trust_weight": known.weight})
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StoreError(f"{path} is damaged ({error}): delete its folder to go on from the one before.") from None
        self.known = known

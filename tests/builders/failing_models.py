"""Language models that make trouble in worker processes."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from credit_gym.agents.likelihood.language_model import LanguageModel


class Doomed(LanguageModel):
    """Kills the process that loads it: the first one, or every one."""

    def __init__(self, folder: Path, note: Path, *, always: bool = False) -> None:
        super().__init__(folder)
        self.note, self.always = note, always

    @property
    def network(self) -> Any:
        if self.always or not self.note.exists():
            self.note.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().network


class Elsewhere(LanguageModel):
    """Another model in every process but one."""

    def __init__(self, folder: Path, home: int) -> None:
        super().__init__(folder)
        self.home = home

    @property
    def identity(self) -> str:
        return super().identity if os.getpid() == self.home else "another"

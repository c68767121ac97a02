"""One published table or study: the command that makes it, and the claims that its tables answer."""

from __future__ import annotations

from dataclasses import dataclass

from credit_gym.baselines.claims.claim import Claim


@dataclass(frozen=True, slots=True)
class Reproduction:
    """A table or a study that is made by one command.

    Attributes:
        name: as it is asked for.
        what: one line about it.
        source: what was published, and where.
        module: of the baselines, ``python -m credit_gym.baselines.MODULE``.
        options: of its command; ``{NAME}`` is the folder in which another one, or it itself, keeps its runs.
        quick: further options, for a look at it in minutes.
        quick_seconds: of a processor that the quick look took, as measured; None where it was not.
        claims: that its tables answer.
        large: the options with which a language model is put in the place of the one made here; empty where none is.
        variable: of the environment, naming the folder of published data without which it cannot be made.
    """

    name: str
    what: str
    source: str
    module: str
    options: tuple[str, ...] = ()
    quick: tuple[str, ...] = ()
    quick_seconds: float | None = None
    claims: tuple[Claim, ...] = ()
    large: str = ""
    variable: str = ""

    @property
    def reads(self) -> tuple[str, ...]:
        """What stands in braces in its options: others whose runs it reads, variables, itself."""
        return tuple(option[1:-1] for option in self.options if option.startswith("{") and option.endswith("}"))

"""How much of a list of words is playable by rules, how the expert fares on it, and how far the rules answer rightly.

    python -m credit_gym.baselines.studies.published_lists [--nouns FILE] [--cities FILE] [--games N] [--markdown FILE]

For every list: the share of its words that the rules of the package alone can play, and those with WordNet
(``WORDNET_DIR``) or the tables of cities (extra ``cities``); and the expert's success and questions among them. Then
the agreement of the answers with 300 judgements that were made by hand (``noun_judgements.yaml``), with a Wilson
interval at 95 %: on all, on those judged yes, on those judged no. An agreement below 0.9 is named as such.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from credit_gym.baselines.protocol.experiment import save_json
from credit_gym.baselines.protocol.options import JsonFile, MarkdownFile, PlotFolder
from credit_gym.baselines.protocol.publish import publish
from credit_gym.data.foreign_text import file_text, read_yaml
from credit_gym.envs.information.candidates import CandidateEnv
from credit_gym.envs.information.grammar import Grammar
from credit_gym.envs.information.guess_my_city import GuessMyCityEnv
from credit_gym.envs.information.sources import read_scenarios
from credit_gym.envs.information.taxonomy import noun_world
from credit_gym.envs.information.twenty_questions import TwentyQuestionsEnv
from credit_gym.envs.information.wordnet import HOW_TO_GET_IT, wordnet_folder
from credit_gym.errors import CreditGymError, ManifestError
from credit_gym.report import Table
from credit_gym.report.command import run as run_command

JUDGED = Path(__file__).with_name("noun_judgements.yaml")
ENOUGH = 0.9

Lists = list[Path]


class Agreement(NamedTuple):
    """How often the rules answer as a person does.

    Attributes:
        right: answers that agree.
        total: questions that a person answered yes or no.
    """

    right: int
    total: int

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's interval at 95 %."""
        z, share = 1.959964, self.right / self.total
        middle = share + z * z / (2 * self.total)
        width = z * math.sqrt(share * (1 - share) / self.total + z * z / (4 * self.total**2))
        return (middle - width) / (1 + z * z / self.total), (middle + width) / (1 + z * z / self.total)


def agreement(grammar: Grammar, judged: Sequence[Sequence[str]]) -> dict[str, Agreement]:
    """Return how far answers agree with judgements, in all and by judgement; what "depends" is left out.

    Args:
        grammar: reads the questions; a noun that its world lacks, or a question that it cannot read, counts as wrong.
        judged: (noun, judgement, question) of each.
    """
    counts = {"all": Agreement(0, 0), "yes": Agreement(0, 0), "no": Agreement(0, 0)}
    for noun, judgement, text in judged:
        question, thing = grammar.parse(text), grammar.world.index.get(noun)
        right = question is not None and thing is not None and question.cell(thing)[0] == judgement
        for key in ("all", judgement) if judgement in ("yes", "no") else ():
            counts[key] = Agreement(counts[key].right + right, counts[key].total + 1)
    return counts


def judgements() -> list[list[str]]:
    """Return the judgements that lie beside this file."""
    return [list(map(str, row)) for row in read_yaml(file_text(JUDGED))]


def expert_games(env: CandidateEnv, games: int) -> tuple[float, float]:
    """Return the expert's success and mean number of questions on secrets spread evenly over an environment's."""
    won = asked = 0
    chosen = range(0, env.num_tasks, max(1, env.num_tasks // games))
    for task in chosen:
        _, info = env.reset(seed=0, options={"task": task})
        while "success" not in info:
            info = env.step(info["expert_actions"][0])[4]
        won, asked = won + bool(info["success"]), asked + len(env.asked)
    return won / len(chosen), asked / len(chosen)


def main(
    nouns: Annotated[Lists | None, typer.Option(help="A list of nouns; repeatable.")] = None,
    cities: Annotated[Lists | None, typer.Option(help="A list of cities; repeatable.")] = None,
    games: Annotated[int, typer.Option(min=1, help="About how many games of the expert on each.")] = 1000,
    markdown: MarkdownFile = None,
    json: JsonFile = None,
    plots: PlotFolder = None,
) -> None:
    """Measure lists of nouns and of cities, and the answers about nouns."""
    folder = wordnet_folder()
    if folder is None:
        raise CreditGymError(f"There is nothing to measure without WordNet: {HOW_TO_GET_IT}.")
    lists = [(TwentyQuestionsEnv, path) for path in nouns or ()] + [(GuessMyCityEnv, path) for path in cities or ()]
    rows = [row for make, path in lists for row in _list_rows(make, path, games)]
    judged = judgements()
    words = tuple(dict.fromkeys(noun for noun, _, _ in judged))
    found = agreement(Grammar(noun_world(words, str(folder))), judged)
    tables = [_agreement_table(found)]
    if rows:
        head = ("list", "rules", "playable", "expert wins", "questions")
        tables.insert(0, Table("Words that can be played by rules, and the expert among them", head, tuple(rows)))
    publish(tables, markdown, plots)
    if json is not None:
        save_json(json, {"games": games}, {key: [each.right, each.total] for key, each in found.items()})


def _list_rows(make: Callable[..., CandidateEnv], path: Path, games: int) -> Iterator[tuple[str, ...]]:
    whole = len({scenario.secret for scenario in read_scenarios(path)})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the table says what is left out
        for name, env in (("the package alone", _by_package(make, path)), ("with its tables", make(words=path))):
            if env is not None:
                won, asked = expert_games(env, games)
                share = f"{env.num_tasks} of {whole} ({100 * env.num_tasks / whole:.1f} %)"
                yield path.name, name, share, f"{100 * won:.1f} %", f"{asked:.2f}"


def _by_package(make: Callable[..., CandidateEnv], path: Path) -> CandidateEnv | None:
    """The game of the words that the package knows without anything beside it, None for none."""

    class Alone(make):  # type: ignore[valid-type, misc]
        def _rules(self, secrets: Sequence[str]) -> Any:
            return super()._rules(())

    try:
        env: CandidateEnv = Alone(words=path)
    except ManifestError:
        return None
    return env


def _agreement_table(found: dict[str, Agreement]) -> Table:
    rows = []
    for key, each in found.items():
        share, (low, high) = each.right / each.total, each.interval
        said = "" if share >= ENOUGH else f"below {ENOUGH}"
        rows.append((key, f"{each.right} of {each.total}", f"{share:.3f} [{low:.3f}, {high:.3f}]", said))
    return Table("Answers of the rules against judgements by hand", ("judged", "right", "agreement", ""), tuple(rows))


if __name__ == "__main__":
    run_command(main)

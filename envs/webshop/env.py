"""credit/WebShop-v0: buy what an instruction asks for, by the published rules."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import gymnasium as gym

from credit_gym.data.action_families import Family
from credit_gym.data.action_format import ActionFormat
from credit_gym.envs.file_stamp import Stamp, stamp
from credit_gym.envs.text_env import TextEnv, task_number
from credit_gym.envs.webshop.catalogue import Catalogue, RawData, build_catalogue, read_catalogue
from credit_gym.envs.webshop.generate import generate
from credit_gym.envs.webshop.goals import Lottery, make_goals
from credit_gym.envs.webshop.nouns import BUNDLED
from credit_gym.envs.webshop.pages import SEPARATOR, Node, done_page, heading, show_html, show_rich, show_text
from credit_gym.envs.webshop.progress import Progress
from credit_gym.envs.webshop.rules import Game, Quirks, State
from credit_gym.envs.webshop.search import Index, load_or_build
from credit_gym.errors import unknown
from credit_gym.estimation.ranges import Count, Whole

Moment = tuple[str, dict[str, Any]]
Mode = Literal["text", "text_rich", "html", "url"]

_TITLE = Node("text", "WebShop")


class Snapshot(NamedTuple):
    """One moment of an episode; it fits every environment with the same shop and goals."""

    stream: int | None
    task: int
    state: State
    steps: int
    verifier: float
    invalid: bool
    past: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Shop:
    """A catalogue and the index of its search engine."""

    catalogue: Catalogue
    index: Index


class WebShopEnv(TextEnv):
    """WebShop (Yao et al., 2022): search, read, choose options, buy.

    Actions are ``search[words]`` and ``click[text]``. What is refused changes nothing and counts as a step. Buying ends
    the episode and earns a reward in [0, 1]; 1 is success. ``info["admissible_actions"]`` lists the clicks, and where
    there is a search field three searches that can be read off the instruction; any other is as good.

    ``info`` also has ``best_reward`` (the most that can still be earned within the step limit), ``reward_now`` (what
    buying now would earn, 0 where one cannot buy), at the end ``reward_components``, and ``expert_actions`` (first
    actions of the shortest ways to that best purchase). ``info["verifier"]`` is the change of
    ``best_reward * (1 - steps_to_it / (max_steps + 1))``: positive for an expert's action, 0 for an idle one while time
    is plenty, negative for one that leads away. Its sum is the reward less what the start was worth. That is an exact
    potential of the page and the steps left, which ``info["exact_verifier"]`` declares.

    Args:
        split: ``train``, ``eval``, ``test`` or ``all``.
        goals: ``human`` or ``synthetic``.
        observation: ``text``, ``text_rich``, ``html`` or ``url``.
        max_steps: the episode is truncated after this many steps; the paper's agents had 100.
        num_products: how many products the shop has; None takes every one of the real data.
        max_goals: keep only so many goals.
        compat: True keeps the oddities of the published environment, a collection of names keeps those
            (:class:`~credit_gym.envs.webshop.rules.Quirks`).
        show_attributes: whether a product's page leads to its attributes.
        num_prev_obs: show so many earlier pages, and
        num_prev_actions: so many earlier actions, before each page, oldest first and with ``[SEP]`` between them.
        catalogue_seed: seed of the invented catalogue and of the drawn prices.
        data: the folder of the published files. By default the variable ``WEBSHOP_DATA``; where that is unset, the
            catalogue is invented.
        expert: whether ``info`` has ``expert_actions``.
        render_mode: ``ansi`` or None.

    Raises:
        UnknownNameError: there is no such split, kind of goals, mode or quirk.
        ManifestError: a data file is missing or malformed.
    """

    action_format = ActionFormat(
        how="Write search[words], where there is a search field, or click[text] of something on the page, on one line.",
        examples=("search[red running shoes]", "click[next >]", "click[buy now]"),
        families=(
            Family(
                "search",
                "search[{words}]",
                "Search the shop, where there is a search field.",
                (("words", "What for."),),
            ),
            Family(
                "click",
                "click[{text}]",
                "Click something on the page.",
                (("text", "The text of it, such as next > or buy now."),),
            ),
        ),
    )

    limit_argument = "max_steps"
    exact_verifier = True
    ends_when = "Terminates with the purchase; truncated after `max_steps` actions."
    data_from = (
        "A catalogue invented here from `catalogue_seed=`, or the published files in the folder that `data=` or "
        "WEBSHOP_DATA names; goals are split into `train`, `eval` and `test`, or `all`."
    )
    published = (
        "WebShop (Yao et al., 2022; its licence allows academic and research use only, and nothing of it is "
        "shipped). Oddities of the published environment are corrected unless `compat=True` keeps them; its "
        "agents had 100 steps."
    )
    reward_rule = "What was bought, in [0, 1] by its type, attributes, options and price; 1 is success."
    verifier_rule = "The change of what the best purchase in reach is worth, steps included."
    own_info_keys = MappingProxyType(
        {
            "best_reward": "the most that can still be earned",
            "reward_now": "what buying now would earn",
            "reward_components": "at the end: the parts of the reward",
        }
    )

    def __init__(
        self,
        split: str = "train",
        *,
        goals: str = "human",
        observation: Mode = "text",
        max_steps: Count = 15,
        num_products: Count | None = 1000,
        max_goals: Count | None = None,
        compat: bool | Collection[str] = False,
        show_attributes: bool = False,
        num_prev_obs: Whole = 0,
        num_prev_actions: Whole = 0,
        catalogue_seed: Whole = 0,
        data: str | os.PathLike[str] | None = None,
        expert: bool = True,
        render_mode: str | None = None,
    ) -> None:
        super().__init__(render_mode=render_mode)
        if observation not in _SHOW:
            raise unknown("observation mode", observation, _SHOW)
        folder = data if data is not None else os.environ.get("WEBSHOP_DATA") or None
        shop = open_shop(None if folder is None else Path(folder), num_products, catalogue_seed)
        self.max_steps = max_steps
        self.goals = make_goals(shop.catalogue, goals, split=split, limit=max_goals)
        self.game = Game(shop.catalogue, shop.index, Quirks.of(compat), show_attributes=show_attributes)
        self._show = _SHOW[observation]
        self._expert = expert
        self._shown_again = (num_prev_obs, num_prev_actions)
        self._remembered = 2 * max(self._shown_again) + 1
        self._lottery = Lottery([goal.weight for goal in self.goals], off_by_one=self.game.quirks.skip_first_goal)
        self._progress_of = lru_cache(1024)(lambda task: Progress(self.game, self.goals[task]))
        self._task = -1
        self._state: State | None = None
        self._steps = 0
        self._verifier = 0.0
        self._invalid = False
        self._past: tuple[str, ...] = ()  # pages and the actions between them; the last page is the open one

    @property
    def num_tasks(self) -> int:
        """Number of goals that ``reset`` chooses from."""
        return len(self.goals)

    @property
    def most_steps(self) -> int:
        """The step limit."""
        return self.max_steps

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Moment:
        """Start an episode; ``options={"task": i}`` picks the goal, else the seed does."""
        task = self._lottery.draw(self.seed_episode(seed))
        if options is not None and "task" in options:
            task = task_number(options["task"], len(self.goals))
        self._load(task)
        return self._at(State(), 0)

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Take an action.

        Raises:
            ResetNeeded: the episode is over, or has not begun.
        """
        before = self._state
        if before is None or self._steps >= self.max_steps or (before.page == "done" and not self.game.quirks.play_on):
            raise gym.error.ResetNeeded("There is no episode under way: call reset() first.")
        worth = self._worth
        after = self.game.move(before, action)
        past = (*self._past, action)
        observation, info = self._at(before if after is None else after, self._steps + 1, past, invalid=after is None)
        info["verifier"] = self._verifier = self._worth - worth
        bought = after is not None and after.page == "done"
        earned = self._outlook.now if bought else 0 if self.game.quirks.integer_zero else 0.0
        return observation, earned, bought, self._steps >= self.max_steps and not bought, info

    def render(self) -> str | None:
        """Return the page in ``ansi`` mode."""
        return self._observe(self._state) if self.render_mode == "ansi" and self._state is not None else None

    def clone_state(self) -> Snapshot:
        """Return this moment of the episode as a small picklable tuple.

        Raises:
            ResetNeeded: no episode has begun.
        """
        if self._state is None:
            raise gym.error.ResetNeeded("There is no episode to clone: call reset() first.")
        past = self._past[:-1]
        return Snapshot(self.stream, self._task, self._state, self._steps, self._verifier, self._invalid, past)

    def restore_state(self, state: Snapshot) -> Moment:
        """Continue from a clone, which may come from another environment with the same shop and goals."""
        self.stream = state.stream
        self._load(state.task)
        return self._at(state.state, state.steps, state.past, state.verifier, invalid=state.invalid)

    def _load(self, task: int) -> None:
        if task != self._task:
            self._task, self._goal = task, self.goals[task]
            self._progress = self._progress_of(task)
            self._heading = heading(self._goal.instruction)
            self._heading_text = show_text(self._heading)
            self._searches = [f"search[{query}]" for query in self._progress.queries]

    def _at(
        self, state: State, steps: int, past: tuple[str, ...] = (), verifier: float = 0.0, *, invalid: bool = False
    ) -> Moment:
        """Move to a moment of an episode, which pages and actions came before; return its observation and info."""
        self._state, self._steps, self._verifier, self._invalid = state, steps, verifier, invalid
        self._outlook = outlook = self._progress.outlook(state, self.max_steps - steps)
        best, done = outlook.best, state.page == "done"
        self._worth = best.reward * (1.0 - best.steps / (self.max_steps + 1))
        info: dict[str, Any] = {
            "task": {"id": self._goal.id, "split": self._goal.split, "goal": self._goal.instruction},
            "state_key": outlook.key,
            "admissible_actions": list(self._searches if state.page == "start" else self.game.view(state).actions),
            "verifier": verifier,
            "exact_verifier": self.exact_verifier,
            "best_reward": best.reward,
            "reward_now": outlook.now,
            "invalid": invalid,
            "step_limit": self.max_steps,
            "steps_left": self.max_steps - steps,
        }
        if self._expert:
            info["expert_actions"] = list(outlook.actions)
        if done:
            info["reward_components"] = self._progress.reward(state.product, state.options).components()
        if done or steps >= self.max_steps:
            info["success"] = done and outlook.now == 1.0
        self._past = (*past, self._observe(state))[-self._remembered :]
        return self._with_history(), info

    def _with_history(self) -> str:
        """The open page, after the pages and actions that are to be shown again."""
        if len(self._past) == 1:
            return self._past[0]
        ages = range(len(self._past) - 1, -1, -1)  # those of actions are odd
        return SEPARATOR.join(
            text for age, text in zip(ages, self._past, strict=True) if age <= 2 * self._shown_again[age % 2]
        )

    def _observe(self, state: State) -> str:
        return self._show(self, state)

    def _text(self, state: State) -> str:
        if state.page in ("start", "done"):
            return show_text(self._nodes(state))
        return f"{self._heading_text}{SEPARATOR}{self.game.view(state).text}"

    def _rich(self, state: State) -> str:
        visited = {self.game.catalogue.products[number].asin for number in state.visited}
        return show_rich(self._nodes(state), self._url(state), visited)

    def _html(self, state: State) -> str:
        return show_html(self._nodes(state), _TITLE.text)

    def _url(self, state: State) -> str:
        return self.game.url(state, str(self._task))

    def _nodes(self, state: State) -> tuple[Node, ...]:
        if state.page == "done":
            score = self._outlook.now if self.game.quirks.show_score else None
            return done_page(self.game.catalogue.products[state.product], dict(state.options), score)
        title = (_TITLE,) if state.page == "start" else ()
        return (*title, *self._heading, *self.game.view(state).nodes)


_SHOW: dict[str, Callable[[WebShopEnv, State], str]] = {
    "text": WebShopEnv._text,
    "text_rich": WebShopEnv._rich,
    "html": WebShopEnv._html,
    "url": WebShopEnv._url,
}


def open_shop(folder: Path | None, num_products: int | None = 1000, seed: int = 0) -> Shop:
    """Return a shop: the catalogue of a data folder, or an invented one, and its search index.

    It is opened once a process, and again when the folder changed.

    Raises:
        ManifestError: a data file is missing or malformed.
    """
    return _shop(folder, num_products, seed, () if folder is None else stamp(folder))


@lru_cache(maxsize=4)
def _shop(folder: Path | None, num_products: int | None, seed: int, _: Stamp) -> Shop:
    if folder is None:
        invented = generate(1000 if num_products is None else num_products, seed)
        catalogue = build_catalogue(
            RawData(
                ((str(number), record) for number, record in enumerate(invented.products)),
                invented.annotations.items(),
                invented.requests.items(),
                ("the invented products", "their annotations", "their requests"),
            ),
            BUNDLED,
            seed=seed,
        )
    else:
        catalogue = read_catalogue(folder, num_products=num_products, seed=seed)
    asins = [product.asin for product in catalogue.products]
    return Shop(catalogue, load_or_build(catalogue.documents, ids=asins))

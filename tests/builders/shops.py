"""Shops for the tests of WebShop: small invented ones, a hostile one, and the walks that are hashed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from credit_gym.envs.webshop.env import WebShopEnv
from credit_gym.envs.webshop.generate import RawCatalogue, generate, write
from credit_gym.envs.webshop.nouns import bundled_nouns

NASTY_TEXTS = (
    "<b>bold</b> & <!-- remark --> &amp; \"quoted\" 'single'",
    "two\nlines\r\nand\ttabs",
    "\u00a0no-break\u00a0space\u00a0",
    "{{ template }} {% raw %}",
    "emoji \U0001f600 \u00ae \u2122 \u4e2d\u6587",
    " ",
    "\n",
    "",
)
NASTY_VALUES = (
    "Buy Now", "< Prev", "Back to Search", "Next >", "Search", "Description", "attributes", "a[b", "a]b", "x/y", "",
    " spaced ", "\n", "<i>", "\u00c9t\u00e9", '"quoted"', "1\n2", "\u0130",
)  # fmt: skip


def hostile(raw: RawCatalogue, seed: int = 7) -> RawCatalogue:
    """The same catalogue with every second product made as unpleasant as the schema allows."""
    random = Random(seed)
    for record in raw.products[::2]:
        record["name"] += f" {random.choice(NASTY_TEXTS)}"
        record["full_description"] = random.choice((*NASTY_TEXTS, None))
        record["small_description"] = random.choice(
            ([], None, "one text", [random.choice(NASTY_TEXTS) for _ in range(3)])
        )
        record["pricing"] = random.choice(("$5.00$7.50$9.99", "$1,234.50", "", None, "$0.00"))
        record["images"] = random.choice(([], None, ["x"]))
        options = record["customization_options"]
        for name in list(options)[:1]:
            options[name] = random.choice((None, [], options[name]))
        options["Odd"] = [{"value": value} for value in random.sample(NASTY_VALUES, 6)]
        options["odder"] = [{"value": value} for value in random.sample(NASTY_VALUES, 6)]
    for requests in list(raw.requests.values())[::3]:
        requests[0]["instruction"] += f" {random.choice(NASTY_TEXTS)}."
        requests[0]["instruction_options"] = [value.lower() for value in random.sample(NASTY_VALUES, 2)]
    return raw


def save(raw: RawCatalogue, folder: Path) -> Path:
    """Write a catalogue where ``WebShopEnv(data=...)`` finds it, its nouns included."""
    write(raw, folder)
    nouns = {record["asin"]: bundled_nouns(record["name"]) for record in raw.products}
    (folder / "items_nouns.json").write_text(json.dumps({"tagger": "table", "nouns": nouns}), encoding="utf-8")
    return folder


def folders(root: Path) -> dict[str, Path]:
    """The two catalogues that the recorded walks are taken in."""
    return {
        "plain": save(generate(200, seed=7), root / "plain"),
        "nasty": save(hostile(generate(200, seed=7)), root / "nasty"),
    }


VARIANTS: dict[str, dict[str, Any]] = {
    "text": {},
    "synthetic": {"goals": "synthetic", "show_attributes": True},
    "rich": {"observation": "text_rich", "compat": True},
    "html": {"observation": "html", "show_attributes": True},
    "url": {"observation": "url", "compat": True, "goals": "synthetic"},
}
STEPS, BLOCK = 2000, 100


def walk(env: WebShopEnv, steps: int, seed: int) -> Iterator[tuple[str, float, bool, bool, dict[str, Any]]]:
    """A random walk of clicks (a fifth of them in capitals), searches of all kinds and malformed actions."""
    random = Random(seed)
    _, info = env.reset(seed=seed)
    for _ in range(steps):
        step = env.step(_action(env, info, random))
        yield step
        *_, terminated, truncated, info = step
        if terminated or truncated:
            _, info = env.reset()


def _action(env: WebShopEnv, info: dict[str, Any], random: Random) -> str:
    fate = random.random()
    if fate < 0.05:
        return random.choice(
            ("", "click", "search[]", "click[nothing]", "CLICK[buy now]", " search[a]", "a[b[c]", "\ud800")
        )
    if fate < 0.15:
        products = env.game.catalogue.products
        query = random.choice(
            (random.choice(products).title, info["task"]["goal"], "free", "\u4e2d\u6587 \u00ae", "item_page")
        )
        return f"search[{query}]"
    action = random.choice(info["admissible_actions"] or ["click[buy now]"])
    return f"click[{action[6:-1].upper()}]" if action.startswith("click[") and random.random() < 0.2 else action


def digests(folder: Path, **variant: Any) -> list[str]:
    """One digest for every hundred steps of a walk, each of all that could be seen and clicked until then."""
    env = WebShopEnv("all", data=folder, max_steps=25, **variant)
    digest, found = hashlib.sha256(), []
    for number, (observation, reward, terminated, truncated, info) in enumerate(walk(env, STEPS, 11), start=1):
        seen = (observation, float(reward), terminated, truncated, info["admissible_actions"], info["invalid"])
        digest.update(repr(seen).encode("utf-8", "surrogatepass"))
        if number % BLOCK == 0:
            found.append(digest.hexdigest()[:12])
    return found


if __name__ == "__main__":
    import sys
    import tempfile

    with tempfile.TemporaryDirectory() as root:
        recorded = {
            f"{shop}-{name}": digests(folder, **variant)
            for shop, folder in folders(Path(root)).items()
            for name, variant in VARIANTS.items()
        }
    sys.stdout.write(json.dumps(recorded, indent=1) + "\n")

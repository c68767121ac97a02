"""Hostile texts as actions, in every environment: a step answers or refuses in a sentence, soon, and play goes on.

In a process of its own: ``python -m credit_gym.baselines.stress.hostile_actions SEED``.
"""

from __future__ import annotations

import json
import random
import sys
import time
from pathlib import Path
from typing import Any

import gymnasium as gym

from credit_gym.baselines.stress.launching import Launched, check_said
from credit_gym.baselines.stress.trial import Outcome, expect
from credit_gym.errors import CreditGymError
from credit_gym.registration import ENVIRONMENTS

_PIECES = (
    "[", "]", "\\boxed{", "}", "is it ", "f(a=[", '{"a":[', '{"name": "', "1,111", "x=1=", "\u0301\u200d\U0001f468",
    "\ud800", '"\\', "<answer>", "</answer>", "<tool_call>{", "The answer is ", "step ", "```python\n", "\n", "\r\n",
    " ", "\t", "\0", "1", "-", "9" * 400, "search[", "click[", "go to ", "yes", "no", "{{", "%s%n", "$(reboot)",
    "'; DROP TABLE episodes; --", "\x1b[2J", "\u202e", "import os\n", "def f():\n", "^{", "\\frac{", "e308", "0x",
    "NaN", "Infinity", "null", "\U0010ffff",
)  # fmt: skip
_SIZES = (0, 1, 3, 20, 200, 4_000, 60_000, 1_000_000)
_SECONDS = 60.0  # for all that one environment is sent
_MOST = 2.0  # seconds of processor time that a step may take, ten times what it is held to on a quiet machine
_TEXTS = 24


def send_hostile_actions(rng: random.Random, folder: Path) -> Outcome:
    """Send drawn texts to every environment."""
    this = "credit_gym.baselines.stress.hostile_actions"
    ended = Launched(folder, sys.executable, "-m", this, str(rng.randrange(2**32))).ended(_SECONDS * 5)
    check_said(ended, (0,))
    found = json.loads(ended.out.split("\n")[-2])
    expect(not found["wrong"], "wrong", "; ".join(found["wrong"])[:400])
    expect(not found["slow"], "hang", "; ".join(found["slow"])[:400])
    return Outcome(f"{found['sent']} texts to {len(ENVIRONMENTS)} environments, {found['slowest']:.2f} s at most")


def drawn_text(rng: random.Random) -> str:
    """Return a text of one of several sizes: a piece many times over, or many pieces."""
    size = rng.choice(_SIZES)
    if rng.random() < 0.5:
        piece = rng.choice(_PIECES)
        return rng.choice(_PIECES) + piece * (size // len(piece)) + rng.choice(("", "!", "]", "x"))
    text = ""
    while len(text) < min(size, 4_000):
        text += rng.choice(_PIECES)
    return text * (size // max(len(text), 1)) if size > 4_000 else text


def main() -> None:
    """Send texts to each environment, and print what came of it."""
    rng = random.Random(int(sys.argv[1]))
    found: dict[str, Any] = {"sent": 0, "slowest": 0.0, "wrong": [], "slow": []}
    for spec in ENVIRONMENTS:
        env = gym.make(spec.id).unwrapped
        try:
            _send_all(env, spec.id, random.Random(rng.random()), found)
        finally:
            env.close()
    print(json.dumps(found))


def _send_all(env: Any, env_id: str, rng: random.Random, found: dict[str, Any]) -> None:
    """Send texts, plain moves between them; an episode that ends is begun anew."""
    deadline = time.monotonic() + _SECONDS
    _, info = env.reset(seed=rng.randrange(2**32))
    for _ in range(_TEXTS):
        if time.monotonic() > deadline:
            found["slow"].append(f"{env_id}: {found['sent']} texts took {_SECONDS:.0f} s")
            return
        text = drawn_text(rng)
        begun = time.process_time()
        try:
            observation, reward, terminated, truncated, info = env.step(text)
        except CreditGymError:
            continue
        except Exception as error:  # noqa: BLE001 - any other is the finding
            found["wrong"].append(f"{env_id}: {type(error).__name__} ({error}) on {text[:40]!r} of {len(text)}")
            return
        took = time.process_time() - begun
        found["sent"] += 1
        found["slowest"] = max(found["slowest"], took)
        if took > _MOST:
            found["slow"].append(f"{env_id}: {took:.1f} s on {text[:40]!r} of {len(text)}")
        if not isinstance(observation, str) or reward != reward:
            found["wrong"].append(f"{env_id}: {type(observation).__name__}, reward {reward} on {text[:40]!r}")
        if terminated or truncated:
            _, info = env.reset(seed=rng.randrange(2**32))
        elif rng.random() < 0.5:
            _, _, terminated, truncated, info = env.step(rng.choice(info.get("admissible_actions") or ["look"]))
            if terminated or truncated:
                _, info = env.reset(seed=rng.randrange(2**32))


if __name__ == "__main__":
    main()

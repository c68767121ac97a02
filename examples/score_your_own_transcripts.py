"""Score transcripts that something else recorded: one chat a line, the assistant's messages are the actions.

python examples/score_your_own_transcripts.py [FILE.jsonl]
"""

import json
import sys
import tempfile
from pathlib import Path

import credit_gym as cg


def chat(*turns: str, reward: float) -> dict[str, object]:
    """A chat that alternates between user and assistant."""
    roles = ("user", "assistant")
    return {
        "task_id": "refund",  # chats of one task are compared with each other
        "messages": [{"role": roles[number % 2], "content": text} for number, text in enumerate(turns)],
        "reward": reward,
    }


def write_example(path: Path) -> None:
    """Four chats about one refund; only who asks for the order number can help."""
    ask, sure, sorry = "What is your order number?", "I have refunded order 17.", "I cannot help you."
    want, order, angry = "I want my money back.", "It is 17.", "That is no answer."
    chats = [
        chat(want, ask, order, sure, reward=1.0),
        chat(want, ask, order, sorry, reward=0.0),
        chat(want, sorry, angry, sorry, reward=0.0),
        chat(want, sorry, reward=0.0),
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in chats), encoding="utf-8")


def main(path: Path) -> None:
    """Read, score, and print which step earned what."""
    found = cg.read_episodes("chat", path)
    for sentence in found.damaged:
        print("left out:", sentence)
    for target in cg.build_targets(found.episodes, "emp_qstar"):  # pools states that recur; needs no verifier
        print(f"chat {target.episode_id}, step {target.step}: {target.credit:+.2f}  {target.action}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as folder:
            write_example(Path(folder) / "chats.jsonl")
            main(Path(folder) / "chats.jsonl")

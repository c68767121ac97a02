"""What tests are built from, one file a kind: batches, episodes, shops, servers, models of a size to be made here."""

from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
ROOT = TESTS.parent

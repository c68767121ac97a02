"""``python -m credit_gym.cli``."""

from __future__ import annotations

from credit_gym.cli import main

if __name__ == "__main__":
    main()

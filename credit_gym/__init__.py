"""credit_gym: which step of a language-model agent earned the outcome?"""

from __future__ import annotations

from credit_gym.registration import register_environments

__version__ = "0.1.0"

register_environments()

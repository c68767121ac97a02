"""Whether the name of a model is a path: then it must exist, and no hub is asked for it."""

from __future__ import annotations

from pathlib import Path

from credit_gym.errors import BackendError

_NO_OWNERS = ("models", "datasets", "spaces")  # pages of the hub, so nobody there is called so


def check_path(name: str | Path) -> None:
    """Refuse what looks like a path where nothing is; ``owner/model`` and a bare name may be on the hub.

    A path is absolute, begins with a dot or ``~``, has another number of slashes than one, or begins with a folder
    that exists or is called ``models``.

    Raises:
        BackendError: it does and there is nothing.
    """
    path, text = Path(name), str(name)
    if path.exists():
        return
    slashes = text.count("/") + text.count("\\")
    first = path.parts[0] if path.parts else ""
    named = isinstance(name, Path) or path.is_absolute() or text.startswith((".", "~")) or slashes > 1 or "\\" in text
    if named or (slashes == 1 and (first in _NO_OWNERS or Path(first).is_dir())):
        raise BackendError(
            f"There is no model folder {text!r}: give the folder that save_pretrained wrote, or make one with "
            "`credit-gym tiny-lm FOLDER`."
        )

"""The project's own files, as a clone of it would have them."""

from __future__ import annotations

import subprocess
from pathlib import Path

from builders import ROOT


def copy_of_the_project(folder: Path) -> Path:
    """Copy what git keeps or would keep, and nothing that lies beside it; return the folder."""
    command = ["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard"]
    for name in filter(None, subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")):
        if (ROOT / name).is_file():  # one that was deleted a moment ago is listed still
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
    return folder

"""Files in folders: text under a path of a folder and a name."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from credit_gym.envs.function_calls.embedded.back_end import Answer, BackEnd, changes, kept, put, reads, shown, without
from credit_gym.envs.tool_arguments import Refused

_LONGEST_NAME = 60  # characters
_LONGEST_FILE = 8000  # characters
_MOST_SHOWN = 200


class Folders(BackEnd):
    """Folders of text files.

    Attributes:
        folders: folder -> name of a file -> its text.
    """

    folders: Mapping[str, Mapping[str, str]]

    def load(self, scenario: Mapping[str, Any], long_context: bool = False) -> None:
        """See :class:`BackEnd`."""
        self.folders = {**(_archive() if long_context else {}), **scenario.get("folders", {})}

    @reads
    def list_folders(self) -> Answer:
        """List all folders."""
        return {"folders": sorted(self.folders)}

    @reads
    def list_files(self, folder: str) -> Answer:
        """List the names of the files in a folder.

        Args:
            folder: The name of the folder.
        """
        return {"files": sorted(_files(self.folders, folder))}

    @reads
    def find_files(self, part: str) -> Answer:
        """Find all files whose name has a part, in any folder.

        Args:
            part: What the name must contain, such as 'budget'.
        """
        wanted = part.lower()
        found = sorted(f"{at}/{name}" for at, files in self.folders.items() for name in files if wanted in name.lower())
        return {"paths": found[:_MOST_SHOWN], "not_shown": max(0, len(found) - _MOST_SHOWN)}

    @reads
    def read_file(self, path: str) -> Answer:
        """Read a file.

        Args:
            path: The folder and the name of the file, as 'folder/name.txt'.
        """
        return {"text": _text(self.folders, path)}

    @reads
    def count_lines(self, path: str) -> Answer:
        """Count the lines of a file.

        Args:
            path: The folder and the name of the file, as 'folder/name.txt'.
        """
        return {"lines": len(_text(self.folders, path).splitlines())}

    @changes
    def make_folder(self, folder: str) -> Answer:
        """Make an empty folder.

        Args:
            folder: The name of the new folder.
        """
        name = kept(folder, "name of a folder", _LONGEST_NAME)
        if name != name.strip("/ ") or name in self.folders:
            raise Refused(f"A folder {shown(name)} is there already, or its name begins or ends with a slash or blank.")
        self.folders = put(self.folders, name, {})
        return {"folder": name}

    @changes
    def create_file(self, path: str, text: str) -> Answer:
        """Create a file that is not there yet.

        Args:
            path: The folder, which must be there, and the name of the file, as 'folder/name.txt'.
            text: What the file says.
        """
        self.folders = _with(self.folders, _free(self.folders, path), kept(text, "text of a file"))
        return {"path": path}

    @changes
    def append_line(self, path: str, line: str) -> Answer:
        """Write one more line at the end of a file.

        Args:
            path: The folder and the name of the file, as 'folder/name.txt'.
            line: The line, without a line break.
        """
        before = _text(self.folders, path)
        text = f"{before}\n{kept(line, 'line')}" if before else kept(line, "line")
        if len(text) > _LONGEST_FILE or len(line.splitlines()) > 1:
            raise Refused(f"A line has no line break, and a file at most {_LONGEST_FILE} characters.")
        self.folders = _with(self.folders, path, text)
        return {"path": path, "lines": len(text.splitlines())}

    @changes
    def copy_file(self, source: str, destination: str) -> Answer:
        """Copy a file to a path where no file is yet.

        Args:
            source: The path of the file, as 'folder/name.txt'.
            destination: The path of the copy, as 'folder/name.txt'; its folder must be there.
        """
        text = _text(self.folders, source)
        self.folders = _with(self.folders, _free(self.folders, destination), text)
        return {"path": destination}

    @changes
    def move_file(self, source: str, destination: str) -> Answer:
        """Move or rename a file to a path where no file is yet.

        Args:
            source: The path of the file, as 'folder/name.txt'.
            destination: Its new path, as 'folder/name.txt'; its folder must be there.
        """
        text = _text(self.folders, source)
        self.folders = _gone(_with(self.folders, _free(self.folders, destination), text), source)
        return {"path": destination}

    @changes
    def delete_file(self, path: str) -> Answer:
        """Delete a file.

        Args:
            path: The folder and the name of the file, as 'folder/name.txt'.
        """
        _text(self.folders, path)
        self.folders = _gone(self.folders, path)
        return {"deleted": path}


def _parts(path: str) -> tuple[str, str]:
    folder, _, name = path.rpartition("/")
    return folder, name


def _files(folders: Mapping[str, Mapping[str, str]], folder: str) -> Mapping[str, str]:
    try:
        return folders[folder]
    except KeyError:
        raise Refused(f"There is no folder {shown(folder)}.") from None


def _text(folders: Mapping[str, Mapping[str, str]], path: str) -> str:
    folder, name = _parts(path)
    try:
        return _files(folders, folder)[name]
    except KeyError:
        raise Refused(f"There is no file {shown(name)} in the folder {shown(folder)}.") from None


def _free(folders: Mapping[str, Mapping[str, str]], path: str) -> str:
    folder, name = _parts(path)
    if kept(name, "name of a file", _LONGEST_NAME) in _files(folders, folder):
        raise Refused(f"There is a file {shown(name)} in the folder {shown(folder)} already.")
    return path


def _with(folders: Mapping[str, Mapping[str, str]], path: str, text: str) -> dict[str, Any]:
    folder, name = _parts(path)
    return put(folders, folder, put(folders[folder], name, text))


def _gone(folders: Mapping[str, Mapping[str, str]], path: str) -> dict[str, Any]:
    folder, name = _parts(path)
    return put(folders, folder, without(folders[folder], name))


@cache
def _archive() -> Mapping[str, Mapping[str, str]]:
    """Twelve years of reports that nobody asks for."""
    months = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
    return {
        f"archive_{year}": {
            f"{kind}_{month}_{year}.txt": f"{kind.title()} of {month.title()} {year}\nEntries: {17 * year % 89 + place}"
            for kind in ("report", "minutes", "stocktake")
            for place, month in enumerate(months)
        }
        for year in range(2008, 2020)
    }

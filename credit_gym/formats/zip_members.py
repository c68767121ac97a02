"""Members of somebody else's zip archive, read one by one and never past a bound; nothing is unpacked into files.

A member may be packed by zstd (method 93), as inspect_ai packs its logs: :mod:`zipfile` lists those, but reads them
only since Python 3.14.
"""

from __future__ import annotations

import io
import os
import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO
from zipfile import BadZipFile, ZipFile, ZipInfo

from credit_gym.data.foreign_text import LARGEST, open_file
from credit_gym.errors import StoreError
from credit_gym.formats.json_records import LONGEST, PIECE

LONGEST_LIST = 32 << 20
"""Bytes of the longest list of members, of which each costs some hundred bytes of memory."""

MOST_UNPACKED = 4 * LARGEST
"""Bytes of all members together."""

ZSTD = 93
"""The number of a method of packing."""

_WRONG = (BadZipFile, NotImplementedError, RuntimeError, EOFError, struct.error, zlib.error, ValueError, OverflowError)
_ENCRYPTED = 1


class ZipMembers:
    """An archive that is open.

    Attributes:
        members: what it holds, by name; of two of one name the later one, which replaced the other.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._zip = ZipFile(_InPieces(file))
        self.members: Mapping[str, ZipInfo] = MappingProxyType({info.filename: info for info in self._zip.infolist()})

    def read(self, name: str) -> bytes:
        """Return what a member holds.

        Raises:
            KeyError: there is no such member.
            ValueError: it is damaged, encrypted, too large, or packed in a way that cannot be read.
        """
        info = self.members[name]
        if info.file_size > LONGEST:
            raise ValueError(f"it is larger than {LONGEST} bytes")
        if info.flag_bits & _ENCRYPTED:
            raise ValueError("it is encrypted")
        try:
            content = self._unpacked_zstd(info) if info.compress_type == ZSTD else self._unpacked(info)
        except (*_WRONG, OSError) as error:
            raise ValueError(f"it cannot be unpacked ({str(error).rstrip('.')})") from None
        if len(content) != info.file_size or zlib.crc32(content) != info.CRC:
            raise ValueError("it does not unpack to what its archive says")
        return content

    def _unpacked(self, info: ZipInfo) -> bytes:
        with self._zip.open(info) as member:
            return b"".join(iter(lambda: member.read(PIECE), b""))

    def _unpacked_zstd(self, info: ZipInfo) -> bytes:
        import pyarrow

        self._file.seek(info.header_offset)
        header = self._file.read(30)  # its last two numbers say how much stands between it and the content
        if not header.startswith(b"PK\x03\x04"):
            raise ValueError("it has no header")
        self._file.seek(sum(struct.unpack("<HH", header[26:])), os.SEEK_CUR)
        packed = pyarrow.PythonFile(_Part(self._file, info.compress_size), "r")
        content: bytes = pyarrow.CompressedInputStream(packed, "zstd").read(info.file_size + 1)
        return content


@contextmanager
def zip_members(path: Path) -> Iterator[ZipMembers]:
    """Open an archive.

    Raises:
        StoreError: it is none, or its members are too many or too large.
    """
    try:
        file = open_file(path)
    except OSError as error:
        raise _unreadable(path, error) from None
    with file:
        yield _listed(path, file)


def climbs(name: str) -> bool:
    """Return whether a member's name leads out of the folder that its archive would be unpacked into."""
    return bool(re.match(r"[/\\]|[A-Za-z]:[/\\]", name)) or ".." in re.split(r"[/\\]", name)


def _listed(path: Path, file: BinaryIO) -> ZipMembers:
    try:
        archive = ZipMembers(file)
    except (*_WRONG, OSError) as error:
        raise _unreadable(path, error) from None
    sizes = [(info.compress_size, info.file_size) for info in archive.members.values()]
    if sum(packed for packed, _ in sizes) > os.fstat(file.fileno()).st_size:
        raise StoreError(f"{path} is no honest zip archive: its members lie over each other.")
    if sum(unpacked for _, unpacked in sizes) > MOST_UNPACKED:
        raise StoreError(f"{path} unpacks to more than {MOST_UNPACKED} bytes: split it.")
    return archive


def _unreadable(path: Path, error: Exception) -> StoreError:
    return StoreError(f"{path} cannot be read as a zip archive ({str(error).rstrip('.')}).")


class _InPieces:
    """A file of which nobody reads more at once than a list of members may be long: that is read whole."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        if size > LONGEST_LIST:
            raise ValueError(f"its list of members is longer than {LONGEST_LIST} bytes")
        return self._file.read(size)


class _Part(io.RawIOBase):
    """So many bytes of a file from where it stands."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._left = file, size

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        piece = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(piece)
        return piece

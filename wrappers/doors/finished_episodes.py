"""What the sessions of a server have played: the last episodes of each task, for scorers that compare them."""

from __future__ import annotations

from collections import OrderedDict, deque
from threading import Lock

from credit_gym.data.episode import Episode


class FinishedEpisodes:
    """Keeps the last episodes of each group, whoever played them; safe to use from many threads.

    Args:
        group_size: episodes kept of a group.
        groups: groups kept; the one that was added to longest ago is dropped for another.
        characters: of all that was said in them, likewise.
    """

    def __init__(self, group_size: int = 64, groups: int = 1024, characters: int = 200_000_000) -> None:
        self._group_size, self._groups, self._characters = group_size, groups, characters
        self._held = 0  # characters
        self._kept: OrderedDict[str, deque[Episode]] = OrderedDict()
        self._lock = Lock()

    def add(self, episode: Episode) -> None:
        """Keep an episode with those of its ``group_id``."""
        with self._lock:
            kept = self._kept.setdefault(episode.group_id, deque(maxlen=self._group_size))
            if len(kept) == self._group_size:
                self._held -= _characters(kept[0])
            kept.append(episode)
            self._held += _characters(episode)
            self._kept.move_to_end(episode.group_id)
            while len(self._kept) > self._groups or self._held > self._characters:
                oldest = next(iter(self._kept.values()))
                self._held -= _characters(oldest.popleft())
                if not oldest:
                    self._kept.popitem(last=False)

    def beside(self, episode: Episode) -> list[Episode]:
        """Return the episodes that one is compared with, itself among them, oldest first."""
        with self._lock:
            kept = list(self._kept.get(episode.group_id, ()))
        return kept if any(each is episode for each in kept) else [*kept, episode]


def _characters(episode: Episode) -> int:
    return sum(map(len, episode.observations)) + sum(map(len, episode.actions))

"""Which tests of a parallel run share a process, and which begin first.

What is expensive to make (the default release, servers, avatars to validate) is made once per process, so the files
that need it stay together. What takes longest begins first, so that no process ends long after the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

import pytest
from xdist.scheduler import LoadFileScheduling

TOGETHER: Mapping[str, Sequence[str]] = {
    "the default release": (
        *("tests/e2e/test_build.py", "tests/e2e/test_service.py", "tests/e2e/test_readme.py"),
        "tests/e2e/test_viewer.py",
    ),
    "the avatars that are validated": ("tests/validation",),
    "the clinic and the services it calls": ("tests/e2e/ehr",),
}
"""Files and folders by what they share, in the order in which they begin: before all that is not named here."""


def shared_by(path: str) -> str:
    """Return what a file of tests shares with others, or the file itself where it shares nothing."""
    for shared, places in TOGETHER.items():
        if any(PurePosixPath(path).is_relative_to(place) for place in places):
            return shared
    return path


def longest_first(items: list[pytest.Item]) -> None:
    """Order files: those of `TOGETHER`, then those with real servers and browsers, then all others as they stand."""
    named = list(TOGETHER)
    real = {_file(item) for item in items if item.get_closest_marker("e2e") is not None}

    def rank(item: pytest.Item) -> int:
        shared = shared_by(_file(item))
        if shared in named:
            return named.index(shared)
        return len(named) + (_file(item) not in real)

    items.sort(key=rank)


def _file(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]


class SharedScheduling(LoadFileScheduling):
    """A process takes whole files, and all files that share something."""

    def _split_scope(self, nodeid: str) -> str:
        return shared_by(super()._split_scope(nodeid))

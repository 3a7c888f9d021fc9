"""Software of unknown provenance: every package that runs, from the lock, with licence and where it comes from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata

_PINNED = re.compile(
    r"^(?P<name>[A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(?P<version>[^ \\;]+)(?: *; *(?P<condition>[^\\]+))?"
)
_DIRECT = "(pyproject.toml)"
_LONGEST_LICENCE = 60


@dataclass(frozen=True, slots=True)
class Soup:
    """One package.

    Attributes
    ----------
    name, version, licence, origin : str
        Origin is where the project says it lives.
    direct : bool
        Whether the software asks for it itself.
    condition : str
        Where this version is meant for, such as a version of Python; empty for everywhere.
    """

    name: str
    version: str
    licence: str
    origin: str
    direct: bool
    condition: str


def soup(lock: str) -> tuple[Soup, ...]:
    """Return the packages of a lock file in the format of pip's requirements.

    Parameters
    ----------
    lock : str
        Text of ``requirements.txt``.
    """
    listed: list[Soup] = []
    blocks: list[list[str]] = []
    for line in lock.splitlines():
        if _PINNED.match(line):
            blocks.append([line])
        elif blocks:
            blocks[-1].append(line)
    for block in blocks:
        pinned = _PINNED.match(block[0])
        if pinned is None:  # blocks begin with a pinned line
            continue
        name, version = pinned["name"], pinned["version"]
        licence, origin = _described(name)
        direct = any(_DIRECT in line for line in block)
        listed.append(Soup(name, version, licence, origin, direct, (pinned["condition"] or "").strip()))
    return tuple(listed)


def _described(name: str) -> tuple[str, str]:
    try:
        about = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return "not installed here", ""
    return _licence(about), _origin(about)


def _licence(about: metadata.PackageMetadata) -> str:
    if "License-Expression" in about:
        return about["License-Expression"]
    classified = [
        entry.rpartition(" :: ")[2]
        for entry in about.get_all("Classifier") or ()
        if entry.startswith("License :: ") and entry != "License :: OSI Approved"
    ]
    if classified:
        return ", ".join(classified)
    first = (about["License"] or "").strip().splitlines()[:1] if "License" in about else []
    return first[0] if first and len(first[0]) <= _LONGEST_LICENCE else "see the package"


def _origin(about: metadata.PackageMetadata) -> str:
    urls: Sequence[str] = about.get_all("Project-URL") or ()
    links = {label.strip().lower(): url.strip() for label, _, url in (entry.partition(",") for entry in urls)}
    for label in ("source", "source code", "repository", "github", "homepage", "home"):
        if label in links:
            return links[label]
    return about["Home-page"] if "Home-page" in about else next(iter(links.values()), "")

"""What the project is made of: licences of everything it runs on, and no secret among its files.

python .ci/supply_chain.py licences    the table of docs/licences.md
python .ci/supply_chain.py check       every licence known and compatible, every pin hashed, no secret committed
"""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

ROOT = Path(__file__).parent.parent
REQUIREMENTS = ("requirements.txt", "requirements-test.txt")
LICENCES = ROOT / "docs" / "licences.md"

COMPATIBLE = (
    *("Apache", "MIT", "BSD", "ISC", "PSF", "Python Software Foundation", "Mozilla", "MPL-2.0", "Zlib", "CC0-1.0"),
    "LGPL",
)
"""Words of the licences under which something may be handed on together with this project (Apache-2.0)."""

EXCEPTIONS = {
    "scikit-survival": (
        "GPL-3.0-or-later",
        "survival forests and boosting of a build and of the validation; the service answers without it",
    ),
    "ecos": ("GPLv3", "a solver that scikit-survival needs; nothing of this project calls it"),
}
"""Libraries whose licence binds whoever hands on the whole installation: what each states, and why it is here."""

UNSTATED = {"pymsprog": "an oracle of the tests, which nobody is handed; its metadata name no licence"}
"""Libraries of the tests that state no licence, and why each is used nevertheless."""

SECRETS = {
    "private key": re.compile(rb"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----\s*\n[A-Za-z0-9+/=]{20}"),
    "cloud access key": re.compile(rb"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "token of a code host": re.compile(rb"\b(?:gh[pousr]_[A-Za-z0-9]{36}|glpat-[A-Za-z0-9_-]{20})"),
    "signed token": re.compile(rb"\beyJ[A-Za-z0-9_-]{20,}\.eyJ[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{20,}"),
    "password in an address": re.compile(
        rb"\b(?:postgres(?:ql)?|https?|mysql)://[^\s:/@{}$<>]+:(?!password@)[^\s:/@{}$<>]{6,}@"
    ),
    "assigned secret": re.compile(
        rb"(?i)\b(?:secret|password|passwd|api_?key|token)\b\s*[:=]\s*[\"'](?=[^\"'\s]*[0-9])(?=[^\"'\s]*[a-z])[A-Za-z0-9+/_=-]{24,}[\"']"
    ),
}


def pinned(path: Path) -> list[tuple[str, bool]]:
    """Return every pinned package of a lock file, and whether its files are hashed."""
    entries = re.split(r"\n(?=[A-Za-z0-9])", path.read_text(encoding="utf-8").replace("\\\n", " "))
    found = []
    for entry in entries:
        match = re.match(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?==", entry)
        if match:
            found.append((match.group(1), "--hash=sha256:" in entry))
    return found


def licence(name: str) -> str | None:
    """Return the licence that a package states; None when it is not installed on this platform."""
    try:
        stated = metadata(name)
    except PackageNotFoundError:
        return None
    classified = [
        line.rpartition(" :: ")[2] for line in stated.get_all("Classifier", []) if line.startswith("License ::")
    ]
    written = stated.get("License-Expression") or "; ".join(classified) or stated.get("License") or "not stated"
    return written.splitlines()[0]


def licence_problems(name: str, stated: str) -> list[str]:
    """Return what keeps a library from being handed on with the project, known exceptions aside."""
    if name in EXCEPTIONS:
        known, _ = EXCEPTIONS[name]
        return [] if stated == known else [f"the licence is {stated} now, and was {known}: decide anew"]
    if name in UNSTATED and stated == "not stated":
        return []
    # What is offered under a choice of licences, or under several for its parts, must be usable in every part.
    parts = [part for part in re.split(r"\bAND\b|;", stated) if part.strip()]
    if all(any(word in part for word in COMPATIBLE) and not _binds(part) for part in parts):
        return []
    return [f"the licence {stated} is not among those that go together with Apache-2.0"]


def _binds(part: str) -> bool:
    """Tell whether a part is under the GPL or AGPL and under nothing else by choice."""
    return all(re.search(r"(?<!L)GPL|(?<!Lesser )General Public", choice) for choice in part.split(" OR "))


def exceptions() -> str:
    """Return the known exceptions, as a Markdown table."""
    lines = [f"| {name} | {known} | {reason} |" for name, (known, reason) in EXCEPTIONS.items()]
    return "\n".join(["| exception | licence | why it is here |", "|---|---|---|", *lines])


def table() -> str:
    """Return the licences of everything that the project runs on, as a Markdown table."""
    rows = {name: licence(name) for name, _ in pinned(ROOT / "requirements.txt")}.items()
    lines = [f"| {name} | {stated} |" for name, stated in rows if stated is not None]
    return "\n".join(["| library | licence |", "|---|---|", *lines])


def secrets() -> list[str]:
    """Return every place among the committed files that looks like a secret."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)  # noqa: S607  # the git of the machine
    if listed.returncode != 0:
        sys.stderr.write("not a git checkout: committed files were not scanned for secrets\n")
        return []
    found = []
    for name in filter(None, listed.stdout.decode().split("\0")):
        path = ROOT / name
        content = path.read_bytes() if path.is_file() and path.stat().st_size < 5_000_000 else b""
        found += [f"{name}: {kind}" for kind, pattern in SECRETS.items() if pattern.search(content)]
    return found


def problems() -> list[str]:
    """Return everything that must not be."""
    found = [
        f"{path}: {name} has no hash" for path in REQUIREMENTS for name, hashed in pinned(ROOT / path) if not hashed
    ]
    listed = LICENCES.read_text(encoding="utf-8")
    for path in REQUIREMENTS:
        for name in dict.fromkeys(name for name, _ in pinned(ROOT / path)):
            stated = licence(name)
            if stated is None:
                continue
            found += [f"{name}: {problem}" for problem in licence_problems(name, stated)]
            if path == "requirements.txt" and f"| {name} | {stated} |" not in listed:
                found.append(f"{name}: {stated} is missing in docs/licences.md: `make licences` writes it")
    return found + secrets()


def main(command: str) -> int:
    """Run a command and return the exit code."""
    if command == "licences":
        introduction = LICENCES.read_text(encoding="utf-8").partition("| exception |")[0]
        LICENCES.write_text(f"{introduction}{exceptions()}\n\n{table()}\n", encoding="utf-8")
        return 0
    found = problems()
    sys.stderr.write("".join(f"{problem}\n" for problem in found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "check"))

"""A real release, a real server process, a real browser."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reference_db.schema import LongTables
from reference_db.sources.simulated import simulate
from reference_db.warehouse import write_bkp
from tests.e2e.processes import Server, run_cdss, start_server, stop_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser

BROWSER_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder that all processes that test have in common."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def home(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the default release, built once by the real command for all processes that test."""
    return _built_once(shared / "built", tmp_path_factory)


@pytest.fixture(scope="session")
def two_studies(shared: Path) -> Path:
    """A configuration that builds from the originals of two trials, as somebody who has no more would."""
    config = shared / "two-studies.yaml"
    with _alone(config):
        if not config.exists():
            simulated = simulate(seed=1, scale=0.2)
            names = ("CLARITY", "AFFIRM")
            patients = simulated.tables.patients
            ours = set(patients.loc[patients["source"].isin(names), "patient_id"])
            kept = {}
            for field in fields(LongTables):
                table = getattr(simulated.tables, field.name)
                kept[field.name] = table[table["patient_id"].isin(ours)].reset_index(drop=True)
            sources = [one for one in simulated.sources if one.name in names]
            write_bkp(shared / "two-studies", LongTables(**kept), sources)
            config.write_text(f"bkp: {shared / 'two-studies'}\n")
    return config


@pytest.fixture(scope="session")
def small_home(shared: Path, two_studies: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with a release of two trials, a tenth of a minute's work, built once for all processes that test."""
    return _built_once(shared / "built-small", tmp_path_factory, "--config", str(two_studies), "--seed", "1")


def _built_once(built: Path, tmp_path_factory: pytest.TempPathFactory, *options: str) -> Path:
    """Return a copy of an installation that the first who asks builds."""
    with _alone(built):
        if not (built / "releases").exists():
            done = run_cdss(built, "build", *options)
            assert done.returncode == 0, done.stderr
    return Path(shutil.copytree(built, tmp_path_factory.mktemp("home"), dirs_exist_ok=True))


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep other processes that test from making the same thing."""
    with path.with_name(f"{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def server(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The served default release."""
    server = start_server(home, tmp_path_factory.mktemp("server") / "log")
    yield server
    # 130 is what a process that Ctrl-C stopped exits with.
    assert stop_server(server) in (0, 130)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium: the system's if there is one, otherwise Playwright's.

    It ends with its module: while Playwright runs, tests in the same process can run no event loop of their own.
    """
    from playwright.sync_api import sync_playwright

    names = ("chromium", "chromium-browser", "google-chrome")
    executable = next(filter(None, map(shutil.which, names)), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=BROWSER_ARGUMENTS)
        yield browser
        browser.close()

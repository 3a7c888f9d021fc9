"""Start the real commands and the real server as processes of their own; or a command in this one."""

from __future__ import annotations

import io
import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from cdss.cli import main
from cdss.settings import settings

CDSS = str(Path(sys.executable).with_name("cdss"))


def environment(home: Path) -> dict[str, str]:
    """Environment of a process that keeps its data in a folder of the test."""
    return {**os.environ, "CDSS_HOME": str(home), "OMP_NUM_THREADS": "1"}


def run_cdss(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [CDSS, *arguments], env=environment(home), capture_output=True, text=True, timeout=300, check=False
    )


def run_here(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end in this process, where many follow each other: to start one takes longer than most."""
    out, err, code = io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), io.StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setenv("CDSS_HOME", str(home))
        patch.setattr(sys, "argv", [CDSS, *arguments])
        patch.setattr(logging.getLogger(), "handlers", [])
        settings.cache_clear()
        try:
            main()
        except SystemExit as left:
            code = int(left.code or 0)
        finally:
            settings.cache_clear()
    out.seek(0)
    return subprocess.CompletedProcess([CDSS, *arguments], code, out.read(), err.getvalue())


def free_port() -> int:
    """Return a TCP port of the loopback that is free now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@dataclass(frozen=True)
class Server:
    """A running server process."""

    process: subprocess.Popen[bytes]
    address: str
    log: Path


def start_server(home: Path, log: Path, *arguments: str, command: str = "serve") -> Server:
    """Start a server process and wait until it lives."""
    port = free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [CDSS, command, "--port", str(port), *arguments],
            env=environment(home),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    address = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 120
    # One client for all attempts: each new one reads the certificates of this machine, and takes the processor from
    # the server that is awaited.
    with httpx.Client(timeout=2) as client:
        while time.monotonic() < deadline:
            if process.poll() is not None:
                pytest.fail(f"the server stopped: {log.read_text()}")
            try:
                client.get(f"{address}/healthz")
            except httpx.TransportError:
                time.sleep(0.1)
            else:
                return Server(process, address, log)
    process.kill()
    pytest.fail(f"the server did not answer in time: {log.read_text()}")


def stop_server(server: Server) -> int:
    """Stop a server as Ctrl-C does, and return its exit code."""
    server.process.send_signal(2)
    return server.process.wait(timeout=30)


POI: Mapping[str, object] = {
    "age": 34,
    "sex": "female",
    "phenotype": "RRMS",
    "years_since_onset": 5,
    "edss": 2.5,
    "relapses_12m": 1,
    "gd_lesions": 0,
    "t2_lesions": "10-20",
    "prior_treatment": "none",
    "history": [{"months": -12, "edss": 2.0}],
}

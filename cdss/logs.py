"""Structured logs, one JSON object a line on standard error. They name kinds of events, never a clinical value."""

from __future__ import annotations

import logging
import sys
import traceback
from pathlib import Path

import structlog

FRAMES = 5
"""Of the way to a fault, the last so many are named."""


def kind_and_place(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Say of an exception what kind it is and where it arose: its message may hold what was sent."""
    error = event.pop("exc_info", None)
    if isinstance(error, tuple) and error[0] is not None:
        kind, _, trace = error
        places = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in traceback.extract_tb(trace)]
        event.update(kind=kind.__name__, at=places[-FRAMES:])
    return event


def configure_logs() -> None:
    """Send every log line of the process, ours and the libraries', through one JSON renderer."""
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        kind_and_place,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer()],
        # The standard error of the moment, not of the start: a logger must not outlive the stream that it writes to.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(processor=structlog.processors.JSONRenderer(), foreign_pre_chain=shared)
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)

"""Structured logs, one JSON object a line on standard error. They name kinds of events, never a clinical value."""

from __future__ import annotations

import logging
import sys

import structlog


def configure_logs() -> None:
    """Send every log line of the process, ours and the libraries', through one JSON renderer."""
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
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

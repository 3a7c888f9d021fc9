"""Where the evidence about a release is kept: beside the releases, which never change, below ``CDSS_HOME``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from reference_db.files import write_whole

if TYPE_CHECKING:
    from validation import ValidationReport
    from validation.questionnaire import Score

RESULT_FILE = "validation.json"
REPORT_FILE = "report.html"
SUMMARY_FILE = "summary.json"
SCORES_FILE = "questionnaire.json"

QUICK = "quick"
"""Folder of the short suite, so that it never stands in the place of the whole one."""

_log = structlog.get_logger()


def evidence_folder(home: Path, version: str) -> Path:
    """Return the folder of the evidence about a release."""
    return home / "validation" / version


def keep_validation(folder: Path, report: ValidationReport) -> Path:
    """Write a report, as data, page and summary, and return where the page is.

    Parameters
    ----------
    folder : Path
        Of the release's evidence; the short suite goes to a folder of its own below.
    report : ValidationReport
    """
    from validation import html_report

    to = folder / QUICK if report.quick else folder
    write_whole(to / RESULT_FILE, json.dumps(report.to_json_dict(), allow_nan=False))
    write_whole(to / REPORT_FILE, html_report(report))
    summary = report.summary() | {"release": report.release, "seed": report.seed, "made": _today()}
    write_whole(to / SUMMARY_FILE, json.dumps(summary, allow_nan=False, indent=2))
    return to / REPORT_FILE


def last_validation(home: Path, version: str) -> Mapping[str, Any] | None:
    """Return the summary of the last whole validation of a release; None when there is none that can be read.

    Parameters
    ----------
    home : Path
        ``CDSS_HOME``.
    version : str

    Returns
    -------
    dict or None
        ``passed``, ``failures``, ``sections`` (title, verdict and figures by name), ``made`` (ISO day), ``release``.
    """
    path = evidence_folder(home, version) / SUMMARY_FILE
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        _log.warning("validation_unreadable", path=str(path), reason=type(error).__name__)
        return None
    usable = isinstance(summary, dict) and summary.get("release") == version and "sections" in summary
    return summary if usable else None


def known_evidence(home: Path, version: str) -> Mapping[str, Any]:
    """Return what is known of a release beyond its manifest, as `viewer.create_viewer` shows it.

    Parameters
    ----------
    home : Path
        ``CDSS_HOME``.
    version : str

    Returns
    -------
    dict
        ``validation``, as `last_validation` returns it, where there is one; ``calibration``: how many published
        figures the simulated sources meet (``met``) of how many (``published``), where the shipped parameters were
        judged.
    """
    validation, calibration = last_validation(home, version), _calibration()
    known: dict[str, Any] = {} if validation is None else {"validation": validation}
    return known if calibration is None else known | {"calibration": calibration}


@cache
def _calibration() -> Mapping[str, int] | None:
    from validation.calibration.packaged import packaged_result

    result = packaged_result()
    return None if result is None else {"met": result.met, "published": result.published}


def keep_score(folder: Path, score: Score, *, seed: int) -> None:
    """Add the score of an expert; the seed deals the same records again, to whoever has the originals."""
    kept = [*expert_scores(folder), asdict(score) | {"seed": seed, "made": _today()}]
    write_whole(folder / SCORES_FILE, json.dumps(kept, indent=2))


def expert_scores(folder: Path) -> list[dict[str, Any]]:
    """Return the scores of the experts who were asked about a release, the first one first."""
    try:
        kept: list[dict[str, Any]] = json.loads((folder / SCORES_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    return kept


def _today() -> str:
    return datetime.now().astimezone().date().isoformat()

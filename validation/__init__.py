"""How true and how safe a release is, against its originals and, where they are simulated, against the truth."""

from validation.attribution import added_failures
from validation.report import html_report
from validation.result import Check, Section, ValidationReport, Verdict, report_from_json
from validation.suite import validate

__all__ = [
    "Check",
    "Section",
    "ValidationReport",
    "Verdict",
    "added_failures",
    "html_report",
    "report_from_json",
    "validate",
]

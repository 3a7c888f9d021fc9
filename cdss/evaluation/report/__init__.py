"""The report of a trial: one HTML page, everything in it computed from the protocol and the data."""

from cdss.evaluation.report.page import render_report, trial_report
from cdss.evaluation.report.writing import report_language

__all__ = ["render_report", "report_language", "trial_report"]

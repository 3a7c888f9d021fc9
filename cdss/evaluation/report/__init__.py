"""The report of a trial: one HTML page, everything in it computed from the protocol and the data."""

from cdss.evaluation.report.page import render_report, trial_report

__all__ = ["render_report", "trial_report"]

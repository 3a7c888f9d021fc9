"""The validation as one HTML file that needs nothing beside it."""

from validation.report.page import html_report

__all__ = ["html_report"]

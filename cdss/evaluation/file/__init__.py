"""The file that certification asks for: what can be generated from the code is, and checked against it."""

from cdss.evaluation.file.pages import GENERATED, generated_pages
from cdss.evaluation.file.traceability import Hazard, Requirement, faults, hazards, items, requirements, test_names

__all__ = [
    "GENERATED",
    "Hazard",
    "Requirement",
    "faults",
    "generated_pages",
    "hazards",
    "items",
    "requirements",
    "test_names",
]

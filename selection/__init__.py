"""From a patient of interest to patients of reference."""

from selection.criteria import Criteria, parse_criteria
from selection.explanation import Explanation, explain
from selection.patient import InvalidPatient, PatientOfInterest, parse_patient
from selection.selector import ClassSelection, Selection, Selector
from selection.weights import learn_weights

__all__ = [
    "ClassSelection",
    "Criteria",
    "Explanation",
    "InvalidPatient",
    "PatientOfInterest",
    "Selection",
    "Selector",
    "explain",
    "learn_weights",
    "parse_criteria",
    "parse_patient",
]

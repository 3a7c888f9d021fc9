"""The conduct of a trial: consent, concealed allocation, consultation, follow-up, incidents, withdrawal."""

from cdss.evaluation.conduct.enrolment import counts_by_reason
from cdss.evaluation.conduct.trials import CLOSED, OPEN, TrialState
from cdss.evaluation.conduct.verbs import Conduct

__all__ = ["CLOSED", "OPEN", "Conduct", "TrialState", "counts_by_reason"]

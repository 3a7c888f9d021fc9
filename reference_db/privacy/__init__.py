"""How well a synthetic table protects the patients behind it: distance metrics, attacks, targets, verdict."""

from reference_db.privacy.assessment import PrivacyAssessment, StratumAssessment, assess_privacy
from reference_db.privacy.attacks import Attack
from reference_db.privacy.combining import CombinedEstimate, combine_estimates
from reference_db.privacy.metrics import Metric
from reference_db.privacy.targets import TARGETS, TARGETS_VERSION, Target, Verdict

__all__ = [
    "TARGETS",
    "TARGETS_VERSION",
    "Attack",
    "CombinedEstimate",
    "Metric",
    "PrivacyAssessment",
    "StratumAssessment",
    "Target",
    "Verdict",
    "assess_privacy",
    "combine_estimates",
]

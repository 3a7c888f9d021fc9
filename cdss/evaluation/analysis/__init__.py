"""The analysis that the protocol planned."""

from cdss.evaluation.analysis.effect import Effect
from cdss.evaluation.analysis.plan import Analysis, EndpointAnalysis, analyse, estimate_effect

__all__ = ["Analysis", "Effect", "EndpointAnalysis", "analyse", "estimate_effect"]

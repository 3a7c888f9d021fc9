"""Sample size and power, by simulating the trial and analysing it as planned."""

from cdss.evaluation.design.power import PowerPoint, simulate_power

__all__ = ["PowerPoint", "simulate_power"]

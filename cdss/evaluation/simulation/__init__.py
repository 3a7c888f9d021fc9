"""Trials that did not happen: for the sample size, for rehearsal, and to prove the analysis right."""

from cdss.evaluation.simulation.assumptions import Assumptions
from cdss.evaluation.simulation.consultations import PotentialTrial, observe, simulate_consultations
from cdss.evaluation.simulation.pool import PatientPool, patient_pool

__all__ = ["Assumptions", "PatientPool", "PotentialTrial", "observe", "patient_pool", "simulate_consultations"]

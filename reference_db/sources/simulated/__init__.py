"""Simulated sources, calibrated arm by arm on published figures, with the truth that only a simulation has."""

from reference_db.sources.simulated.simulation import SimulatedSources, simulate

__all__ = ["SimulatedSources", "simulate"]

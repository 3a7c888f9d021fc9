"""Selection over silos that never give out a patient: aggregates only, added up by a hub."""

from selection.silos.hub import Hub
from selection.silos.messages import FeatureMoments, GroupSums, Question, Standard
from selection.silos.silo import Silo, SiloPatients

__all__ = ["FeatureMoments", "GroupSums", "Hub", "Question", "Silo", "SiloPatients", "Standard"]

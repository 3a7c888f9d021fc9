"""Selection over silos that never give out a patient: masked aggregates only, of which a hub sees the total."""

from selection.silos.aggregates import SiloPatients
from selection.silos.hub import Hub
from selection.silos.masking import FEWEST_SILOS
from selection.silos.messages import FeatureSums, OutcomeSums, Question, SiloError
from selection.silos.silo import Silo

__all__ = ["FEWEST_SILOS", "FeatureSums", "Hub", "OutcomeSums", "Question", "Silo", "SiloError", "SiloPatients"]

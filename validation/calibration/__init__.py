"""Calibration of the simulated sources on published figures, and the comparison that shows how well it went."""

from validation.calibration.packaged import packaged_result
from validation.calibration.recalibration import Recalibration, recalibrate

__all__ = ["Recalibration", "packaged_result", "recalibrate"]

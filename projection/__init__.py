"""From patients of reference to outcomes per treatment class."""

from projection.projector import Projector
from projection.result import ClassProjection, Contrast, Contrasts, Curve, EdssCourse, Estimate, Projection
from projection.worsening import confirmed_improvement, confirmed_worsening

__all__ = [
    "ClassProjection",
    "Contrast",
    "Contrasts",
    "Curve",
    "EdssCourse",
    "Estimate",
    "Projection",
    "Projector",
    "confirmed_improvement",
    "confirmed_worsening",
]

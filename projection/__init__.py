"""From patients of reference to outcomes per treatment class."""

from projection.worsening import confirmed_improvement, confirmed_worsening

__all__ = ["confirmed_improvement", "confirmed_worsening"]

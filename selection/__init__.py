"""From a patient of interest to the patients of reference."""

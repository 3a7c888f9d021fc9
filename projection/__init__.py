"""From patients of reference to outcomes per treatment class."""

"""The revisions, one branch per package that keeps something."""

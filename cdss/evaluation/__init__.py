"""The clinical evaluation of the tool itself: protocol, allocation, conduct, analysis, report."""

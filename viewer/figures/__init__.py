"""Figures as pure functions: values in, Plotly's JSON out as a plain dictionary.

Building `plotly.graph_objects.Figure` takes a hundred times longer than drawing needs, so no figure here does; the
tests check every one of them against Plotly's own validation.
"""

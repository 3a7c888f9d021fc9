"""The instruments of the evaluation: what they ask, in English and French, and their published scores."""

from cdss.evaluation.instruments.scoring import Instrument, Score, instrument, instruments

__all__ = ["Instrument", "Score", "instrument", "instruments"]

"""Other engines behind the interface of the projector, to compare with on screen and to score in validation."""

from projection.engines.projector import ENGINES, ENGINES_FILE, ModelProjector, train_engines

__all__ = ["ENGINES", "ENGINES_FILE", "ModelProjector", "train_engines"]

"""What a build learns from the synthetic episodes and keeps with the release."""

from __future__ import annotations

import json
from collections.abc import Mapping

from projection.engines import ENGINES_FILE, train_engines
from reference_db.episodes import Episodes
from selection import learn_weights
from selection.weights import WEIGHTS_FILE

ENGINES_SEED = 0
"""Chance in the training of models: the same for every build, so that equal episodes give equal files."""


def attachments(episodes: Episodes, jobs: int = 1) -> Mapping[str, bytes]:
    """Return the files that the selection and the projection read from a release, by name; made by some processes."""
    return {
        WEIGHTS_FILE: json.dumps(learn_weights(episodes), indent=2).encode(),
        ENGINES_FILE: train_engines(episodes, seed=ENGINES_SEED, jobs=jobs),
    }

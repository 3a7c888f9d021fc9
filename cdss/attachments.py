"""What a build learns from the synthetic episodes and keeps with the release."""

from __future__ import annotations

import json
from collections.abc import Mapping

from reference_db.episodes import Episodes
from selection import learn_weights


def attachments(episodes: Episodes) -> Mapping[str, bytes]:
    """Return the files that the selection and the projection read from a release, by name."""
    return {"feature_weights.json": json.dumps(learn_weights(episodes), indent=2).encode()}

"""Inference: a secret column guessed from the nearest synthetic record on all others.

Giomi et al., PoPETs 2023, section 4.3. Every column is the secret in turn. A guess is right when it is the same
level, or within 5 % of the number.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reference_db.avatar.columns import EncodedTable
from reference_db.privacy.attacks.result import Attack, judged, risk_of
from reference_db.privacy.attacks.scene import Features, Scene, varied_columns
from reference_db.privacy.targets import ATTACK_TARGETS

TOLERANCE = 0.05
"""Share of the secret within which a number counts as guessed."""

MOST_SECRETS = 1000
"""Targets of whom each column is guessed; there are as many guesses as targets times columns."""

_CHUNK_CELLS = 8_000_000


def inference(scene: Scene, rng: np.random.Generator) -> Attack:
    """Attack every column; risks per column, success over all of them together."""
    features = Features.of(scene.columns, scene.avatars)
    secrets = varied_columns(scene.targets)
    drawn = np.arange(min(MOST_SECRETS, len(scene.targets)))
    targets, controls = scene.targets.rows(drawn), scene.control_targets.rows(drawn)
    main = guessed_from_nearest(features, scene.avatars, targets, secrets)
    own = None if scene.own is None else scene.own[drawn]
    beside = guessed_from_nearest(features, scene.control_source, controls, secrets, own=own)
    mine, theirs = _values(targets), _values(controls)
    pool = _values(scene.avatars)
    success, control, baseline, risks = [], [], [], {}
    for position, column in enumerate(secrets):
        right = _right(main[:, position], mine[:, column])
        right_control = _right(beside[:, position], theirs[:, column])
        random_values = pool[rng.integers(0, len(pool), size=len(mine)), column]
        success.append(right)
        control.append(right_control)
        baseline.append(_right(random_values, mine[:, column]))
        risks[features.names[column]] = risk_of(right, right_control)
    none = np.zeros(0, dtype=bool)
    return judged(
        ATTACK_TARGETS["inference"],
        success=np.concatenate([none, *success]),
        control=np.concatenate([none, *control]),
        baseline=np.concatenate([none, *baseline]),
        columns=risks if scene.looks == 1 else None,
        looks=scene.looks,
    )


def guessed_from_nearest(
    features: Features,
    source: EncodedTable,
    targets: EncodedTable,
    secrets: NDArray[np.intp],
    *,
    own: NDArray[np.intp] | None = None,
) -> NDArray[np.float64]:
    """Return each secret's value in the record of `source` that is nearest on all other columns.

    One pass computes the squared distances on all columns; those without a secret are what remains when its own
    share is taken off.

    Parameters
    ----------
    features : Features
    source, targets : EncodedTable
    secrets : ndarray of int
        Columns, numeric ones first.
    own : ndarray of int, shape (targets,), optional
        Row of `source` that each target itself is, which is not used.

    Returns
    -------
    ndarray, shape (targets, secrets)
        Codes for categorical columns; NaN where the nearest record has none.
    """
    theirs, mine = features.of_table(source), features.of_table(targets)
    values = _values(source)
    guessed = np.empty((len(targets), len(secrets)))
    squares = (theirs**2).sum(axis=1)
    step = max(1, _CHUNK_CELLS // max(len(source), 1))
    for start in range(0, len(targets), step):
        rows = slice(start, start + step)
        whole = squares - 2 * mine[rows] @ theirs.T
        if own is not None:
            whole[np.arange(len(whole)), own[rows]] = np.inf
        for position, column in enumerate(secrets):
            block = features.blocks[column]
            of_secret = (theirs[:, block] ** 2).sum(axis=1) - 2 * mine[rows, block] @ theirs[:, block].T
            guessed[rows, position] = values[(whole - of_secret).argmin(axis=1), column]
    return guessed


def _values(table: EncodedTable) -> NDArray[np.float64]:
    return np.hstack([table.numbers, np.where(table.codes < 0, np.nan, table.codes)])


def _right(guessed: NDArray[np.float64], secret: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell which guesses hit, of the targets that have a secret."""
    known = ~np.isnan(secret)
    return np.asarray(np.abs(guessed[known] - secret[known]) <= TOLERANCE * np.abs(secret[known]) + 1e-12)

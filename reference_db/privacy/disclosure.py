"""What an intruder who knows part of a record learns from the avatars: correlation protection and inference error."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reference_db.avatar.columns import Columns, EncodedTable
from reference_db.privacy.attacks.inference import guessed_from_nearest
from reference_db.privacy.attacks.scene import Features, varied_columns

Floats = NDArray[np.float64]

MOST_RECORDS = 500
"""Originals that are examined, drawn at random from larger tables."""

NEAR = 0.05
"""Numbers closer than this share of the column's range agree."""


def correlation_protection(
    originals: EncodedTable, avatars: EncodedTable, hidden_rate: float, rng: np.random.Generator
) -> float:
    """Return how rarely knowing half of the columns leads to the own avatar, in percent.

    ``100 * (1 - n2 * (1 - hidden rate) / N)`` with n2 the originals that are alone with their values of the known
    columns and have exactly one avatar that agrees on them. The known columns are a random half.

    Parameters
    ----------
    originals, avatars : EncodedTable
    hidden_rate : float
        Percentage.
    rng : Generator
        Draws the known columns, and the originals when there are many.
    """
    varied = varied_columns(originals)
    if not len(varied):
        return 100.0
    known = np.sort(rng.permutation(varied)[: max(1, len(varied) // 2)])
    drawn = rng.permutation(len(originals))[:MOST_RECORDS]
    numeric = originals.numbers.shape[1]
    everyone, others = (np.hstack([t.numbers, np.where(t.codes < 0, np.nan, t.codes)]) for t in (originals, avatars))
    like_me = np.ones((len(drawn), len(originals)), dtype=bool)
    agree = np.ones((len(drawn), len(avatars)), dtype=bool)
    for column in known:
        mine = everyone[drawn, column, None]
        like_me &= _same(mine, everyone[:, column], 0.0)
        spread = np.nanmax(everyone[:, column]) - np.nanmin(everyone[:, column])
        agree &= _same(mine, others[:, column], NEAR * spread if column < numeric else 0.0)
    exposed = ((like_me.sum(axis=1) == 1) & (agree.sum(axis=1) == 1)).mean()
    return float(100 * (1 - exposed * (1 - hidden_rate / 100)))


def inference_errors(
    columns: Columns, originals: EncodedTable, avatars: EncodedTable, rng: np.random.Generator
) -> tuple[dict[str, tuple[float, float]], dict[str, tuple[float, float]]]:
    """Return the errors with which each column is guessed from the avatar nearest on all others.

    Parameters
    ----------
    columns : Columns
    originals, avatars : EncodedTable
    rng : Generator
        Draws the originals when there are many.

    Returns
    -------
    continuous, categorical : dict of str to (float, float)
        Per varied column, error of the guess, and the least error without the table: of always guessing the median or
        the most frequent level of the avatars, or of a guess from the nearest other original; in percent. Symmetric
        mean absolute percentage error (0 to 100), or share of wrong levels.
    """
    features = Features.of(columns, avatars)
    who = rng.permutation(len(originals))[:MOST_RECORDS]
    drawn = originals.rows(who)
    secrets = varied_columns(originals)
    guessed = guessed_from_nearest(features, avatars, drawn, secrets)
    known_of_others = guessed_from_nearest(features, originals, drawn, secrets, own=who)
    numeric = originals.numbers.shape[1]
    errors: tuple[dict[str, tuple[float, float]], dict[str, tuple[float, float]]] = ({}, {})
    for position, column in enumerate(secrets):
        is_level = bool(column >= numeric)
        if is_level:
            secret, pool = drawn.codes[:, column - numeric].astype(np.float64), avatars.codes[:, column - numeric]
            usual = float(np.bincount(pool[pool >= 0]).argmax()) if (pool >= 0).any() else -1.0
            known = secret >= 0
        else:
            secret, numbers = drawn.numbers[:, column], avatars.numbers[:, column]
            usual = float(np.nanmedian(numbers)) if (~np.isnan(numbers)).any() else 0.0
            known = ~np.isnan(secret)
        if known.any():
            error = _wrong if is_level else _smape
            lazy = np.full(known.sum(), usual)
            errors[is_level][features.names[column]] = (
                error(guessed[known, position], secret[known]),
                min(error(guess, secret[known]) for guess in (lazy, known_of_others[known, position])),
            )
    return errors


def _same(mine: Floats, theirs: Floats, tolerance: float) -> NDArray[np.bool_]:
    both_missing = np.isnan(mine) & np.isnan(theirs)
    return np.asarray((np.abs(mine - theirs) <= tolerance) | both_missing)


def _wrong(guessed: Floats, secret: Floats) -> float:
    return float(100 * (guessed != secret).mean())


def _smape(guessed: Floats, secret: Floats) -> float:
    """Symmetric error; a guess that is missing is wholly wrong, two zeros agree."""
    total = np.abs(guessed) + np.abs(secret)
    share = np.divide(np.abs(guessed - secret), total, out=np.zeros_like(total), where=total > 0)
    return float(100 * np.where(np.isnan(guessed), 1.0, share).mean())

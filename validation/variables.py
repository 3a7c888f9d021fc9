"""The variables of an episode as validation reads them: label, order, numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reference_db.episodes import Episodes
from reference_db.vocabulary import Phenotype, PriorTreatment, Sex, T2Load
from validation.outcomes import outcomes

Floats = NDArray[np.float64]

STRATUM_COLUMNS: tuple[str, ...] = ("source", "source_kind", "arm", "treatment")
"""What an arm is; compared in the sections on structure and on efficacy, not as variables."""

ORDERED_LEVELS: dict[str, tuple[str, ...]] = {
    "phenotype": tuple(Phenotype),
    "sex": tuple(Sex),
    "prior_treatment": tuple(PriorTreatment),
    "t2_lesions": tuple(T2Load),
}
"""Categories and their order; phenotypes by course, sexes as two."""

BASELINE: tuple[str, ...] = (
    "phenotype",
    "sex",
    "age",
    "years_since_onset",
    "prior_treatment",
    "relapses_12m",
    "relapses_24m",
    "gd_lesions",
    "t2_lesions",
    "edss_m12",
    "edss_0",
)


def as_numbers(episodes: Episodes, *, names: Sequence[str] | None = None) -> pd.DataFrame:
    """Return every variable as numbers, with the confirmed worsenings that its EDSS makes.

    Parameters
    ----------
    episodes : Episodes
    names : sequence of str, optional
        Columns of the table; with them only these are returned, and no worsening.

    Returns
    -------
    DataFrame
        One row per episode in the order of the table. Categories by their position in `ORDERED_LEVELS`; NaN where
        missing. ``worsening_12w`` and ``worsening_24w`` are 1 with an event within 24 months, else 0.
    """
    table = episodes.table
    columns: dict[str, Floats] = {}
    for name in table.columns if names is None else names:
        if name in STRATUM_COLUMNS:
            continue
        if name in ORDERED_LEVELS:
            codes = pd.Categorical(table[name], categories=list(ORDERED_LEVELS[name])).codes
            columns[name] = np.where(codes < 0, np.nan, codes.astype(np.float64))
        else:
            columns[name] = table[name].to_numpy(dtype=np.float64, na_value=np.nan)
    if names is not None:
        return pd.DataFrame(columns)
    found = outcomes(episodes)
    columns["worsening_12w"] = found.worsening_12w.event.astype(np.float64)
    columns["worsening_24w"] = found.worsening_24w.event.astype(np.float64)
    return pd.DataFrame(columns)

"""The episode table as arrays: what selection and projection compute on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reference_db.schema import (
    EDSS_MONTHS,
    MRI_MONTHS,
    RELAPSE_MONTHS,
    Source,
    edss_column,
    gd_column,
    new_t2_column,
    relapse_column,
)
from reference_db.vocabulary import Treatment


@dataclass(frozen=True)
class Episodes:
    """Episodes with their sources; arrays are made once, on first use, and must not be written to.

    Attributes
    ----------
    table : DataFrame
        Episodes, as `schema.check_episodes` accepted them, with a plain 0..n-1 index.
    sources : mapping of str to Source
        Every source named in the table.
    """

    table: pd.DataFrame
    sources: Mapping[str, Source]

    def __len__(self) -> int:
        return len(self.table)

    def _grid(self, column: Callable[[int], str], months: tuple[int, ...]) -> NDArray[np.float64]:
        grid = self.table[[column(month) for month in months]].to_numpy(dtype=np.float64, na_value=np.nan)
        grid.flags.writeable = False
        return grid

    @cached_property
    def edss(self) -> NDArray[np.float64]:
        """EDSS, (patients, len(EDSS_MONTHS)); NaN where not observed."""
        return self._grid(edss_column, EDSS_MONTHS)

    @cached_property
    def relapses(self) -> NDArray[np.float64]:
        """Relapses per interval, (patients, len(RELAPSE_MONTHS)); NaN where not observed."""
        return self._grid(relapse_column, RELAPSE_MONTHS)

    @cached_property
    def gd(self) -> NDArray[np.float64]:
        """Gadolinium-enhancing lesions per scan, (patients, len(MRI_MONTHS)); NaN where there was no scan."""
        return self._grid(gd_column, MRI_MONTHS)

    @cached_property
    def new_t2(self) -> NDArray[np.float64]:
        """New or enlarging T2 lesions per interval, (patients, len(MRI_MONTHS)); NaN where there was no scan."""
        return self._grid(new_t2_column, MRI_MONTHS)

    @cached_property
    def days_per_month(self) -> NDArray[np.float64]:
        """Days behind one month of the grid, per patient."""
        days = {name: source.days_per_month for name, source in self.sources.items()}
        return np.asarray(self.table["source"].map(days), dtype=np.float64)

    @cached_property
    def rows_by_treatment(self) -> Mapping[Treatment, NDArray[np.intp]]:
        """Row numbers of each treatment class, in the order of `Treatment`; empty where a class has none."""
        treatment = self.table["treatment"].to_numpy()
        return {t: np.flatnonzero(treatment == t.value) for t in Treatment}

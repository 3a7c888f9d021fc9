"""The privacy assessment of a synthetic table: metrics and attacks with their targets, and one verdict."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reference_db.avatar.columns import Columns, EncodedTable, read_columns
from reference_db.avatar.strata import stratum_rows
from reference_db.errors import FieldProblem, InvalidTable
from reference_db.privacy.metrics import Metric, distance_metrics
from reference_db.privacy.targets import TARGETS_VERSION, Verdict

Floats = NDArray[np.float64]
Origin = NDArray[np.intp]
Progress = Callable[[float, str], None]


@dataclass(frozen=True, slots=True)
class StratumAssessment:
    """The metrics of the records that were anonymised together.

    Attributes
    ----------
    name : str
    originals, avatars : int
        Numbers of records.
    metrics : tuple of Metric
    """

    name: str
    originals: int
    avatars: int
    metrics: tuple[Metric, ...]


@dataclass(frozen=True, slots=True)
class PrivacyAssessment:
    """What the metrics and attacks say about a synthetic table.

    Attributes
    ----------
    targets_version : str
        Version of the set of targets.
    originals, avatars, holdout : int
        Numbers of records.
    metrics : tuple of Metric
        Over the whole table; with strata, for each metric its lowest value over the strata.
    strata : tuple of StratumAssessment
        Every stratum on its own; a single one for a table without strata.
    """

    targets_version: str
    originals: int
    avatars: int
    holdout: int
    metrics: tuple[Metric, ...]
    strata: tuple[StratumAssessment, ...]

    @property
    def passed(self) -> bool:
        """Whether no target is missed in any stratum."""
        return not self.failures

    @property
    def failures(self) -> list[str]:
        """Every missed target, in words."""
        return [
            f"{stratum.name}: {metric.label.lower()} is {metric.value:.3g}{_unit(metric)}, "
            f"it must exceed {metric.target:g}{_unit(metric)}"
            for stratum in self.strata
            for metric in stratum.metrics
            if metric.verdict is Verdict.FAILED
        ]

    def to_json_dict(self) -> dict[str, Any]:
        """Return plain dictionaries, lists, strings and numbers, with the verdict and the failures."""
        return asdict(self) | {"passed": self.passed, "failures": self.failures}


def _unit(metric: Metric) -> str:
    return f" {metric.unit}" if metric.unit else ""


def assess_privacy(
    original: pd.DataFrame,
    synthetic: pd.DataFrame,
    *,
    rng: np.random.Generator,
    origin: Origin | None = None,
    holdout: pd.DataFrame | None = None,
    strata: str | Sequence[str] | None = None,
    categorical: Sequence[str] = (),
    progress: Progress | None = None,
) -> PrivacyAssessment:
    """Measure how well a synthetic table protects the patients of the original one.

    Parameters
    ----------
    original : DataFrame
        The records the synthetic table was made from.
    synthetic : DataFrame
        The same columns.
    rng : Generator
        For samples and draws of the attacks.
    origin : ndarray of int, shape (len(synthetic),), optional
        Row of the original behind each synthetic record. When absent and the tables have as many rows, row i is
        taken as the avatar of row i; otherwise metrics about the own avatar are not applicable.
    holdout : DataFrame, optional
        Records of the same population that were not used: the control set of the attacks.
    strata : str or sequence of str, optional
        Columns whose combinations are judged one by one.
    categorical : sequence of str
        Numeric columns whose values are labels.
    progress : callable, optional
        Called with the share done and what is being measured.

    Returns
    -------
    PrivacyAssessment

    Raises
    ------
    InvalidTable
        If the tables cannot be compared, each reason named.
    """
    kept_apart = [strata] if isinstance(strata, str) else list(strata or ())
    columns = read_columns(original, categorical=categorical)
    check_comparable(original, synthetic, holdout=holdout, origin=origin, strata=kept_apart)
    if origin is None and len(original) == len(synthetic):
        origin = np.arange(len(original))
    records, avatars = columns.encode(original), columns.encode(synthetic)
    names = dict(stratum_rows(original, kept_apart))
    avatar_names = dict(stratum_rows(synthetic, kept_apart))
    strangers = sorted(set(avatar_names) - set(names))
    if strangers:
        raise InvalidTable.of("strata", f"{strangers[0]} is in the synthetic table and not in the original")
    judged: list[StratumAssessment] = []
    for position, (name, rows) in enumerate(names.items()):
        made = avatar_names.get(name, np.empty(0, dtype=np.intp))
        if not len(made):
            continue
        judged.append(
            _assess_stratum(name, columns, records.rows(rows), avatars.rows(made), _within(origin, rows, made))
        )
        if progress is not None:
            progress((position + 1) / len(names), name)
    return PrivacyAssessment(
        targets_version=TARGETS_VERSION,
        originals=len(original),
        avatars=len(synthetic),
        holdout=0 if holdout is None else len(holdout),
        metrics=_lowest(judged),
        strata=tuple(judged),
    )


def check_comparable(
    original: pd.DataFrame,
    synthetic: pd.DataFrame,
    *,
    holdout: pd.DataFrame | None,
    origin: Origin | None,
    strata: Sequence[str],
) -> None:
    """Verify that two tables can be compared.

    Raises
    ------
    InvalidTable
        One problem per column that one of them lacks, an empty table, or an origin that does not fit.
    """
    problems = []
    for label, table in (("synthetic", synthetic), ("holdout", holdout)):
        if table is None:
            continue
        problems += [
            FieldProblem(f"{label}.{name}", "is missing; the tables need the same columns")
            for name in original.columns
            if name not in table.columns
        ]
        problems += [
            FieldProblem(f"{label}.{name}", "is not a column of the original; remove it")
            for name in table.columns
            if name not in original.columns
        ]
        if not len(table):
            problems.append(FieldProblem(label, "has no row"))
        problems += _type_problems(label, original, table)
    if not len(original):
        problems.append(FieldProblem("original", "has no row"))
    problems += [
        FieldProblem("strata", f"{name} is not a column of the original", ", ".join(map(str, original.columns)))
        for name in strata
        if name not in original.columns
    ]
    if origin is not None:
        if len(origin) != len(synthetic):
            problems.append(FieldProblem("origin", f"{len(origin)} origins for {len(synthetic)} synthetic records"))
        elif len(origin) and not (origin.min() >= 0 and origin.max() < len(original)):
            problems.append(FieldProblem("origin", "names rows the original has not", f"0 to {len(original) - 1}"))
    if problems:
        raise InvalidTable(problems)


def _type_problems(label: str, original: pd.DataFrame, table: pd.DataFrame) -> list[FieldProblem]:
    def kind(values: pd.Series) -> str:
        if pd.api.types.is_datetime64_any_dtype(values):
            return "date"
        is_number = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
        return "number" if is_number else "label"

    return [
        FieldProblem(f"{label}.{name}", f"holds {kind(table[name])}s where the original has {kind(original[name])}s")
        for name in original.columns
        if name in table.columns
        and table[name].notna().any()
        and original[name].notna().any()
        and kind(table[name]) != kind(original[name])
    ]


def _assess_stratum(
    name: str, columns: Columns, originals: EncodedTable, avatars: EncodedTable, origin: Origin | None
) -> StratumAssessment:
    metrics = distance_metrics(columns, originals, avatars, origin)
    return StratumAssessment(name, len(originals), len(avatars), metrics)


def _within(origin: Origin | None, rows: Origin, made: Origin) -> Origin | None:
    """Origins of a stratum's avatars as positions in the stratum; None where one lies outside it."""
    if origin is None:
        return None
    position = np.searchsorted(rows, origin[made])
    inside = (position < len(rows)) & (rows[np.minimum(position, len(rows) - 1)] == origin[made])
    return position if inside.all() else None


def _lowest(strata: Sequence[StratumAssessment]) -> tuple[Metric, ...]:
    if len(strata) == 1:
        return strata[0].metrics
    lowest = []
    for metrics in zip(*(stratum.metrics for stratum in strata), strict=True):
        measured = [metric for metric in metrics if metric.value is not None]
        lowest.append(min(measured, key=lambda metric: metric.value or 0.0) if measured else metrics[0])
    return tuple(lowest)

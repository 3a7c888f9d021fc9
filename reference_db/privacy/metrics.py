"""The distance metrics of a synthetic table, each with its space, its target and its verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reference_db.avatar.columns import Columns, EncodedTable
from reference_db.avatar.neighbours import nearest_records
from reference_db.avatar.projection import fit_factor_space
from reference_db.privacy.cloaking import cloaking, spaced
from reference_db.privacy.direct_match import column_protection, row_protection
from reference_db.privacy.disclosure import correlation_protection, inference_errors
from reference_db.privacy.distances import alone_at_the_ends, distance_ratio, outlier_protection, two_nearest
from reference_db.privacy.likeness import likeness_by_chance
from reference_db.privacy.targets import ASSESSED_AXES, FURTHER_TARGETS, TARGETS, Target, Verdict

Origin = NDArray[np.intp]

LIKENESS_AXES: tuple[int | None, ...] = (2, ASSESSED_AXES, 10, None)
"""Numbers of factor axes in which the nearest others of an original are sought; None is all of them."""

_LIKE = 5
"""Nearest others whose values are compared with those of an avatar."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric of one table or stratum.

    Attributes
    ----------
    name, label, definition, unit : str
    space : str
        Where distances are taken.
    value : float or None
        None when not applicable.
    target : float
        The value must be greater.
    verdict : Verdict
    column : str
        Where the value is lowest, of a metric that is the least over columns.
    """

    name: str
    label: str
    definition: str
    unit: str
    space: str
    value: float | None
    target: float
    verdict: Verdict
    column: str = ""


@dataclass(frozen=True, slots=True)
class _Geometry:
    originals: NDArray[np.float64]
    avatars: NDArray[np.float64]
    closest: Origin
    nearest: NDArray[np.float64]


def distance_metrics(
    columns: Columns,
    originals: EncodedTable,
    avatars: EncodedTable,
    origin: Origin | None,
    *,
    most: int | None = None,
    apart: Sequence[str] = (),
    axes: int = ASSESSED_AXES,
) -> tuple[Metric, ...]:
    """Return the distance metrics of a table, in the factor space of its originals.

    Parameters
    ----------
    columns : Columns
    originals, avatars : EncodedTable
    origin : ndarray of int, shape (avatars,), or None
        Original of each avatar.
    most : int, optional
        Take distances of about this many records rather than all: for a quick estimate on a large table.
    apart : sequence of str
        Columns that keep their values by design, as strata do: that they agree is no sign that they were copied.
    axes : int
        Factor axes in which hidden rate and local cloaking are measured, as many as there are at most.

    Returns
    -------
    tuple of Metric
        In the order of `TARGETS`.
    """
    return _distance_metrics(columns, originals, avatars, origin, most, apart, axes)[0]


def all_metrics(
    columns: Columns,
    originals: EncodedTable,
    avatars: EncodedTable,
    origin: Origin | None,
    rng: np.random.Generator,
    *,
    most: int | None = None,
    apart: Sequence[str] = (),
    axes: int = ASSESSED_AXES,
) -> tuple[Metric, ...]:
    """Return the distance metrics and the further ones; parameters as in `distance_metrics`, with a generator.

    With `most`, the further ones are those of about this many originals and avatars.

    Returns
    -------
    tuple of Metric
        In the order of `TARGETS`, then of `FURTHER_TARGETS`.
    """
    metrics, geometry = _distance_metrics(columns, originals, avatars, origin, most, apart, axes)
    own, theirs = (spaced(np.arange(len(table)), most) for table in (originals, avatars))
    avatars = avatars.rows(theirs)
    likeness = likeness_by_chance(originals, avatars, geometry.closest, None if origin is None else origin[theirs])
    originals = originals.rows(own)
    nearest = geometry.nearest
    hidden_rate = next(metric.value for metric in metrics if metric.name == "hidden_rate")
    too_near = (nearest[:, 0] < 0.2) & (distance_ratio(nearest) < 0.3)
    extreme = alone_at_the_ends(originals.numbers)
    outlier = outlier_protection(geometry.originals[own], geometry.avatars[theirs], extreme)
    raw = "values as they are"
    found: dict[str, tuple[float | None, str]] = {
        "closest_rate": (float(100 * (1 - too_near.mean())), metrics[0].space),
        "outlier_protection": (outlier, metrics[0].space),
        "likeness_by_chance": (likeness, raw),
        "correlation_protection": (None, raw),
    }
    if hidden_rate is not None:
        protection = correlation_protection(originals, avatars, hidden_rate, rng)
        found["correlation_protection"] = (protection, "a random half of the columns")
    errors = inference_errors(columns, originals, avatars, rng)
    limits = {target.name: target.over for target in FURTHER_TARGETS}
    for name, by_column in zip(("inference_continuous", "inference_categorical"), errors, strict=True):
        telling = [guessed for guessed, without in by_column.values() if without > limits[name]]
        found[name] = (float(np.mean(telling)) if telling else None, f"{len(telling)} of {len(by_column)} columns")
    return (*metrics, *(_judged(target, *found[target.name]) for target in FURTHER_TARGETS))


def _distance_metrics(
    columns: Columns,
    originals: EncodedTable,
    avatars: EncodedTable,
    origin: Origin | None,
    most: int | None,
    apart: Sequence[str],
    axes: int,
) -> tuple[tuple[Metric, ...], _Geometry]:
    """Return the distance metrics, and the coordinates and distances they rest on."""
    space = fit_factor_space(originals, columns)
    own, theirs = space.transform(originals), space.transform(avatars)
    closest, nearest = two_nearest(own, theirs[spaced(np.arange(len(theirs)), most)])
    whole = f"all {space.dimensions} factor axes of the originals"
    axes = min(axes, space.dimensions)
    plane = f"first {axes} factor axes of the originals"
    raw = "values as they are"
    found: dict[str, tuple[float | None, str]] = {
        "distance_to_closest": (float(np.median(nearest[:, 0])), whole),
        "closest_distance_ratio": (float(np.median(distance_ratio(nearest))), whole),
        "row_direct_match_protection": (row_protection(originals, avatars), raw),
        "column_direct_match_protection": (None, raw),
        "local_cloaking": (None, plane),
        "hidden_rate": (None, plane),
        "categorical_hidden_rate": (None, "all factor axes of the categorical columns"),
    }
    columns_of: dict[str, str] = {}
    if origin is not None:
        around = cloaking(own[:, :axes], theirs[:, :axes], origin, most=most)
        found["local_cloaking"] = (around.local_cloaking, plane)
        found["hidden_rate"] = (around.hidden_rate, plane)
        names = [*(column.name for column in columns.numeric), *(column.name for column in columns.categorical)]
        protection = column_protection(
            originals,
            avatars,
            origin,
            [_alike(own[:, :axes], most) for axes in LIKENESS_AXES],
            apart=np.isin(np.array(names, dtype=object), list(apart)),
        )
        columns_of["column_direct_match_protection"] = names[int(protection.argmin())]
        found["column_direct_match_protection"] = (float(protection.min()), raw)
        rate = _categorical_hidden_rate(columns, originals, avatars, origin, most)
        found["categorical_hidden_rate"] = (rate, "all factor axes of the categorical columns")
    metrics = (_judged(target, *found[target.name], column=columns_of.get(target.name, "")) for target in TARGETS)
    return tuple(metrics), _Geometry(own, theirs, closest, nearest)


def _alike(originals: NDArray[np.float64], most: int | None) -> tuple[Origin, Origin]:
    """Return about `most` originals and the nearest others of each; nobody where there is one original."""
    rows = spaced(np.arange(len(originals)), most)
    if len(originals) < 2:
        return rows[:0], rows[:0, None]
    originals = np.ascontiguousarray(originals)
    return rows, nearest_records(originals, originals[rows], min(_LIKE, len(originals) - 1), others_of=rows)[0]


def _categorical_hidden_rate(
    columns: Columns, originals: EncodedTable, avatars: EncodedTable, origin: Origin, most: int | None
) -> float | None:
    varied = [p for p in range(originals.codes.shape[1]) if len(np.unique(originals.codes[:, p])) > 1]
    if not varied:
        return None
    only = Columns(columns.order, columns.dtypes, (), tuple(columns.categorical[p] for p in varied))
    mine = EncodedTable(np.empty((len(originals), 0)), originals.codes[:, varied])
    theirs = EncodedTable(np.empty((len(avatars), 0)), avatars.codes[:, varied])
    space = fit_factor_space(mine, only)
    return cloaking(space.transform(mine), space.transform(theirs), origin, most=most).hidden_rate


def _judged(target: Target, value: float | None, space: str, *, column: str = "") -> Metric:
    verdict = Verdict.NOT_APPLICABLE
    if value is not None:
        verdict = Verdict.PASSED if value > target.over else Verdict.FAILED
    return Metric(
        target.name, target.label, target.definition, target.unit, space, value, target.over, verdict, column
    )

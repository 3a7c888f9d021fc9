"""The privacy assessment of a synthetic table: metrics and attacks with their targets, and one verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reference_db.avatar.columns import Columns, EncodedTable, read_columns
from reference_db.avatar.strata import stratum_rows
from reference_db.errors import FieldProblem, InvalidTable
from reference_db.privacy.attacks import FEWEST_ATTACKS, Attack, Scene, run_attacks, run_membership
from reference_db.privacy.metrics import Metric, all_metrics
from reference_db.privacy.targets import ASSESSED_AXES, TARGETS_VERSION, Verdict, copied

Floats = NDArray[np.float64]
Origin = NDArray[np.intp]
Progress = Callable[[float, str], None]
Rehearsal = Callable[[pd.DataFrame, np.random.Generator], pd.DataFrame]
_Task = tuple[Callable[..., Any], tuple[Any, ...]]

REHEARSED_SHARE = 0.7
"""Share of the originals that a rehearsal makes avatars of, as in the published membership attacks."""

REHEARSALS = 3
"""Splits that are rehearsed: who is held out is a matter of luck."""

FURTHER_REHEARSALS = 5
SMALL_STRATUM = 300
"""Strata of fewer records are rehearsed in further splits: of 72 patients 22 are held out in each."""


@dataclass(frozen=True, slots=True)
class StratumAssessment:
    """What is found among the records that were anonymised together.

    Attributes
    ----------
    name : str
    originals, avatars : int
        Numbers of records.
    metrics : tuple of Metric
    attacks : tuple of Attack
        On this stratum alone, by somebody who knows that the patient is in it; empty when it is the whole table.
    """

    name: str
    originals: int
    avatars: int
    metrics: tuple[Metric, ...]
    attacks: tuple[Attack, ...] = ()


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
    attacks : tuple of Attack
        On the whole table.
    control : str
        What the attacks are compared with.
    """

    targets_version: str
    originals: int
    avatars: int
    holdout: int
    metrics: tuple[Metric, ...]
    strata: tuple[StratumAssessment, ...]
    attacks: tuple[Attack, ...]
    control: str

    @property
    def passed(self) -> bool:
        """Whether no target is missed in any stratum."""
        return not self.failures

    @property
    def failures(self) -> list[str]:
        """Every missed target, in words."""
        metrics = [
            f"{stratum.name}: {copied(metric.column)}{metric.label.lower()} is {metric.value:.3g}{_unit(metric)}, "
            f"it must exceed {metric.target:g}{_unit(metric)}"
            for stratum in self.strata
            for metric in stratum.metrics
            if metric.verdict is Verdict.FAILED
        ]
        attacked = [("", self.attacks), *((f"{stratum.name}: ", stratum.attacks) for stratum in self.strata)]
        return metrics + [
            f"{where}{attack.label.lower()}: the risk is {attack.risk.value:.3f} "
            f"({attack.risk.lower:.3f} to {attack.risk.upper:.3f}), it must not exceed {attack.target:g}"
            for where, attacks in attacked
            for attack in attacks
            if attack.verdict is Verdict.FAILED
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
    apart: Sequence[str] = (),
    axes: int = ASSESSED_AXES,
    rehearse: Rehearsal | None = None,
    progress: Progress | None = None,
    jobs: int = 1,
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
    apart : sequence of str
        Columns whose values are kept by design, as those of strata are: nobody copied them.
    axes : int
        Factor axes in which hidden rate and local cloaking are measured, as many as there are at most.
    rehearse : callable, optional
        Makes a synthetic table in the way `synthetic` was made, of a table with the same columns. Without held-out
        records, membership is then tested on rehearsals: avatars of a random 70 % of the originals, with the others
        as control.
    progress : callable, optional
        Called with the share done and what is being measured.
    jobs : int
        Processes that rehearse and attack; the result is the same with any number.

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
    material = _Material.of(original, synthetic, holdout, columns, kept_apart)
    tasks: list[_Task] = []
    if holdout is None and rehearse is not None:
        few = [rows for rows in material.rows.values() if len(rows) < SMALL_STRATUM]
        further = original.iloc[np.sort(np.concatenate([np.empty(0, dtype=np.intp), *few]))].reset_index(drop=True)
        tables = [original] * REHEARSALS + [further] * (FURTHER_REHEARSALS if len(further) else 0)
        streams = rng.spawn(len(tables))
        tasks += [
            (_rehearsed, (table, columns, kept_apart, rehearse, stream))
            for table, stream in zip(tables, streams, strict=True)
        ]
    number = len(tasks)
    streams = rng.spawn(len(material.made))
    tasks += [
        (_measured, (material.of_stratum(name), name, origin, apart, axes, stream))
        for name, stream in zip(material.made, streams, strict=True)
    ]
    done = list(_side_by_side(tasks, jobs, "measured and rehearsed", _part(progress, 0.0, 0.5)))
    rehearsals: list[_Material] = done[:number]
    judged: tuple[StratumAssessment, ...] = tuple(done[number:])
    attacks, *attacked = _attacked(material, rehearsals, rng, _part(progress, 0.5, 0.5), jobs, strata=len(judged) > 1)
    if attacked:
        judged = tuple(replace(stratum, attacks=found) for stratum, found in zip(judged, attacked, strict=True))
    control = "other originals in the place of the avatars" if holdout is None else "held-out records"
    if rehearsals:
        control += f"; for membership, {REHEARSALS} rehearsals with held-out records"
        if number > REHEARSALS:
            control += f", {number} in strata of fewer than {SMALL_STRATUM} records"
    if progress is not None:
        progress(1.0, "assessed")
    return PrivacyAssessment(
        targets_version=TARGETS_VERSION,
        originals=len(original),
        avatars=len(synthetic),
        holdout=0 if holdout is None else len(holdout),
        metrics=_lowest(judged),
        strata=judged,
        attacks=attacks,
        control=control,
    )


@dataclass(frozen=True, slots=True)
class _Material:
    """The tables as arrays, with the rows of each stratum."""

    columns: Columns
    originals: EncodedTable
    avatars: EncodedTable
    holdout: EncodedTable | None
    rows: dict[str, Origin]
    made: dict[str, Origin]
    held: dict[str, Origin]

    @classmethod
    def of(
        cls,
        original: pd.DataFrame,
        synthetic: pd.DataFrame,
        holdout: pd.DataFrame | None,
        columns: Columns,
        kept_apart: Sequence[str],
    ) -> _Material:
        rows, made = (dict(stratum_rows(table, kept_apart)) for table in (original, synthetic))
        strangers = sorted(set(made) - set(rows))
        if strangers:
            raise InvalidTable.of("strata", f"{strangers[0]} is in the synthetic table and not in the original")
        return cls(
            columns,
            columns.encode(original),
            columns.encode(synthetic),
            None if holdout is None else columns.encode(holdout),
            rows,
            made,
            {} if holdout is None else dict(stratum_rows(holdout, kept_apart)),
        )

    def of_stratum(self, name: str) -> _Material:
        """Return the records of one stratum, with the rows they have in the whole tables."""
        rows, made = self.rows[name], self.made[name]
        originals, avatars = self.originals.rows(rows), self.avatars.rows(made)
        return _Material(self.columns, originals, avatars, None, {name: rows}, {name: made}, {})

    def scene(self, place: str | None, rng: np.random.Generator) -> Scene:
        """Return the scene of the attacks on a stratum, or on the whole table.

        Held-out records of a stratum serve where there are enough of them.
        """
        if place is None:
            return Scene.of(self.columns, self.originals, self.avatars, self.holdout, rng)
        held = self.held.get(place, np.empty(0, dtype=np.intp))
        controls = None if self.holdout is None or len(held) < FEWEST_ATTACKS else self.holdout.rows(held)
        originals, avatars = self.originals.rows(self.rows[place]), self.avatars.rows(self.made[place])
        return Scene.of(self.columns, originals, avatars, controls, rng, looks=len(self.made))


def _part(progress: Progress | None, begun: float, width: float) -> Progress:
    """Return the progress of a step as part of the whole."""

    def told(share: float, step: str) -> None:
        if progress is not None:
            progress(begun + width * share, step)

    return told


def _measured(
    stratum: _Material, name: str, origin: Origin | None, apart: Sequence[str], axes: int, rng: np.random.Generator
) -> StratumAssessment:
    """Measure the metrics of one stratum."""
    rows, made = stratum.rows[name], stratum.made[name]
    own = _within(origin, rows, made)
    metrics = all_metrics(stratum.columns, stratum.originals, stratum.avatars, own, rng, apart=apart, axes=axes)
    return StratumAssessment(name, len(rows), len(made), metrics)


def _rehearsed(
    original: pd.DataFrame,
    columns: Columns,
    kept_apart: Sequence[str],
    rehearse: Rehearsal,
    rng: np.random.Generator,
) -> _Material:
    """Make avatars of a share of each stratum; the others are held out."""
    used = np.zeros(len(original), dtype=bool)
    for _, rows in stratum_rows(original, kept_apart):
        used[rng.permutation(rows)[: round(REHEARSED_SHARE * len(rows))]] = True
    members, others = (original[chosen].reset_index(drop=True) for chosen in (used, ~used))
    return _Material.of(members, rehearse(members, rng), others, columns, kept_apart)


def _attacked(
    material: _Material,
    rehearsals: Sequence[_Material],
    rng: np.random.Generator,
    progress: Progress,
    jobs: int,
    *,
    strata: bool,
) -> list[tuple[Attack, ...]]:
    """Attack the whole table, then each stratum where asked; each with random numbers of its own."""
    places = [None, *material.made] if strata else [None]
    streams = rng.spawn(len(places))
    tasks = [(_attacks, (material, rehearsals, place, stream)) for place, stream in zip(places, streams, strict=True)]
    return list(_side_by_side(tasks, jobs, "attacked", progress))


def _side_by_side(tasks: Sequence[_Task], jobs: int, doing: str, progress: Progress) -> Iterator[Any]:
    """Yield the results of tasks in their order, from as many processes."""
    from joblib import Parallel, delayed, parallel_config

    # Sums differ in the last digit with another number of threads: one, as in the build.
    with parallel_config(backend="loky", inner_max_num_threads=1):
        work = Parallel(n_jobs=min(jobs, len(tasks)), return_as="generator")(
            delayed(task)(*given) for task, given in tasks
        )
        for done, result in enumerate(work, start=1):
            progress(done / len(tasks), f"{doing} ({done} of {len(tasks)})")
            yield result


def _attacks(
    material: _Material, rehearsals: Sequence[_Material], place: str | None, rng: np.random.Generator
) -> tuple[Attack, ...]:
    """Attack one place; membership is tested on the rehearsals, where there are any."""
    attacks = run_attacks(material.scene(place, rng), rng, membership=not rehearsals)
    # Small strata alone are no rehearsal of the whole table.
    rehearsed = [
        one.scene(place, rng)
        for one in rehearsals
        if (place in one.made if place is not None else len(one.made) == len(material.made))
    ]
    return attacks + run_membership(rehearsed, rng) if rehearsals else attacks


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

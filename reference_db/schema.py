"""What the tables of the reference database hold: columns, types, units, ranges.

Two forms. The *long tables* are the form in which sources are exchanged: patients, visits, relapses, mri,
treatments. The *episode table* is the form that everything downstream works on: one row per patient on one treatment,
with the state at baseline and the outcomes on a grid of months.

Days and months count from the patient's index date, the start of the treatment of the episode. No calendar date, no
centre and no free text exists in any of them.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import pandas as pd
import pandera.pandas as pa
from pydantic import BaseModel, ConfigDict, Field

from reference_db.constraints import AtMost, Constraint, NothingAfter, Range, Scale, cells_of
from reference_db.errors import FieldProblem, InvalidTable
from reference_db.vocabulary import Phenotype, PriorTreatment, Sex, SourceKind, T2Load, Treatment

SCHEMA_VERSION = "1"

EDSS_SCALE: tuple[float, ...] = (0.0, *(half / 2 for half in range(2, 21)))
"""The 20 values of the Expanded Disability Status Scale: 0, then 1.0 to 10.0 by 0.5."""

EDSS_MONTHS: tuple[int, ...] = (0, 3, 6, 9, 12, 15, 18, 21, 24, 30, 36, 48, 60)
"""Months after baseline at which the episode holds the EDSS."""

RELAPSE_MONTHS: tuple[int, ...] = EDSS_MONTHS[1:]
"""Ends of the intervals over which the episode counts relapses; each starts at the month before it on the grid."""

MRI_MONTHS: tuple[int, ...] = (6, 12, 24, 36, 48, 60)
"""Months at which the episode holds MRI: lesions enhancing on that scan, and new or enlarging T2 lesions since the
month before it in this tuple (baseline for the first)."""

AGE_RANGE = (15.0, 90.0)
"""Years."""

DURATION_RANGE = (0.0, 70.0)
"""Years since the first symptom."""

RELAPSES_12M_RANGE = (0, 10)
RELAPSES_24M_RANGE = (0, 15)
GD_RANGE = (0, 100)
"""Gadolinium-enhancing lesions on one scan."""

NEW_T2_RANGE = (0, 300)
"""New or enlarging T2 lesions over one interval."""

EDSS_HISTORY = "edss_m12"
"""Column of the EDSS one year before baseline."""


def edss_column(month: int) -> str:
    """Name of the episode column that holds the EDSS at a month of the grid."""
    return f"edss_{month}"


def relapse_column(month: int) -> str:
    """Name of the episode column that counts relapses in the interval ending at a month."""
    return f"relapses_{month}"


def gd_column(month: int) -> str:
    """Name of the episode column that counts gadolinium-enhancing lesions at a month."""
    return f"gd_{month}"


def new_t2_column(month: int) -> str:
    """Name of the episode column that counts new or enlarging T2 lesions in the interval ending at a month."""
    return f"new_t2_{month}"


class Source(BaseModel):
    """One source of patients: a trial or a registry cohort."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=40)
    label: str = Field(min_length=1, max_length=120)
    kind: SourceKind
    days_per_month: float = Field(
        ge=28.0,
        le=30.4375,
        description="Days behind one month of the grid. Trials that see patients every 12 weeks call week 96 their "
        "second year, so one of their months has 28 days; elsewhere it is 30.4375.",
    )


def _category(values: type[Sex | Phenotype | Treatment | T2Load | PriorTreatment | SourceKind]) -> pa.Check:
    return pa.Check.isin([value.value for value in values])


_EDSS = pa.Check.isin(EDSS_SCALE, error="not on the EDSS scale (0, then 1.0 to 10.0 by 0.5)")


def _count(bounds: tuple[int, int]) -> pa.Check:
    return pa.Check.in_range(*bounds)


_DAY = pa.Check.in_range(-40 * 366, 40 * 366)

PATIENTS = pa.DataFrameSchema(
    {
        "patient_id": pa.Column(str, unique=True, description="Pseudonym, unique over all sources."),
        "source": pa.Column(str),
        "arm": pa.Column(str, description="Trial arm; in a registry, the treatment class at the index date."),
        "phenotype": pa.Column(str, _category(Phenotype)),
        "sex": pa.Column(str, _category(Sex)),
        "age": pa.Column(float, pa.Check.in_range(*AGE_RANGE), description="Years at the index date."),
        "years_since_onset": pa.Column(float, pa.Check.in_range(*DURATION_RANGE), nullable=True),
        "prior_treatment": pa.Column(str, _category(PriorTreatment), nullable=True),
        "relapses_12m": pa.Column("Int64", _count(RELAPSES_12M_RANGE), nullable=True),
        "relapses_24m": pa.Column("Int64", _count(RELAPSES_24M_RANGE), nullable=True),
        "last_day": pa.Column("int64", pa.Check.in_range(0, 40 * 366), description="Last day of observation."),
    },
    strict=True,
    name="patients",
)

VISITS = pa.DataFrameSchema(
    {
        "patient_id": pa.Column(str),
        "day": pa.Column("int64", _DAY),
        "edss": pa.Column(float, _EDSS),
    },
    strict=True,
    unique=["patient_id", "day"],
    name="visits",
)

RELAPSES = pa.DataFrameSchema(
    {"patient_id": pa.Column(str), "day": pa.Column("int64", _DAY)},
    strict=True,
    unique=["patient_id", "day"],
    name="relapses",
)

MRI = pa.DataFrameSchema(
    {
        "patient_id": pa.Column(str),
        "day": pa.Column("int64", _DAY),
        "gd_lesions": pa.Column("Int64", _count(GD_RANGE), nullable=True),
        "new_t2_lesions": pa.Column(
            "Int64", _count(NEW_T2_RANGE), nullable=True, description="New or enlarging since the scan before."
        ),
        "t2_lesions": pa.Column(str, _category(T2Load), nullable=True, description="Total T2 load, in bins."),
    },
    strict=True,
    unique=["patient_id", "day"],
    name="mri",
)

TREATMENTS = pa.DataFrameSchema(
    {
        "patient_id": pa.Column(str),
        "treatment": pa.Column(str, _category(Treatment)),
        "start_day": pa.Column("int64", _DAY),
        "end_day": pa.Column("Int64", _DAY, nullable=True, description="Missing while it goes on."),
    },
    strict=True,
    unique=["patient_id", "start_day"],
    name="treatments",
)


@dataclass(frozen=True, slots=True)
class LongTables:
    """The five long tables of one or more sources, as `check_long_tables` accepted them."""

    patients: pd.DataFrame
    visits: pd.DataFrame
    relapses: pd.DataFrame
    mri: pd.DataFrame
    treatments: pd.DataFrame


OUTCOME_MONTHS: dict[str, int] = {
    name(month): month
    for name, months in (
        (edss_column, EDSS_MONTHS),
        (relapse_column, RELAPSE_MONTHS),
        (gd_column, MRI_MONTHS),
        (new_t2_column, MRI_MONTHS),
    )
    for month in months
}
"""The outcome columns of an episode, with the month at which each is observed."""

_COUNTS: dict[str, tuple[int, int]] = {
    "relapses_12m": RELAPSES_12M_RANGE,
    "relapses_24m": RELAPSES_24M_RANGE,
    "gd_lesions": GD_RANGE,
    **{relapse_column(month): RELAPSES_24M_RANGE for month in RELAPSE_MONTHS},
    **{gd_column(month): GD_RANGE for month in MRI_MONTHS},
    **{new_t2_column(month): NEW_T2_RANGE for month in MRI_MONTHS},
}

EPISODE_CONSTRAINTS: tuple[Constraint, ...] = (
    Scale("EDSS", (*(edss_column(month) for month in EDSS_MONTHS), EDSS_HISTORY), EDSS_SCALE),
    Range("age", *AGE_RANGE),
    Range("years_since_onset", *DURATION_RANGE),
    *(Range(name, *bounds, whole=True) for name, bounds in _COUNTS.items()),
    Scale("follow_up_months", ("follow_up_months",), EDSS_MONTHS),
    AtMost("years_since_onset", "age"),
    AtMost("relapses_12m", "relapses_24m", mends="other"),
    NothingAfter("follow_up_months", OUTCOME_MONTHS),
)
"""What every episode obeys, beside its types and categories. The schema checks it, avatars are mended by it, and a
release counts what breaks it."""


def _episode_columns() -> dict[str, pa.Column]:
    scale_of = dict.fromkeys((EDSS_HISTORY, *map(edss_column, EDSS_MONTHS)), _EDSS)
    ranges = {
        rule.column: pa.Check.in_range(rule.low, rule.high) for rule in EPISODE_CONSTRAINTS if isinstance(rule, Range)
    }
    counts = {name: pa.Column("Int64", ranges[name], nullable=True) for name in _COUNTS}
    return {
        "source": pa.Column(str),
        "source_kind": pa.Column(str, _category(SourceKind)),
        "arm": pa.Column(str),
        "treatment": pa.Column(str, _category(Treatment)),
        "phenotype": pa.Column(str, _category(Phenotype)),
        "sex": pa.Column(str, _category(Sex)),
        "age": pa.Column(float, ranges["age"]),
        "years_since_onset": pa.Column(float, ranges["years_since_onset"], nullable=True),
        "prior_treatment": pa.Column(str, _category(PriorTreatment), nullable=True),
        "relapses_12m": counts.pop("relapses_12m"),
        "relapses_24m": counts.pop("relapses_24m"),
        "gd_lesions": counts.pop("gd_lesions"),
        "t2_lesions": pa.Column(str, _category(T2Load), nullable=True),
        **{name: pa.Column(float, scale, nullable=name != edss_column(0)) for name, scale in scale_of.items()},
        **counts,
        "follow_up_months": pa.Column(
            "int64", pa.Check.isin(EDSS_MONTHS), description="Last month of the grid that the patient reached."
        ),
    }


def _whole_table_check(constraint: Constraint) -> pa.Check:
    def holds(table: pd.DataFrame) -> pd.Series:
        return pd.Series(~constraint.broken(cells_of(table, [constraint])), index=table.index)

    return pa.Check(holds, error=constraint.rule)


EPISODES = pa.DataFrameSchema(
    _episode_columns(),
    checks=[_whole_table_check(rule) for rule in EPISODE_CONSTRAINTS if isinstance(rule, AtMost | NothingAfter)],
    strict=True,
    name="episodes",
)
"""One row per patient on one treatment. A cell that the source's schedule does not have is missing by design; after
`follow_up_months` everything is missing."""


def _checked(schema: pa.DataFrameSchema, table: pd.DataFrame) -> pd.DataFrame:
    try:
        return schema.validate(table, lazy=True)
    except pa.errors.SchemaErrors as error:
        raise InvalidTable(_problems(schema, error)) from error


def _problems(schema: pa.DataFrameSchema, error: pa.errors.SchemaErrors) -> list[FieldProblem]:
    problems = []
    for (column, check), cases in error.failure_cases.groupby(["column", "check"], dropna=False, sort=False):
        examples = ", ".join(str(case) for case in cases["failure_case"].unique()[:3])
        field = f"{schema.name}.{column}" if pd.notna(column) else str(schema.name)
        problems.append(FieldProblem(field, f"{len(cases)} value(s) fail, for example {examples}", str(check)))
    return problems


def check_episodes(table: pd.DataFrame) -> pd.DataFrame:
    """Return the episode table, its schema verified.

    Raises
    ------
    InvalidTable
        Naming every column that breaks the schema, with examples.
    """
    return _checked(EPISODES, table)


def check_long_tables(tables: LongTables) -> LongTables:
    """Return the long tables, each schema verified, and every row's patient known.

    Raises
    ------
    InvalidTable
        Naming every table and column that breaks its schema, with examples.
    """
    schemas = {"patients": PATIENTS, "visits": VISITS, "relapses": RELAPSES, "mri": MRI, "treatments": TREATMENTS}
    checked = {field.name: _checked(schemas[field.name], getattr(tables, field.name)) for field in fields(LongTables)}
    known = checked["patients"]["patient_id"]
    for name, table in checked.items():
        strangers = table.loc[~table["patient_id"].isin(known), "patient_id"].unique()
        if len(strangers):
            raise InvalidTable.of(
                f"{name}.patient_id", f"{len(strangers)} patient(s) absent from patients, for example {strangers[0]}"
            )
    return LongTables(**checked)

"""What may leave the house as a data set: its shape by purpose, its automatic checks, its files.

Only anonymous data are exported: the rows of a release that its privacy assessment let out, some of them, or further
avatars of the same originals, assessed anew. A request is decided elsewhere; here is what is decided about.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reference_db.avatar.episodes import APART, STRATA, anonymise_episodes
from reference_db.errors import BuildError, CdssError, FieldProblem, InvalidInput
from reference_db.files import finish, hashes, unfinished_folder, write_table
from reference_db.harmonise import episodes as harmonised_episodes
from reference_db.privacy import assess_privacy
from reference_db.release.manifest import Manifest
from reference_db.release.opening import Release, verify_release
from reference_db.small_cells import SMALL_CELL
from reference_db.warehouse import read_bkp

DATA_FILE = "episodes.parquet"
DESCRIPTION_FILE = "export.json"
MOST_COPIES = 10
"""Avatars per original of an augmentation."""


class Purpose(StrEnum):
    """Why a data set leaves."""

    SHARING = "sharing"
    TEACHING = "teaching"
    SOFTWARE_TESTING = "software-testing"
    ARCHIVE = "archive"
    AUGMENTATION = "augmentation"
    TRIAL = "trial"


class Shape(StrEnum):
    """How many synthetic patients leave for each original one."""

    AS_MANY = "1-1"
    FEWER = "N' < N"
    MORE = "1-X"


SHAPES: Mapping[Purpose, Shape] = {
    Purpose.SHARING: Shape.AS_MANY,
    Purpose.TEACHING: Shape.FEWER,
    Purpose.SOFTWARE_TESTING: Shape.FEWER,
    Purpose.ARCHIVE: Shape.AS_MANY,
    Purpose.AUGMENTATION: Shape.MORE,
    Purpose.TRIAL: Shape.AS_MANY,
}
"""A purpose has one shape."""


@dataclass(frozen=True, slots=True)
class ExportCheck:
    """What one automatic check found.

    Attributes
    ----------
    name : str
    passed : bool
    detail : str
        What was found, in words; never a small count.
    """

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """A data set that may leave once it is approved.

    Attributes
    ----------
    table : DataFrame
        Synthetic episodes.
    rows : ndarray of int or None
        The rows of the release that they are; None when they were made for this export.
    checks : tuple of ExportCheck
    files : mapping of str to bytes
        What is written instead of the table, by file name, where the data set is not one table of episodes.
    """

    table: pd.DataFrame
    rows: NDArray[np.intp] | None
    checks: tuple[ExportCheck, ...]
    files: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)


@dataclass(frozen=True, slots=True)
class EarlierExport:
    """A data set that has left, or may leave: what a later one may be compared with.

    Attributes
    ----------
    identifier, release : str
    purpose : Purpose
    size : int or None
        As it was asked for.
    """

    identifier: str
    release: str
    purpose: Purpose
    size: int | None


def check_size(purpose: Purpose, size: int | None, patients: int) -> None:
    """Verify that a size fits the shape of a purpose.

    Parameters
    ----------
    purpose : Purpose
    size : int or None
        Patients for `Shape.FEWER`, avatars per original for `Shape.MORE`, nothing for `Shape.AS_MANY`.
    patients : int
        Of the release.

    Raises
    ------
    InvalidInput
        With the allowed range.
    """
    shape = SHAPES[purpose]
    allowed = {
        Shape.AS_MANY: f"nothing: {purpose} takes the whole release",
        Shape.FEWER: f"{SMALL_CELL} to {patients - 1} patients",
        Shape.MORE: f"2 to {MOST_COPIES} avatars per original",
    }[shape]
    fits = {
        Shape.AS_MANY: size is None,
        Shape.FEWER: size is not None and SMALL_CELL <= size < patients,
        Shape.MORE: size is not None and 2 <= size <= MOST_COPIES,
    }[shape]
    if not fits:
        raise InvalidInput([FieldProblem("size", f"does not fit {purpose} ({shape})", allowed)])


def prepare_export(
    home: Path, release: Release, *, purpose: Purpose, size: int | None, earlier: Sequence[EarlierExport]
) -> Prepared:
    """Make the data set of an export and check it.

    Parameters
    ----------
    home : Path
        Folder with the originals and the releases.
    release : Release
        As it was opened.
    purpose : Purpose
    size : int or None
        As `check_size` takes it.
    earlier : sequence of EarlierExport
        What has left, or may leave.

    Raises
    ------
    InvalidInput
        If the size does not fit.
    """
    check_size(purpose, size, len(release.episodes))
    if SHAPES[purpose] is Shape.MORE:
        return _augmented(home, release, copies=size or 2, earlier=earlier)
    rows = exported_rows(release, size)
    table = release.episodes.table.iloc[rows].reset_index(drop=True)
    checks = (
        ExportCheck("release assessment", True, "the privacy assessment of the release let it out"),
        _small_cells(table),
        _differencing(home, release, rows, earlier),
        _acro(table),
    )
    return Prepared(table, rows, checks)


def exported_rows(release: Release, size: int | None) -> NDArray[np.intp]:
    """Return the rows of a release that an export of a size holds: the same ones whenever it is asked for again.

    Smaller sets are parts of larger ones, stratum by stratum, so that two exports differ by no more than their sizes
    do. A stratum that would be small is left out.
    """
    table = release.episodes.table
    if size is None:
        return np.arange(len(table))
    rng = np.random.default_rng(int(release.version.rpartition("-")[2], 16))
    kept = []
    for _, rows in sorted(table.groupby(list(STRATA), sort=True).indices.items()):
        drawn = rng.permutation(rows)[: round(len(rows) * size / len(table))]
        if len(drawn) >= SMALL_CELL:
            kept.append(drawn)
    return np.sort(np.concatenate(kept)) if kept else np.empty(0, dtype=np.intp)


def write_export(exports: Path, identifier: str, prepared: Prepared, description: Mapping[str, Any]) -> str:
    """Write a data set into a private folder of its own, whole or not at all, and return the SHA-256 of the data.

    Raises
    ------
    BuildError
        If it cannot be written.
    """
    target = exports / identifier
    try:
        with unfinished_folder(exports) as folder:
            if prepared.files:
                for name, data in prepared.files.items():
                    (folder / name).write_bytes(data)
            else:
                write_table(prepared.table, folder / DATA_FILE)
            digest = data_digest(folder)
            content = {
                **description,
                "rows": len(prepared.table),
                "sha256": digest,
                "checks": [asdict(check) for check in prepared.checks],
            }
            (folder / DESCRIPTION_FILE).write_text(json.dumps(content, indent=2), encoding="utf-8")
            if not target.exists():
                finish(folder, target, private=True)
    except OSError as error:
        raise BuildError(f"the export could not be written: {error.strerror}") from error
    return digest


def data_digest(folder: Path) -> str:
    """Return the SHA-256 of the data in the folder of an export."""
    return files_digest(hashes(folder, leave_out=DESCRIPTION_FILE))


def files_digest(digests: Mapping[str, str]) -> str:
    """Return one SHA-256 for several files: that of a single file, or of the list of their names and digests."""
    if len(digests) == 1:
        return next(iter(digests.values()))
    listed = "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items()))
    return hashlib.sha256(listed.encode()).hexdigest()


def _small_cells(table: pd.DataFrame) -> ExportCheck:
    small = sum(
        int((table.groupby(list(keys)).size() < SMALL_CELL).sum())
        for keys in (STRATA, ("source",), ("treatment",), ("phenotype",))
    )
    if not len(table):
        return ExportCheck("small cells", False, f"no source and arm would have {SMALL_CELL} patients")
    detail = f"{small} group(s) have fewer than {SMALL_CELL} patients" if small else "no group is small"
    return ExportCheck("small cells", not small, detail)


def _differencing(
    home: Path, release: Release, rows: NDArray[np.intp], earlier: Sequence[EarlierExport]
) -> ExportCheck:
    name = "differencing"
    groups = release.episodes.table.groupby(list(STRATA), sort=True).ngroup().to_numpy()
    for other in earlier:
        if SHAPES[other.purpose] is Shape.MORE or other.release != release.version:
            if _same_originals(home, release, other.release):
                return _other_avatars(other)
            continue
        apart = np.setxor1d(rows, exported_rows(release, other.size))
        counts = np.bincount(groups[apart], minlength=groups.max() + 1)
        if ((counts > 0) & (counts < SMALL_CELL)).any():
            return ExportCheck(
                name,
                False,
                f"compared with export {other.identifier}, fewer than {SMALL_CELL} patients of a group "
                "would be told apart: ask for the same size, or for one that differs more",
            )
    return ExportCheck(name, True, f"compared with {len(earlier)} earlier export(s)")


def _other_avatars(other: EarlierExport) -> ExportCheck:
    return ExportCheck(
        "differencing",
        False,
        f"export {other.identifier} holds other avatars of the same originals: both together tell more than one of "
        "them, and were not assessed together",
    )


def compared_avatars(home: Path, release: Release, copies: int, earlier: Sequence[EarlierExport]) -> ExportCheck:
    """Look for avatars of the same originals that left before, unless they were these same ones."""
    for other in earlier:
        same = (other.release, other.purpose, other.size) == (release.version, Purpose.AUGMENTATION, copies)
        if not same and _same_originals(home, release, other.release):
            return _other_avatars(other)
    return ExportCheck("differencing", True, f"compared with {len(earlier)} earlier export(s)")


def _same_originals(home: Path, release: Release, version: str) -> bool:
    """Tell whether another release replaces the same patients; one that cannot be read any more counts as such."""
    try:
        other = verify_release(home / "releases" / version)
    except CdssError:
        return True
    return _originals_of(other) == _originals_of(release.manifest)


def _originals_of(manifest: Manifest) -> tuple[object, ...]:
    named = manifest.parameters.get("bkp", "simulated")
    if named != "simulated":
        return (named,)
    return (named, manifest.parameters.get("seed", manifest.seed), manifest.parameters.get("scale"))


def _acro(table: pd.DataFrame) -> ExportCheck:
    # One row per treatment that a source has: one that a trial never had is no secret, and would count as small.
    return acro_check(table["source"] + ", " + table["treatment"])


def acro_check(groups: pd.Series) -> ExportCheck:
    """Have the checker of research data services look at the table that describes a data set.

    Parameters
    ----------
    groups : Series of str
        The group of each patient.
    """
    import logging

    from acro import ACRO

    logging.getLogger("acro").setLevel(logging.ERROR)
    checker = ACRO(suppress=False)
    checker.crosstab(groups.rename("group"), pd.Series("patients", index=groups.index, name="counted"))
    (output,) = checker.results.results.values()
    failed = output.status == "fail"
    return ExportCheck("acro", not failed, "a group is too small to be shown" if failed else "nothing to suppress")


def _augmented(home: Path, release: Release, *, copies: int, earlier: Sequence[EarlierExport]) -> Prepared:
    parameters = release.manifest.parameters
    seed = release.manifest.seed
    named = parameters.get("bkp", "simulated")
    path = (
        Path(named) if named != "simulated" else home / "bkp" / f"simulated-{seed}-{parameters.get('scale', 1.0):g}"
    )
    try:
        warehouse = read_bkp(path)
    except InvalidInput:
        missing = ExportCheck(
            "release assessment", False, "the originals are not here, so more avatars cannot be made"
        )
        return Prepared(release.episodes.table.iloc[:0], None, (missing,))
    originals = harmonised_episodes(warehouse.tables, warehouse.sources)
    avatar_rng, privacy_rng = np.random.default_rng([seed, copies]).spawn(2)
    made = anonymise_episodes(
        originals,
        k=parameters.get("k"),
        ncp=parameters.get("ncp"),
        weights=parameters.get("weights"),
        augmentation=copies,
        rng=avatar_rng,
    )
    assessed = assess_privacy(originals, made.table, origin=made.origin, strata=STRATA, apart=APART, rng=privacy_rng)
    failures = list(assessed.failures)
    verdict = "; ".join(failures[:3]) if failures else f"assessed anew with {copies} avatars per original"
    checks = (
        ExportCheck("release assessment", not failures, verdict),
        _small_cells(made.table),
        compared_avatars(home, release, copies, earlier),
        _acro(made.table),
    )
    return Prepared(made.table, None, checks)

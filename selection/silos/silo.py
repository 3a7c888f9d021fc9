"""One silo: patients who stay where they are, and the masked sums that a hub is given."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import numpy as np

from selection.features import COLUMN_FEATURE
from selection.silos.aggregates import Aggregates, SiloPatients
from selection.silos.masking import FEWEST_SILOS, Masks, Words, content_of
from selection.silos.messages import (
    RADII,
    FeatureSums,
    Floats,
    Integers,
    OutcomeSums,
    Question,
    SiloError,
    Standard,
    flat,
)
from selection.silos.rule import Everything, SmallCells

_ROUNDING = 1e-9


class Silo:
    """Answers a hub with aggregates under masks.

    Parameters
    ----------
    patients : SiloPatients
        A silo holds the same as long as it lives; for other patients another is made, with other keys.
    classes : int
        Number of treatment classes.
    n_codes : int
        Number of values that codes may take.
    regressed : ndarray of int
        Columns whose differences are summed.
    secret : bytes, optional
        32 to 64, known to nobody else and kept as long as the patients are: it decides how answers are moved. Drawn
        anew when not given; a silo that is started often needs its own, as what is drawn anew can be averaged.
    exact : bool
        Give everything, for simulated patients only: no small-cell rule, sums of features, and a silo may be alone.

    Raises
    ------
    SiloError
        The secret is too short or too long.
    """

    def __init__(
        self,
        patients: SiloPatients,
        *,
        classes: int,
        n_codes: int,
        regressed: Integers,
        secret: bytes | None = None,
        exact: bool = False,
    ) -> None:
        number = len(patients.treatment)
        rule = Everything() if exact else SmallCells(secrets.token_bytes(32) if secret is None else secret, number)
        self._aggregates = Aggregates(patients, classes=classes, n_codes=n_codes, regressed=regressed, rule=rule)
        self.exact = exact
        self._fewest = 1 if exact else FEWEST_SILOS
        self._masks = Masks()
        self._standard: tuple[Floats, ...] = ()

    @property
    def public(self) -> bytes:
        """Public key of this silo, for the roster."""
        return self._masks.public

    @property
    def fingerprint(self) -> str:
        """Name of the roster; whoever runs a silo compares it with the others, by another way than the hub."""
        return self._masks.fingerprint

    @property
    def nobody(self) -> OutcomeSums:
        """Sums over nobody: their shapes are how answers are read."""
        return self._aggregates.nobody

    @property
    def no_features(self) -> FeatureSums:
        """Sums of the features of nobody."""
        return self._aggregates.no_features

    def join(self, roster: Sequence[bytes]) -> None:
        """Agree with the other silos on masks; see `Masks.join`."""
        self._masks.join(roster, fewest=self._fewest)

    def moments(self) -> Words:
        """Return count, sum and sum of squares of each feature, in one row."""
        found = self._aggregates.moments()
        return self._masks.masked(content_of("moments"), np.concatenate([found.count, found.total, found.square]))

    def adopt(self, standard: Standard) -> None:
        """Standardise as the hub says, once.

        Raises
        ------
        SiloError
            Another standard was adopted: sums by two standards would tell more than by one.
        """
        told = (standard.mean, standard.spread, standard.expected_square)
        if self._standard:
            if not all(np.array_equal(one, other) for one, other in zip(told, self._standard, strict=True)):
                raise SiloError("this silo has adopted another standard: start it anew")
            return
        shape = (self._aggregates.columns,)
        if (
            any(part.shape != shape or not np.isfinite(part).all() for part in told)
            or not (standard.spread > 0).all()
        ):
            raise SiloError(f"a standard has {shape[0]} means, spreads over 0 and squares, all of them numbers")
        self._aggregates.adopt(standard)
        self._standard = told

    def counts(self, question: Question) -> Words:
        """Return how many patients of each class are within each of `RADII`, (classes, radii) in one row.

        Raises
        ------
        SiloError
            The question cannot be asked, or it comes before roster and standard.
        """
        self._verify(question)
        content = content_of("counts", *self._standard, *_parts(question))
        return self._masks.masked(content, self._aggregates.counts(question).ravel())

    def outcomes(self, question: Question, radius: Floats) -> Words:
        """Return `OutcomeSums` of the patients within the radius of each class, in one row.

        Parameters
        ----------
        question : Question
        radius : ndarray, shape (classes,)
            Each of `RADII`.

        Raises
        ------
        SiloError
            The question cannot be asked, or it comes before roster and standard.
        """
        self._verify(question)
        content = content_of("outcomes", *self._standard, *_parts(question), radius)
        return self._masks.masked(content, flat(self._aggregates.outcomes(question, self._step(radius))))

    def known_sums(self, question: Question, radius: Floats) -> Words:
        """Return count and sum of the known differences within the radius of each class, twice (classes, features).

        Raises
        ------
        SiloError
            The silo is not exact, the question cannot be asked, or it comes before roster and standard.
        """
        self._verify(question, of_features=True)
        content = content_of("known", *self._standard, *_parts(question), radius)
        return self._masks.masked(content, np.ravel(self._aggregates.known_sums(question, self._step(radius))))

    def features(self, question: Question, radius: Floats, unknown: Floats) -> Words:
        """Return `FeatureSums` of the patients within the radius of each class, in one row.

        Parameters
        ----------
        question : Question
        radius : ndarray, shape (classes,)
            Each of `RADII`.
        unknown : ndarray, shape (classes, features)
            What an unknown difference counts as: the mean of the known ones over all silos.

        Raises
        ------
        SiloError
            The silo is not exact, the question cannot be asked, or it comes before roster and standard.
        """
        self._verify(question, of_features=True)
        content = content_of("features", *self._standard, *_parts(question), radius, unknown)
        return self._masks.masked(content, flat(self._aggregates.features(question, self._step(radius), unknown)))

    def _verify(self, question: Question, *, of_features: bool = False) -> None:
        if of_features and not self.exact:
            raise SiloError("only an exact silo tells sums of features")
        if not self._standard:
            raise SiloError("this silo was told no standard")
        shape = (self._aggregates.columns,)
        if question.columns.shape != shape or np.isinf(question.columns).any():
            raise SiloError(f"a question has {shape[0]} features, numbers or unknown")
        if question.weights.shape != shape or not (question.weights >= 0).all():
            raise SiloError(f"a question has {shape[0]} weights, none of them negative")
        # Larger weights would make radii finer than they are.
        features = np.flatnonzero(np.diff(COLUMN_FEATURE, prepend=-1))
        if question.weights[features].sum() > 1 + _ROUNDING or question.weights.max() > 1 + _ROUNDING:
            raise SiloError("weights of features add up to 1 at most")

    def _step(self, radius: Floats) -> Integers:
        step = np.searchsorted(RADII, radius - _ROUNDING)
        if radius.shape != (len(self.nobody.number),) or not np.isin(radius, RADII).all():
            raise SiloError(f"a radius is one of {len(RADII)}, from {RADII[0]:g} to {RADII[-1]:g}, for each class")
        return step


def _parts(question: Question) -> tuple[Floats, ...]:
    return question.columns, question.weights, np.array([float(question.group)])

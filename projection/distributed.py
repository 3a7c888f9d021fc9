"""Projection over silos by the estimator ``local``: equal to it on the pooled patients at the same radius.

Only that estimator: the default, ``corrected``, completes missing visits patient by patient and learns within sources
over whole classes, which silos do not send (decision 0009). The small-cell rule of silos moves the answer too
(decision 0015).

The regression correction is linear in the outcomes (see `projection.local_regression`), so counts, sums and
cross-products are all it needs; the correction of event probabilities is linear in pseudo-values, which take one
value per step and kind of end, so patients and sums of features by those are all it needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from projection.endpoints import GRID, NEDA3, NEDA3_PARTS, endpoints_of
from projection.estimates import RIDGE
from projection.probabilities import raised_to_parts
from projection.survival import code, kaplan_meier, pseudo_values, shifted
from projection.within_sources import REGRESSED
from reference_db.episodes import Episodes
from reference_db.schema import EDSS_SCALE
from reference_db.small_cells import SMALL_CELL
from reference_db.vocabulary import Phenotype, Treatment
from selection.distance import column_weights
from selection.features import columns_of_episodes, columns_of_patients
from selection.patient import PatientOfInterest
from selection.silos import GroupSums, Hub, Question, Silo, SiloPatients

Floats = NDArray[np.float64]

_PHENOTYPES = tuple(Phenotype)


@dataclass(frozen=True, slots=True)
class DistributedEstimates:
    """Outcomes of one patient of interest under every class.

    Attributes
    ----------
    number : ndarray, shape (classes,)
        Patients of reference.
    edss : ndarray, shape (classes, grid)
        Expected EDSS; NaN where known of fewer patients than the small-cell threshold.
    probabilities : ndarray, shape (classes, endpoints, grid)
        Of an event by each step, in the order of `projection.endpoints.ENDPOINTS`; NaN where too few are at risk.
    """

    number: Floats
    edss: Floats
    probabilities: Floats


def silo_of(episodes: Episodes, *, secret: bytes | None = None, exact: bool = False) -> Silo:
    """Return a silo that holds these episodes.

    Parameters
    ----------
    episodes : Episodes
    secret : bytes, optional
        Decides how answers are moved; drawn anew when not given. See `selection.silos.Silo`.
    exact : bool
        Give everything, for simulated patients only.
    """
    endpoints = endpoints_of(episodes)
    treatment = {name.value: position for position, name in enumerate(Treatment)}
    phenotype = {name.value: position for position, name in enumerate(_PHENOTYPES)}
    patients = SiloPatients(
        columns=columns_of_episodes(episodes),
        treatment=episodes.table["treatment"].map(treatment).to_numpy().astype(np.intp),
        group=episodes.table["phenotype"].map(phenotype).to_numpy().astype(np.intp),
        outcomes=endpoints.change,
        codes=code(endpoints.step, endpoints.event),
    )
    return Silo(
        patients, classes=len(Treatment), n_codes=2 * len(GRID), regressed=REGRESSED, secret=secret, exact=exact
    )


class DistributedProjector:
    """Projects patients of interest from silos, by the estimator ``local`` and without intervals.

    Parameters
    ----------
    hub : Hub
    weights : mapping of str to float
        Weight of every feature in the similarity.
    """

    def __init__(self, hub: Hub, weights: Mapping[str, float]) -> None:
        self.hub = hub
        self.weights = weights

    def question(self, poi: PatientOfInterest) -> Question:
        """Return what silos are told of a patient of interest."""
        standard = self.hub.standard
        columns = (columns_of_patients([poi]) - standard.mean) / standard.spread
        return Question(columns[0], column_weights(self.weights, columns)[0], _PHENOTYPES.index(poi.phenotype))

    def project(self, poi: PatientOfInterest, *, k: int, ridge: float = RIDGE) -> DistributedEstimates:
        """Project one patient of interest from the k nearest, or a few more, of each class over all silos."""
        question = self.question(poi)
        sums = self.hub.sums(question, self.hub.radius(question, k)).about(question.columns[REGRESSED])
        return estimates(sums, poi.edss, ridge=ridge, moved=self.hub.moved)


def estimates(sums: GroupSums, own: float, *, ridge: float, moved: bool = False) -> DistributedEstimates:
    """Return the corrected outcomes of a patient of interest from the sums of its patients of reference.

    Parameters
    ----------
    sums : GroupSums
    own : float
        EDSS of the patient of interest.
    ridge : float
        Penalty of the correction, in patients.
    moved : bool
        Whether silos have moved the sums, so that curves go up and down by chance.
    """
    number = np.maximum(sums.number, 1.0)
    mean = sums.first / number[:, None]
    scatter = sums.second / number[:, None, None] - mean[:, :, None] * mean[:, None, :]
    values, vectors = np.linalg.eigh(scatter)
    values = np.maximum(values, 0.0)

    def solved(right: Floats, total: Floats) -> Floats:
        """Apply the inverse of (scatter of `total` patients + ridge): (classes, outcomes, features)."""
        rotated = right @ vectors / (values[:, None, :] * total[:, :, None] + ridge)
        return np.asarray(rotated @ vectors.transpose(0, 2, 1))

    known = np.maximum(sums.outcome_number, 1.0)
    outcome_mean = sums.outcome_first / known[:, :, None]
    direction = solved(outcome_mean, sums.outcome_number)
    tilt = sums.outcome_cross - outcome_mean * sums.outcome_total[:, :, None]
    change = sums.outcome_total / known - (direction * tilt).sum(axis=2)
    # Nobody has changed at the start; what silos move sums by would say so.
    change[:, 0] = 0.0
    edss = np.where(sums.outcome_number >= SMALL_CELL, np.clip(own + change, EDSS_SCALE[0], EDSS_SCALE[-1]), np.nan)
    towards = solved(mean[:, None, :], sums.number[:, None])[:, 0]
    return DistributedEstimates(sums.number, edss, _probabilities(sums, mean, towards, moved=moved))


def _probabilities(sums: GroupSums, mean: Floats, direction: Floats, *, moved: bool) -> Floats:
    shape = (*sums.code_number.shape[:2], len(GRID), 2)
    counts = sums.code_number.reshape(shape)
    curve = kaplan_meier(_none_below_zero(counts) if moved else counts)
    per_patient = 1.0 / np.maximum(sums.number, 1.0) + (direction * mean).sum(axis=1)
    weight = sums.code_number * per_patient[:, None, None]
    weight = weight - np.einsum("cexf,cf->cex", sums.code_first, direction)
    value = np.einsum("cesx,cesxt->cet", weight.reshape(shape), pseudo_values(curve))
    survival = shifted(curve.survival, 1.0 - value - curve.survival)
    # The lowest so far would take every move downwards for an event.
    survival = _monotone(survival, increasing=False) if moved else np.minimum.accumulate(survival, axis=2)
    shown = np.minimum.accumulate(curve.at_risk, axis=2) >= SMALL_CELL
    return raised_to_parts(np.where(shown, 1.0 - survival, np.nan), NEDA3, NEDA3_PARTS)


def _none_below_zero(counts: Floats) -> Floats:
    """Return numbers of patients by step and kind of end, (..., grid, 2), of which none is negative.

    Those whose sums up to each step are nearest to the sums given.
    """
    up_to = _monotone(np.cumsum(counts, axis=-2).swapaxes(-1, -2), increasing=True)
    return np.diff(np.maximum(up_to, 0.0).swapaxes(-1, -2), axis=-2, prepend=0.0)


def _monotone(values: Floats, *, increasing: bool) -> Floats:
    """Return the nearest values that only rise, or only fall, along the last axis (isotonic regression)."""
    rows = values.reshape(-1, values.shape[-1])
    return np.array([isotonic_regression(row, increasing=increasing).x for row in rows]).reshape(values.shape)

"""Projection over silos, from nothing but totals.

Silos that follow the small-cell rule tell what became of the patients of reference, moved by a little: the mean
change of the EDSS and the Kaplan-Meier curves of events, as the estimator ``plain`` has them (decision 0015).

Exact silos, which hold simulated patients, tell sums of features too. From these comes the estimator ``local``, equal
to it on the pooled patients at the same radius. The regression correction is linear in the outcomes (see
`projection.local_regression`), so counts, sums and cross-products are all it needs; the correction of event
probabilities is linear in pseudo-values, which take one value per step and kind of end, so patients and sums of
features by those are all it needs. The default, ``corrected``, completes missing visits patient by patient and learns
within sources over whole classes, which silos do not send (decision 0009).
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
from selection.silos import FeatureSums, Hub, OutcomeSums, Question, Silo, SiloPatients

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
    """Projects patients of interest from silos without intervals: by ``local`` where all are exact, else ``plain``.

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
        radius = self.hub.radius(question, k)
        outcomes = self.hub.outcomes(question, radius)
        if self.hub.exact:
            return corrected(outcomes, self.hub.features(question, radius), poi.edss, ridge=ridge)
        return uncorrected(outcomes, poi.edss)


def uncorrected(outcomes: OutcomeSums, own: float) -> DistributedEstimates:
    """Return the outcomes of a patient of interest as its patients of reference have them.

    Parameters
    ----------
    outcomes : OutcomeSums
        As silos with the small-cell rule tell them: moved.
    own : float
        EDSS of the patient of interest.
    """
    change = outcomes.total / np.maximum(outcomes.known, 1.0)
    # Nobody has changed at the start; what silos move sums by would say so.
    change[:, 0] = 0.0
    curve = kaplan_meier(_none_below_zero(outcomes.ends.reshape(*outcomes.ends.shape[:2], len(GRID), 2)))
    return DistributedEstimates(
        outcomes.number, _on_scale(own + change, outcomes.known), _shown(curve.survival, curve.at_risk)
    )


def corrected(outcomes: OutcomeSums, features: FeatureSums, own: float, *, ridge: float) -> DistributedEstimates:
    """Return the outcomes of a patient of interest, corrected for how its patients of reference differ from it.

    Parameters
    ----------
    outcomes : OutcomeSums
    features : FeatureSums
    own : float
        EDSS of the patient of interest.
    ridge : float
        Penalty of the correction, in patients.
    """
    number = np.maximum(outcomes.number, 1.0)
    mean = features.first / number[:, None]
    scatter = features.second / number[:, None, None] - mean[:, :, None] * mean[:, None, :]
    values, vectors = np.linalg.eigh(scatter)
    values = np.maximum(values, 0.0)

    def solved(right: Floats, total: Floats) -> Floats:
        """Apply the inverse of (scatter of `total` patients + ridge): (classes, outcomes, features)."""
        rotated = right @ vectors / (values[:, None, :] * total[:, :, None] + ridge)
        return np.asarray(rotated @ vectors.transpose(0, 2, 1))

    known = np.maximum(outcomes.known, 1.0)
    known_mean = features.known_first / known[:, :, None]
    direction = solved(known_mean, outcomes.known)
    tilt = features.cross - known_mean * outcomes.total[:, :, None]
    change = outcomes.total / known - (direction * tilt).sum(axis=2)
    towards = solved(mean[:, None, :], outcomes.number[:, None])[:, 0]
    return DistributedEstimates(
        outcomes.number, _on_scale(own + change, outcomes.known), _probabilities(outcomes, features, mean, towards)
    )


def _on_scale(edss: Floats, known: Floats) -> Floats:
    return np.where(known >= SMALL_CELL, np.clip(edss, EDSS_SCALE[0], EDSS_SCALE[-1]), np.nan)


def _probabilities(outcomes: OutcomeSums, features: FeatureSums, mean: Floats, direction: Floats) -> Floats:
    shape = (*outcomes.ends.shape[:2], len(GRID), 2)
    curve = kaplan_meier(outcomes.ends.reshape(shape))
    per_patient = 1.0 / np.maximum(outcomes.number, 1.0) + (direction * mean).sum(axis=1)
    weight = outcomes.ends * per_patient[:, None, None]
    weight = weight - np.einsum("cexf,cf->cex", features.ends_first, direction)
    value = np.einsum("cesx,cesxt->cet", weight.reshape(shape), pseudo_values(curve))
    survival = np.minimum.accumulate(shifted(curve.survival, 1.0 - value - curve.survival), axis=2)
    return _shown(survival, curve.at_risk)


def _shown(survival: Floats, at_risk: Floats) -> Floats:
    """Return probabilities of an event until fewer patients are at risk than may be shown."""
    shown = np.minimum.accumulate(at_risk, axis=2) >= SMALL_CELL
    return raised_to_parts(np.where(shown, 1.0 - survival, np.nan), NEDA3, NEDA3_PARTS)


def _none_below_zero(counts: Floats) -> Floats:
    """Return numbers of patients by step and kind of end, (..., grid, 2), of which none is negative.

    Those whose sums up to each step are nearest to the sums given (isotonic regression).
    """
    up_to = np.cumsum(counts, axis=-2).swapaxes(-1, -2)
    rising = np.array([isotonic_regression(row).x for row in up_to.reshape(-1, up_to.shape[-1])])
    return np.diff(np.maximum(rising.reshape(up_to.shape), 0.0).swapaxes(-1, -2), axis=-2, prepend=0.0)

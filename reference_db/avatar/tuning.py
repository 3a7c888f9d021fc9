"""The search for K, NCP and W: privacy against utility, setting by setting, and which of them nothing beats.

Every setting is tried on the same random 70 % of the table, so that membership can be attacked with the others as
control. Results are kept as they come, one line each: a search that was stopped goes on where it was.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reference_db.avatar.avatarize import make_avatars
from reference_db.avatar.columns import read_columns
from reference_db.avatar.episodes import STRATA, anonymise_episodes
from reference_db.avatar.strata import stratum_rows
from reference_db.avatar.stratum import SMALLEST_STRATUM
from reference_db.avatar.utility import utility
from reference_db.errors import InvalidInput

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from reference_db.privacy.metrics import Metric

TRIED_SHARE = 0.7


@dataclass(frozen=True, slots=True)
class Setting:
    """Parameters of the Avatar method; `weights` are pairs of column and weight."""

    k: int
    ncp: int
    weights: tuple[tuple[str, float], ...] = ()

    def __str__(self) -> str:
        """Name the setting as one would type it."""
        weights = "".join(f" {column}={weight:g}" for column, weight in self.weights)
        return f"k={self.k} ncp={self.ncp}{weights}"


@dataclass(frozen=True, slots=True)
class Trial:
    """What a setting gives.

    Attributes
    ----------
    setting : Setting
    membership : float
        Area under the curve of the distance attack, .5 being a coin: the privacy that is traded.
    hidden_rate, local_cloaking : float
        Lowest over the strata.
    missed : int
        Targets that are missed, over all strata.
    hellinger, correlation_difference, spread_ratio : float
        As `utility.Utility` has them.
    impossible : str
        Why the setting cannot be tried, all figures being NaN; empty where it was.
    """

    setting: Setting
    membership: float
    hidden_rate: float
    local_cloaking: float
    missed: int
    hellinger: float
    correlation_difference: float
    spread_ratio: float
    impossible: str = ""

    @classmethod
    def without_figures(cls, setting: Setting, reason: str) -> Trial:
        """Return the point of a setting that cannot be tried."""
        nan = math.nan
        return cls(setting, nan, nan, nan, 0, nan, nan, nan, reason)

    @property
    def loss(self) -> float:
        """Utility lost: what distributions, correlations and spread lose together."""
        return self.hellinger + self.correlation_difference + abs(1 - self.spread_ratio)


def settings_of(
    k: Sequence[int], ncp: Sequence[int], weights: Sequence[Mapping[str, float]] = ({},)
) -> tuple[Setting, ...]:
    """Return every combination, in order."""
    return tuple(
        Setting(neighbours, axes, tuple(sorted(weighting.items())))
        for neighbours, axes, weighting in itertools.product(k, ncp, weights)
    )


def tune(
    table: pd.DataFrame,
    settings: Sequence[Setting],
    *,
    results: Path,
    seed: int,
    strata: Sequence[str] = (),
    are_episodes: bool = False,
    jobs: int = 1,
    progress: Callable[[float, str], None] | None = None,
) -> list[Trial]:
    """Try settings, and return the trials in the order of the settings.

    A setting whose neighbours some stratum does not have is a trial without figures that says so.

    Parameters
    ----------
    table : DataFrame
        The originals.
    settings : sequence of Setting
    results : Path
        File of finished trials, one JSON object per line; those of this table, seed and strata are not run again.
    seed : int
        Of the split and of every trial.
    strata : sequence of str
        Columns whose combinations are kept apart; of episodes, source and arm always are.
    are_episodes : bool
        The table is one of episodes and is anonymised with their rules.
    jobs : int
        Trials at the same time. They run through joblib: in a block ``with joblib.parallel_config("dask")`` a Dask
        cluster takes them.
    progress : callable, optional
        Called at the beginning and after each trial, with the share done and what was done.

    Raises
    ------
    InvalidInput
        If there is no setting.
    InvalidTable
        If a column cannot be anonymised.
    """
    from joblib import Parallel, delayed

    if not settings:
        raise InvalidInput.of("settings", "there is nothing to try", "at least one k and one ncp")
    kept_apart = tuple(STRATA) if are_episodes else tuple(strata)
    key = _key(table, seed, kept_apart)
    read_columns(table)
    done = {trial.setting: trial for trial in _read(results, key)}
    done |= {trial.setting: trial for trial in _impossible(table, settings, kept_apart, are_episodes)}
    pending = [setting for setting in settings if setting not in done]
    runs = Parallel(n_jobs=jobs, return_as="generator_unordered")(
        delayed(_trial)(table, setting, seed, kept_apart, are_episodes) for setting in pending
    )
    results.parent.mkdir(parents=True, exist_ok=True)
    if progress is not None:
        progress(1 - len(pending) / len(settings), f"{len(pending)} of {len(settings)} settings to try")
    for trial in runs:
        done[trial.setting] = trial
        with results.open("a", encoding="utf-8") as file:
            # Starting a line ends the one that a killed search may have left cut short.
            file.write("\n" + json.dumps({"key": key, **asdict(trial)}))
        if progress is not None:
            progress(sum(setting in done for setting in settings) / len(settings), f"tried {trial.setting}")
    return [done[setting] for setting in settings]


def pareto_front(trials: Sequence[Trial]) -> list[Trial]:
    """Return the trials that meet every target and that no other such trial beats in both privacy and utility.

    Ordered from the most private to the most faithful.
    """
    allowed = sorted(
        (t for t in trials if not t.missed and not t.impossible), key=lambda trial: (trial.membership, trial.loss)
    )
    front: list[Trial] = []
    for trial in allowed:
        if not front or trial.loss < front[-1].loss:
            front.append(trial)
    return front


def chosen(trials: Sequence[Trial], *, membership: float = 0.55) -> Trial | None:
    """Return the most faithful trial of the front under a membership limit, or the most private if none is.

    None when every setting misses a target.
    """
    front = pareto_front(trials)
    under = [trial for trial in front if trial.membership <= membership]
    return under[-1] if under else (front[0] if front else None)


def picture(trials: Sequence[Trial]) -> Figure:
    """Draw privacy against utility, with the front."""
    from matplotlib.figure import Figure

    front = pareto_front(trials)
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for missed, colour, label in ((False, "tab:blue", "meets every target"), (True, "tab:red", "misses a target")):
        shown = [trial for trial in trials if bool(trial.missed) is missed and not trial.impossible]
        axes.scatter([t.membership for t in shown], [t.loss for t in shown], c=colour, s=18, label=label)
    axes.plot([t.membership for t in front], [t.loss for t in front], c="black", lw=1, label="Pareto front")
    for trial in front:
        axes.annotate(
            str(trial.setting), (trial.membership, trial.loss), (4, 4), textcoords="offset points", fontsize=7
        )
    axes.set_xlabel("membership attack, area under the curve (0.5 is a coin)")
    axes.set_ylabel("utility lost (Hellinger + correlation + spread)")
    axes.legend(fontsize=8)
    return figure


def as_frame(trials: Sequence[Trial]) -> pd.DataFrame:
    """Return the trials as a table, with whether they are on the front."""
    front = set(pareto_front(trials))
    return pd.DataFrame(
        [
            {
                "k": trial.setting.k,
                "ncp": trial.setting.ncp,
                "weights": " ".join(f"{column}={weight:g}" for column, weight in trial.setting.weights),
                **{name: value for name, value in asdict(trial).items() if name != "setting"},
                "loss": trial.loss,
                "on_front": trial in front,
            }
            for trial in trials
        ]
    )


def _impossible(
    table: pd.DataFrame, settings: Sequence[Setting], strata: tuple[str, ...], are_episodes: bool
) -> Iterator[Trial]:
    """Yield a point without figures for each setting with more neighbours than its smallest stratum has."""
    tried, name = min((round(TRIED_SHARE * len(rows)), name) for name, rows in stratum_rows(table, strata))
    for setting in settings:
        least = max(SMALLEST_STRATUM if are_episodes else 0, setting.k + 1)
        if tried < least:
            where = f"stratum {name}" if strata else "the table"
            reason = f"{least} records are wanted, and {tried} of {where} are tried"
            yield Trial.without_figures(setting, reason)


def _trial(table: pd.DataFrame, setting: Setting, seed: int, strata: tuple[str, ...], are_episodes: bool) -> Trial:
    from reference_db.privacy.attacks import Scene
    from reference_db.privacy.attacks.membership import Proximity, by_distance
    from reference_db.privacy.metrics import distance_metrics
    from reference_db.privacy.targets import Verdict

    rng = np.random.default_rng(seed)
    used, left_out = _split(table, strata, rng)
    made, origin = _avatars(used, setting, strata, are_episodes, rng)
    columns = read_columns(used)
    records, avatars = columns.encode(used), columns.encode(made)
    made_of = dict(stratum_rows(made, strata))
    metrics: list[Metric] = []
    for name, rows in stratum_rows(used, strata):
        rows_made = made_of[name]
        own = np.searchsorted(rows, origin[rows_made])
        metrics += distance_metrics(columns, records.rows(rows), avatars.rows(rows_made), own)
    lowest = {
        name: min(metric.value for metric in metrics if metric.name == name and metric.value is not None)
        for name in ("hidden_rate", "local_cloaking")
    }
    attack = by_distance([Proximity.of(Scene.of(columns, records, avatars, columns.encode(left_out), rng))])
    kept = utility(used, made)
    return Trial(
        setting,
        membership=attack.success.value,
        missed=sum(metric.verdict is Verdict.FAILED for metric in metrics),
        hidden_rate=lowest["hidden_rate"],
        local_cloaking=lowest["local_cloaking"],
        **asdict(kept),
    )


def _avatars(
    used: pd.DataFrame, setting: Setting, strata: tuple[str, ...], are_episodes: bool, rng: np.random.Generator
) -> tuple[pd.DataFrame, NDArray[np.intp]]:
    weights = dict(setting.weights)
    if are_episodes:
        anonymous = anonymise_episodes(used, k=setting.k, ncp=setting.ncp, weights=weights, rng=rng)
        return anonymous.table, anonymous.origin
    avatars = make_avatars(used, k=setting.k, ncp=setting.ncp, weights=weights, strata=strata, rng=rng)
    return avatars.table, avatars.origin


def _split(
    table: pd.DataFrame, strata: tuple[str, ...], rng: np.random.Generator
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Draw the share that is tried from each stratum."""
    used = []
    for _, rows in stratum_rows(table, strata):
        used.append(rng.permutation(rows)[: round(TRIED_SHARE * len(rows))])
    inside = np.zeros(len(table), dtype=bool)
    inside[np.concatenate(used)] = True
    return table[inside].reset_index(drop=True), table[~inside].reset_index(drop=True)


def _key(table: pd.DataFrame, seed: int, strata: tuple[str, ...]) -> str:
    content = pd.util.hash_pandas_object(table, index=False).to_numpy().tobytes()
    digest = hashlib.sha256(content)
    digest.update(json.dumps([list(map(str, table.columns)), seed, strata]).encode())
    return digest.hexdigest()[:16]


def _read(results: Path, key: str) -> Iterator[Trial]:
    if not results.exists():
        return
    for line in filter(None, results.read_text(encoding="utf-8").splitlines()):
        try:
            entry: dict[str, Any] = json.loads(line)
        except json.JSONDecodeError:
            # The line that a killed search was writing: its trial runs again.
            continue
        if entry.pop("key") == key:
            setting = entry.pop("setting")
            weights = tuple((column, weight) for column, weight in setting["weights"])
            yield Trial(Setting(setting["k"], setting["ncp"], weights), **entry)

"""The natural path through the reference database: sources, originals, avatars, privacy gate, frozen release."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from threadpoolctl import threadpool_limits

from reference_db.avatar.episodes import APART, STRATA, anonymise_episodes, episode_constraints
from reference_db.constraints import violations
from reference_db.episodes import Episodes
from reference_db.errors import FieldProblem, InvalidInput
from reference_db.harmonise import episodes as harmonised_episodes
from reference_db.privacy import assess_privacy
from reference_db.privacy.evidence import evidence_page
from reference_db.privacy.gate import broken_rules
from reference_db.release import Manifest, ReleaseContent, freeze
from reference_db.sources.simulated import simulate
from reference_db.warehouse import Warehouse, read_bkp, write_bkp

_MOST_JOBS = 4
"""Processes that attack a release before it is frozen; more would only wait for the largest stratum."""

_FEWEST_SHARED_OUT = 2000
"""Patients from which on several processes are quicker than starting them."""

Progress = Callable[[float, str], None]
"""Told how far the work is (0 to 1) and what it is doing."""

Utility = Callable[[Episodes, Episodes], Mapping[str, Any]]
"""Compares synthetic with original episodes; given by whoever builds, as comparing is not this package's work."""


class BuildConfig(BaseModel):
    """What a build may choose.

    A YAML file of these fields can be given to ``cdss build --config``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    bkp: Literal["simulated"] | Path = Field(
        default="simulated", description="Folder of imported originals, or the simulated sources."
    )
    scale: float = Field(default=1.0, gt=0.0, le=1.0, description="Share of the simulated patients to make.")
    seed: int = Field(default=20261123, ge=0, lt=2**32, description="Seed of everything random in the build.")
    k: int | None = Field(default=None, ge=2, le=2000, description="Neighbours; chosen per stratum when not given.")
    ncp: int | None = Field(
        default=None, ge=1, le=200, description="FAMD components kept; the default when not given."
    )
    weights: dict[str, float] | None = Field(default=None, description="Weights of variables before the projection.")

    @classmethod
    def read(cls, path: Path | None, **overrides: object) -> BuildConfig:
        """Return the configuration of a YAML file, with those overrides that are not None.

        Raises
        ------
        InvalidInput
            Naming each field that cannot be used and its allowed range.
        """
        given: dict[str, Any] = {}
        if path is not None:
            try:
                given = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
            except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
                raise InvalidInput.of("config", f"{path} cannot be read as YAML") from error
            if not isinstance(given, dict):
                raise InvalidInput.of("config", f"{path} must hold fields with values, such as `seed: 1`")
        given |= {name: value for name, value in overrides.items() if value is not None}
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise InvalidInput(
                [FieldProblem(".".join(map(str, problem["loc"])), problem["msg"]) for problem in error.errors()]
            ) from error


def build(
    home: Path,
    config: BuildConfig,
    *,
    attachments: Callable[[Episodes, int], Mapping[str, bytes]],
    utility: Utility,
    progress: Progress,
) -> Manifest:
    """Build a release from the sources, and return its manifest.

    Parameters
    ----------
    home : Path
        Folder with ``bkp/`` (originals) and ``releases/``.
    config : BuildConfig
        What to build from and with.
    attachments : callable
        Given the synthetic episodes and how many processes may work, returns further files of the release by name
        (learned weights, trained engines).
    utility : callable
        Given the synthetic and the original episodes, returns how well the first keep the figures of the second, as
        plain values for the manifest.
    progress : callable
        Told how far the build is.

    Raises
    ------
    InvalidInput
        If the originals cannot be used.
    BuildError
        If the release cannot be written; nothing is left behind.
    """
    # Sums come out differently in the last digit with another number of threads, and a rounded count with them: one
    # thread, so that the same seed gives the same bytes whatever the machine has.
    with threadpool_limits(limits=1):
        return _build(home, config, attachments=attachments, utility=utility, progress=progress)


def _build(
    home: Path,
    config: BuildConfig,
    *,
    attachments: Callable[[Episodes, int], Mapping[str, bytes]],
    utility: Utility,
    progress: Progress,
) -> Manifest:
    from joblib import cpu_count

    progress(0.0, "reading the sources")
    originals = _originals(home, config)
    progress(0.15, "harmonising")
    episodes = harmonised_episodes(originals.tables, originals.sources)
    avatar_rng, privacy_rng = np.random.default_rng(config.seed).spawn(2)
    progress(0.2, "making avatars")
    anonymous = anonymise_episodes(
        episodes,
        k=config.k,
        ncp=config.ncp,
        weights=config.weights,
        rng=avatar_rng,
        progress=lambda share, doing: progress(0.2 + 0.4 * share, doing),
    )
    rules = violations(anonymous.table, episode_constraints(episodes))
    jobs = min(cpu_count(), _MOST_JOBS) if len(episodes) >= _FEWEST_SHARED_OUT else 1
    progress(0.6, "assessing privacy")
    assessment = assess_privacy(
        episodes,
        anonymous.table,
        origin=anonymous.origin,
        strata=STRATA,
        apart=APART,
        rng=privacy_rng,
        rehearse=lambda table, rng: (
            anonymise_episodes(table, k=config.k, ncp=config.ncp, weights=config.weights, rng=rng).table
        ),
        progress=lambda share, doing: progress(0.6 + 0.3 * share, doing),
        jobs=jobs,
    )
    progress(0.9, "learning from the synthetic patients, comparing them with the originals")
    sources = {source.name: source for source in originals.sources}
    synthetic = Episodes(anonymous.table, sources)
    further = attachments(synthetic, jobs)
    compared = utility(synthetic, Episodes(episodes, sources))
    evidence = evidence_page(assessment.to_json_dict(), title="Anonymous synthetic reference database")
    progress(0.98, "freezing the release")
    manifest = freeze(
        home / "releases",
        anonymous.table,
        ReleaseContent(
            seed=config.seed,
            parameters=config.model_dump(mode="json") | {"strata": anonymous.parameters},
            sources=originals.sources,
            privacy=assessment.to_json_dict(),
            reasons=(*assessment.failures, *broken_rules(rules)),
            rules=rules,
            utility=dict(compared),
        ),
        attachments={**further, "evidence.html": evidence.encode()},
    )
    progress(1.0, "done")
    return manifest


def _originals(home: Path, config: BuildConfig) -> Warehouse:
    if config.bkp != "simulated":
        return read_bkp(config.bkp)
    path = home / "bkp" / f"simulated-{config.seed}-{config.scale:g}"
    if path.exists():
        return read_bkp(path)
    simulated = simulate(seed=config.seed, scale=config.scale)
    return write_bkp(path, simulated.tables, simulated.sources, potential_outcomes=simulated.potential_outcomes)

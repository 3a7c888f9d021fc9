"""The gate: whether a recorded assessment lets a release out, judged anew by the present targets.

A release carries its assessment as it was recorded. Whoever opens it asks the gate again, because the targets may
have become stricter since, a metric or an attack may have been added, or somebody may have edited the verdict and
not the values. A recorded verdict is therefore never believed: only values are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from reference_db.privacy.attacks.result import Rate, is_too_risky
from reference_db.privacy.targets import ATTACK_TARGETS, FURTHER_TARGETS, TARGETS, TARGETS_VERSION, Verdict, copied


def reasons_to_refuse(recorded: Mapping[str, Any]) -> list[str]:
    """Return why a release with this assessment may not be used; empty when it may.

    Parameters
    ----------
    recorded : mapping
        What `PrivacyAssessment.to_json_dict` gave when the release was made.

    Returns
    -------
    list of str
        One reason per missed target, missing metric, attack or stratum, in words.
    """
    if not recorded.get("strata"):
        return ["there is no privacy assessment: build it again"]
    reasons = []
    if recorded.get("targets_version") != TARGETS_VERSION:
        reasons.append(
            f"assessed by targets {recorded.get('targets_version')}, now they are {TARGETS_VERSION}: build it again"
        )
    for stratum in recorded["strata"]:
        measured = {metric.get("name"): metric for metric in stratum.get("metrics", ())}
        reasons += _missed_metrics(str(stratum.get("name")), measured)
        if len(recorded["strata"]) > 1:
            reasons += _missed_attacks(f"{stratum.get('name')}: ", stratum.get("attacks", ()))
    return reasons + _missed_attacks("", recorded.get("attacks", ()))


def broken_rules(recorded: Mapping[str, int]) -> list[str]:
    """Return the declared rules that rows of a release break, in words.

    Parameters
    ----------
    recorded : mapping of str to int
        As `constraints.violations` counted them.
    """
    return [f"{count} rows break the rule {name}" for name, count in recorded.items() if count]


def _missed_metrics(stratum: str, measured: Mapping[str, Mapping[str, Any]]) -> list[str]:
    reasons = []
    for target in (*TARGETS, *FURTHER_TARGETS):
        metric = measured.get(target.name)
        if metric is None:
            reasons.append(f"{stratum}: {target.label.lower()} was not measured")
        elif metric.get("value") is None:
            # A release always knows the origin of its avatars, so only columns and records can be lacking.
            if metric.get("verdict") != Verdict.NOT_APPLICABLE:
                reasons.append(f"{stratum}: {target.label.lower()} has no value")
        elif not metric["value"] > target.over:
            found = f"{copied(metric.get('column', ''))}{target.label.lower()} is {metric['value']:.3g}"
            reasons.append(f"{stratum}: {found}, it must exceed {target.over:g}")
    return reasons


def _missed_attacks(where: str, recorded: Iterable[Mapping[str, Any]]) -> list[str]:
    tried = {attack.get("name"): attack for attack in recorded}
    reasons = []
    for target in ATTACK_TARGETS.values():
        attack = tried.get(target.name)
        if attack is None:
            reasons.append(f"{where}{target.label.lower()} was not tried")
            continue
        risk, verdict = Rate(**attack["risk"]), attack.get("verdict")
        over = is_too_risky(risk, target.at_most, looks=attack.get("looks", 1))
        if verdict == Verdict.FAILED or (over and verdict != Verdict.UNINFORMATIVE):
            found = f"the risk is {risk.value:.3f} ({risk.lower:.3f} to {risk.upper:.3f})"
            reasons.append(f"{where}{target.label.lower()}: {found}, it must not exceed {target.at_most:g}")
    return reasons

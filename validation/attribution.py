"""Which missed targets are causes and which are consequences, and what one release misses that another does not.

Sections rest on each other: relapse counts that are shifted spoil the margins, and through them the discriminators,
the endpoints and the projections. The reader is to look at the margins; the others say that they follow. What fails
is followed thing by thing: a variable that misses a target does not excuse the endpoints of others, so that a release
which misses one target already still shows where it is broken next.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from validation.result import Check, Miss, Section, ValidationReport, Verdict

MINOR = frozenset({"out_of_range"})
"""Figures that excuse no other: a handful of values spoils no whole table. They are consequences themselves where the
variables are distributed otherwise as a whole."""

SHARES = frozenset({"balanced", "endpoints_replicated", "indication_kept"})
"""Figures over many of which some miss by chance: most of those that do must be explained, of others all."""

_STEMS = ("relapse", "edss", "new_t2", "t2", "gd")
_ALIKE = {"worsening": "edss"}


def attribute_failures(sections: Sequence[Section]) -> tuple[Section, ...]:
    """Mark as consequence every failed check that one of a section it rests on, at whatever distance, explains.

    Parameters
    ----------
    sections : sequence of Section
        In the order in which they rest on each other, their checks failed or not.
    """
    grounds = _grounds(sections)
    failed = {
        section.name: [one for one in section.checks if one.verdict in (Verdict.FAILED, Verdict.CONSEQUENCE)]
        for section in sections
    }
    return tuple(
        replace(
            section,
            checks=tuple(
                replace(
                    one,
                    verdict=Verdict.CONSEQUENCE
                    if any(_explains(name, failed[name], one) for name in grounds[section.name] & failed.keys())
                    or (one.name in MINOR and _shifted(failed.get("univariate", ()), one))
                    else Verdict.FAILED,
                )
                if one in failed[section.name]
                else one
                for one in section.checks
            ),
        )
        for section in sections
    )


def added_failures(report: ValidationReport, base: ValidationReport) -> tuple[Section, ...]:
    """Return the sections in which a release misses more than another, with those checks only.

    Parameters
    ----------
    report : ValidationReport
    base : ValidationReport
        Of a release from the same originals, such as the one that was served before.

    Returns
    -------
    tuple of Section
        Each with the checks that fail here and not there, and of checks that fail in both with what misses the target
        here only. Causes and consequences are told apart among these alone.
    """
    before = {
        (section.name, one.name): one.misses
        for section in base.sections
        for one in section.checks
        if one.verdict in (Verdict.FAILED, Verdict.CONSEQUENCE)
    }
    sections = []
    for section in report.sections:
        checks = []
        for one in section.checks:
            if one.verdict not in (Verdict.FAILED, Verdict.CONSEQUENCE):
                continue
            known = before.get((section.name, one.name))
            new = tuple(miss for miss in one.misses if known is None or miss not in known)
            if known is None or new:
                checks.append(replace(one, misses=new))
        sections.append(replace(section, checks=tuple(checks)))
    return tuple(section for section in attribute_failures(sections) if section.checks)


def _grounds(sections: Sequence[Section]) -> dict[str, set[str]]:
    """Return the sections that each rests on, at whatever distance."""
    grounds = {section.name: set(section.rests_on) for section in sections}
    for _ in sections:
        for name, ground in grounds.items():
            grounds[name] = ground | {further for one in ground for further in grounds.get(one, ())}
    return grounds


def _explains(ground: str, failed: Sequence[Check], one: Check) -> bool:
    """Tell whether what fails in a section explains a failed check of another that rests on it."""
    spread = [cause for cause in failed if cause.name not in MINOR]
    if not one.misses:
        return bool(spread)
    # Rules that are broken, or a level that nobody has, are the whole table's.
    if ground == "structure" and any(not cause.misses for cause in spread):
        return True
    causes = {miss for cause in spread for miss in cause.misses}
    # One variable may have lost what it goes with; where those of several kinds have, the table has.
    if ground == "multivariate" and len({stem(miss.variable) for miss in causes if miss.variable}) > 1:
        return True
    # A variable that misses in several sources is broken in all of them; where it is rare it is not judged.
    sources = Counter(variable for variable, _ in {(miss.variable, miss.source) for miss in causes})
    causes |= {Miss(variable) for variable, number in sources.items() if variable is not None and number > 1}
    explained = sum(any(_touches(cause, miss) for cause in causes) for miss in one.misses)
    return 2 * explained > len(one.misses) if one.name in SHARES else explained == len(one.misses)


def _shifted(margins: Sequence[Check], one: Check) -> bool:
    """Tell whether every variable that leaves the range has other margins too."""
    moved = {miss.variable for cause in margins for miss in cause.misses}
    return bool(one.misses) and all(miss.variable in moved for miss in one.misses)


def _touches(cause: Miss, miss: Miss) -> bool:
    """Tell whether two are about the same variables, sources and arms, as far as both say."""
    if cause.variable is not None and miss.variable is not None:
        first, second = stem(cause.variable), stem(miss.variable)
        if first != second:
            return False
    return all(
        one is None or other is None or one == other
        for one, other in ((cause.source, miss.source), (cause.arm, miss.arm))
    )


def stem(variable: str) -> str:
    """Return what a variable or an endpoint is made of.

    >>> stem("relapses_12"), stem("relapse-free"), stem("worsening at 12 weeks"), stem("hazard_relapse"), stem("age")
    ('relapse', 'relapse', 'edss', 'relapse', 'age')
    """
    name = variable.lower().replace("new t2", "new_t2").removeprefix("hazard_")
    for beginning, other in _ALIKE.items():
        if name.startswith(beginning):
            return other
    return next((one for one in _STEMS if name.startswith(one)), name)

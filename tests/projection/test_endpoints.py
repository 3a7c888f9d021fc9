"""Endpoints: one small episode table whose events can be read off by eye."""

# ruff: noqa: ANN001, ANN201 - called by pytest, which knows no types

import numpy as np
import pytest

from projection.endpoints import ENDPOINTS, endpoints_of
from reference_db.episodes import Episodes
from reference_db.schema import EDSS_MONTHS, MRI_MONTHS, RELAPSE_MONTHS
from tests.episodes import random_episodes

EDSS = [f"edss_{m}" for m in EDSS_MONTHS]
RELAPSES = [f"relapses_{m}" for m in RELAPSE_MONTHS]
SCANS = [f"{kind}_{m}" for m in MRI_MONTHS for kind in ("gd", "new_t2")]


def one_patient(edss, *, relapse_at=(), lesions_at=(), scans=(6, 12, 24), source="REGISTRY"):
    """Endpoints of a patient with these EDSS values by month, relapses in the intervals ending at given months."""
    last = max(edss)
    table = random_episodes(2).table.iloc[[0]].reset_index(drop=True)
    table["source"], table["follow_up_months"] = source, last
    table[EDSS] = [[edss.get(m, np.nan) for m in EDSS_MONTHS]]
    for month in RELAPSE_MONTHS:
        table[f"relapses_{month}"] = np.array([None if month > last else int(month in relapse_at)], dtype=object)
        table[f"relapses_{month}"] = table[f"relapses_{month}"].astype("Int64")
    for month in MRI_MONTHS:
        seen = month in scans and month <= last
        table[f"gd_{month}"] = np.array([0 if seen else None], dtype=object)
        table[f"new_t2_{month}"] = np.array([int(month in lesions_at) if seen else None], dtype=object)
    table = table.astype(dict.fromkeys(SCANS, "Int64"))
    found = endpoints_of(Episodes(table, random_episodes(2).sources))
    return {name: (found.months(name)[0][0], bool(found.months(name)[1][0])) for name in ENDPOINTS}, found


def steady(last=24, level=2.0):
    return {m: level for m in EDSS_MONTHS if m <= last}


def test_nothing_happens():
    events, found = one_patient(steady())
    confirmed_late = {"worsening_24w", "pira", "raw", "improvement"}
    # A change first seen in the last 24 (or 12) weeks could not have been confirmed.
    assert {events.pop(name) for name in confirmed_late} == {(18.0, False)}
    assert events.pop("worsening_12w") == (21.0, False)
    assert set(events.values()) == {(24.0, False)}
    assert found.years[0] == pytest.approx(24 * 30.4375 / 365.25)


@pytest.mark.parametrize("source", ["TRIAL", "REGISTRY"])
def test_worsening_away_from_relapses(source):
    events, _ = one_patient({**steady(), **dict.fromkeys((9, 12, 15, 18, 21, 24), 3.0)}, source=source)
    assert events["worsening_24w"] == events["worsening_12w"] == events["pira"] == (9.0, True)
    assert events["raw"] == (18.0, False)
    assert events["loss_of_neda3"] == (9.0, True)


def test_worsening_first_seen_after_a_relapse():
    events, _ = one_patient({**steady(), **dict.fromkeys((9, 12, 15, 18, 21, 24), 3.0)}, relapse_at=(9,))
    assert events["raw"] == (9.0, True)
    assert events["pira"] == (18.0, False)
    assert events["relapse"] == (9.0, True)


def test_a_passing_rise_is_no_worsening():
    events, _ = one_patient({**steady(), 9: 3.0})
    assert events["worsening_12w"] == (21.0, False)


def test_improvement():
    events, _ = one_patient({**steady(level=4.0), **dict.fromkeys((6, 9, 12, 15, 18, 21, 24), 3.0)})
    assert events["improvement"] == (6.0, True)


def test_lesions_stand_at_their_scan_and_observation_ends_with_the_last():
    events, _ = one_patient(steady(), lesions_at=(12,))
    assert events["new_lesions"] == events["loss_of_neda3"] == (12.0, True)
    events, _ = one_patient(steady(), scans=(6,))
    assert events["new_lesions"] == (6.0, False)
    events, _ = one_patient(steady(), scans=(), relapse_at=(3,))
    assert events["new_lesions"] == events["loss_of_neda3"] == (0.0, False)


def test_an_event_after_the_end_of_its_observation_does_not_count():
    events, _ = one_patient(steady(), scans=(6,), relapse_at=(12,))
    assert events["relapse"] == (12.0, True)
    assert events["loss_of_neda3"] == (6.0, False)


@pytest.mark.parametrize("last", [0, 3])
def test_who_is_never_seen_again_is_not_known_to_be_free_of_worsening(last):
    events, _ = one_patient(steady(last))
    confirmed = ("worsening_24w", "worsening_12w", "pira", "raw", "improvement")
    assert {name: events[name] for name in confirmed} == dict.fromkeys(confirmed, (0.0, False))


def test_counts_of_many_patients_agree_with_the_table(small_release):
    episodes = small_release.episodes
    found = endpoints_of(episodes)
    assert np.array_equal(found.relapses, np.nansum(episodes.relapses[:, :8], axis=1))
    assert (found.step >= 0).all()
    assert (found.step < len(EDSS_MONTHS)).all()
    worse_12, worse_24 = (found.event[:, ENDPOINTS.index(name)] for name in ("worsening_12w", "worsening_24w"))
    assert not (worse_24 & ~worse_12).any()

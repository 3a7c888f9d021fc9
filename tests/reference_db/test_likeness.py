"""A record that came back among the avatars, told from avatars that are like one by chance."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from reference_db.avatar.columns import EncodedTable, read_columns
from reference_db.privacy.likeness import likeness_by_chance
from reference_db.privacy.targets import FURTHER_TARGETS

LIMIT = next(target.over for target in FURTHER_TARGETS if target.name == "likeness_by_chance")
ORDINARY = 17

Floats = NDArray[np.float64]


def encoded(numbers: Floats, codes: NDArray[np.int32] | None = None) -> EncodedTable:
    return EncodedTable(numbers, np.zeros((len(numbers), 0), dtype=np.int32) if codes is None else codes)


def people(rng: np.random.Generator, size: int) -> EncodedTable:
    """Return patients of four traits: measures, counts, labels, and visits that end when somebody leaves."""
    traits = rng.normal(size=(size, 4))
    measures = (traits @ rng.normal(size=(4, 8)) + rng.normal(size=(size, 8))).round(1)
    visits = rng.poisson(np.exp(0.5 * traits[:, [0]] + 0.1 * np.arange(8))).astype(np.float64)
    visits[np.arange(8) >= np.where(rng.random(size) < 0.1, rng.integers(1, 8, size), 8)[:, None]] = np.nan
    labels = np.digitize(traits + rng.normal(size=(size, 4)), [-1, 1, 2]).astype(np.int32)
    return encoded(np.hstack([measures, visits]), labels)


def closest(originals: EncodedTable, avatars: EncodedTable) -> NDArray[np.intp]:
    mine, theirs = (np.nan_to_num(np.hstack([t.numbers, t.codes]), nan=-9.0) for t in (originals, avatars))
    return np.asarray(cKDTree(mine).query(theirs)[1], dtype=np.intp)


def likeness(originals: EncodedTable, avatars: EncodedTable, origin: NDArray[np.intp] | None = None) -> float:
    return likeness_by_chance(originals, avatars, closest(originals, avatars), origin)


def halves(both: EncodedTable) -> tuple[EncodedTable, EncodedTable]:
    size = len(both) // 2
    return both.rows(np.arange(size)), both.rows(np.arange(size, 2 * size))


def kept(originals: EncodedTable, avatars: EncodedTable, row: int = ORDINARY) -> EncodedTable:
    """Return the avatars with an original in the place of its own."""
    numbers, codes = avatars.numbers.copy(), avatars.codes.copy()
    numbers[row], codes[row] = originals.numbers[row], originals.codes[row]
    return EncodedTable(numbers, codes)


def with_a_trace_of_noise(avatars: EncodedTable) -> None:
    avatars.numbers[ORDINARY] += np.random.default_rng(5).normal(scale=0.01, size=avatars.numbers.shape[1])


def but_for_a_label(avatars: EncodedTable) -> None:
    avatars.codes[ORDINARY, 0] = 1 - min(avatars.codes[ORDINARY, 0], 1)


def as_it_was(avatars: EncodedTable) -> None:
    return None


@pytest.mark.parametrize("change", [as_it_was, with_a_trace_of_noise, but_for_a_label])
def test_an_ordinary_record_that_was_kept_is_found(change: Callable[[EncodedTable], None]) -> None:
    originals, avatars = halves(people(np.random.default_rng(0), 800))
    leak = kept(originals, avatars)
    change(leak)
    assert likeness(originals, avatars, np.arange(400)) == 1
    assert likeness(originals, leak, np.arange(400)) < LIMIT


def test_other_people_are_never_taken_for_copies() -> None:
    for seed in range(40):
        originals, others = halves(people(np.random.default_rng(seed), 300))
        assert likeness(originals, others) > LIMIT, seed


@pytest.mark.parametrize("columns", [1, 2, 3, 5])
def test_chance_alone_refuses_no_table_of_few_columns(columns: int) -> None:
    draws: list[Callable[[np.random.Generator], Floats]] = [
        lambda rng: rng.standard_t(3, size=(600, columns)),
        lambda rng: rng.normal(scale=3, size=(600, columns)).round(),
        lambda rng: rng.poisson(3, size=(600, columns)).astype(np.float64),
    ]
    for seed in range(15):
        for drawn in draws:
            originals, others = halves(encoded(drawn(np.random.default_rng(seed))))
            assert likeness(originals, others, np.arange(300)) > LIMIT, seed


def test_a_hit_in_a_table_of_few_values_is_no_evidence() -> None:
    rng = np.random.default_rng(0)
    originals, avatars = halves(encoded(np.zeros((600, 0)), rng.integers(0, 3, (600, 4)).astype(np.int32)))
    assert all(
        likeness(originals, kept(originals, avatars, row), np.arange(300)) > LIMIT for row in range(0, 300, 30)
    )


def test_a_record_that_somebody_else_has_too_is_nobodys() -> None:
    originals, avatars = halves(people(np.random.default_rng(0), 800))
    twins = kept(originals, originals)
    twins.numbers[40], twins.codes[40] = originals.numbers[ORDINARY], originals.codes[ORDINARY]
    assert likeness(twins, kept(originals, avatars), np.arange(400)) > LIMIT


def test_one_rare_level_beside_columns_that_tell_little_is_no_evidence() -> None:
    """Nobody else is near whoever has it; but that is one thing that is told, not thirty."""
    rng = np.random.default_rng(0)
    codes = (rng.random((600, 30)) < 0.02).astype(np.int32)
    codes[[3, 303]] = 0
    codes[:, 29] = 0
    codes[[3, 303], 29] = 1
    originals, avatars = halves(encoded(np.zeros((600, 0)), codes))
    assert likeness(originals, avatars) > LIMIT


def test_cells_that_are_missing_together_tell_no_more_than_their_pattern() -> None:
    """Two who left after the first of thirty visits are alike in all cells, of which one alone was free to differ."""
    rng = np.random.default_rng(0)
    visits = rng.poisson(2, size=(600, 30)).astype(np.float64)
    visits[[3, 303], 1:] = np.nan
    visits[303, 0] = visits[3, 0]
    assert likeness(*halves(encoded(visits))) > LIMIT


def test_the_own_avatar_is_rarely_the_nearest_by_chance() -> None:
    originals, avatars = halves(people(np.random.default_rng(0), 800))
    leak = kept(originals, avatars)
    own = likeness(originals, leak, np.arange(400))
    someone = likeness(originals, leak, np.roll(np.arange(400), 1))
    # Three more than the one whose nearest is the own, of 400.
    assert someone / own == pytest.approx(400 / 4, rel=0.5)


def test_against_the_definition_record_by_record() -> None:
    rng = np.random.default_rng(1)
    table = pd.DataFrame(rng.normal(size=(120, 8)).round(1), columns=list("efghijkl"))
    table = table.assign(b=rng.poisson(2, 120).astype(float), c=rng.choice(["x", "y", "z"], 120, p=[0.6, 0.3, 0.1]))
    table.loc[rng.random(120) < 0.2, "b"] = np.nan
    table.loc[rng.random(120) < 0.1, "c"] = None
    originals, avatars = halves(read_columns(table).encode(table))
    avatars = kept(originals, avatars)
    found = likeness(originals, avatars)
    assert 0 < found < 0.5
    assert found == pytest.approx(by_definition(table.iloc[:60], _decoded(table, avatars), ORDINARY), rel=1e-6)


def _decoded(table: pd.DataFrame, avatars: EncodedTable) -> pd.DataFrame:
    return read_columns(table).decode(avatars)


def by_definition(originals: pd.DataFrame, avatars: pd.DataFrame, row: int) -> float:
    """Return the probability for one original that has an avatar, cell by cell."""
    target, n = originals.iloc[row], len(originals)
    known = originals.notna()
    cells = [-np.log((known[name] == known[name].iloc[row]).mean()) for name in originals]
    pattern = -np.log((known == known.iloc[row]).all(axis=1).mean())
    scale = min(1.0, pattern / max(sum(cells), 1e-12))

    def in_common(other: pd.Series) -> list[float]:
        """Return what each value tells, and last what the pattern does."""
        pieces, pattern = [], 0.0
        for name, of_cell in zip(originals, cells, strict=True):
            column = originals[name].dropna()
            mine, theirs = target[name], other[name]
            pattern += scale * of_cell if pd.isna(mine) == pd.isna(theirs) else 0.0
            if pd.isna(mine) or pd.isna(theirs):
                continue
            if isinstance(mine, str):
                pieces.append(-np.log((column == mine).mean()) if mine == theirs else 0.0)
            else:
                pieces.append(-np.log(((column >= min(mine, theirs)) & (column <= max(mine, theirs))).mean()))
        return [*pieces, pattern]

    told = in_common(target)
    far = sorted(max(sum(told) - sum(in_common(other)), 1.0) for _, other in avatars.iterrows())
    others = sorted(
        max(sum(told) - sum(in_common(other)), 1.0) for i, (_, other) in enumerate(originals.iterrows()) if i != row
    )
    nearest, far = far[0], far[1:]
    dimension = sum(told) ** 2 / sum(piece**2 for piece in told)
    for distances in (far, others):
        for number in (5, 20):
            within = [d for d in distances if d <= distances[number - 1]]
            steps = sum(np.log(distances[number - 1] / d) for d in within)
            dimension = min(dimension, (len(within) - 1) / max(steps, 1e-9))
    expected = 0.0
    for distances, each in ((far, 1.0), (others, n / (n - 1))):
        for number in (2, 5, 20):
            reach = distances[number - 1]
            count = sum(d <= reach for d in distances)
            expected = max(expected, each * count * (nearest / reach) ** dimension)
    return float(1 - np.exp(-n * expected))

"""The factor space against the library of the method's authors."""

import numpy as np
import pandas as pd
import pytest
import saiph
from scipy.spatial.distance import pdist

from reference_db.avatar.columns import read_columns
from reference_db.avatar.projection import factor_space, fit_factor_space
from reference_db.errors import InvalidTable


@pytest.fixture
def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    numbers = pd.DataFrame(rng.normal(size=(150, 4)) @ rng.normal(size=(4, 4)) * 10 + 50, columns=list("abcd"))
    return numbers.assign(
        sex=rng.choice(["f", "m"], 150), stage=rng.choice(["I", "II", "III"], 150, p=[0.6, 0.3, 0.1])
    )


@pytest.mark.parametrize("axes", [2, 5, 7])
def test_distances_are_those_of_saiph(table: pd.DataFrame, axes: int) -> None:
    columns = read_columns(table)
    ours = factor_space(table, columns).transform(columns.encode(table))
    theirs = saiph.fit_transform(table.astype(dict.fromkeys("abcd", float)))[0].to_numpy()
    assert pdist(ours[:, :axes]) == pytest.approx(pdist(theirs[:, :axes]), rel=1e-6)


def test_other_records_are_projected_as_saiph_does(table: pd.DataFrame) -> None:
    columns = read_columns(table)
    fitted, fresh = table.iloc[:100], table.iloc[100:]
    ours = factor_space(fitted, columns).transform(columns.encode(fresh))
    _, model = saiph.fit_transform(fitted)
    theirs = saiph.transform(fresh, model).to_numpy()
    assert pdist(ours[:, :4]) == pytest.approx(pdist(theirs[:, :4]), rel=1e-6)


@pytest.mark.parametrize("rows", [1, 3, 5, 143])
def test_a_record_has_the_same_coordinates_among_other_records(table: pd.DataFrame, rows: int) -> None:
    columns = read_columns(table)
    encoded = columns.encode(table)
    space = factor_space(table, columns)
    np.testing.assert_array_equal(space.transform(encoded)[:rows], space.transform(encoded.rows(np.arange(rows))))


def test_light_weights_are_as_exact_as_heavy_ones(table: pd.DataFrame) -> None:
    columns = read_columns(table)
    encoded = columns.encode(table)
    light = fit_factor_space(encoded, columns, weights=dict.fromkeys(table.columns, 1e-14))
    plain = factor_space(table, columns)
    assert 1e7 * pdist(light.transform(encoded)) == pytest.approx(pdist(plain.transform(encoded)), rel=1e-6)


def test_a_weight_multiplies_the_squared_distance_and_zero_leaves_out(table: pd.DataFrame) -> None:
    columns = read_columns(table)
    encoded = columns.encode(table)
    plain = fit_factor_space(encoded, columns, weights={name: 0.0 for name in table.columns if name != "a"})
    assert plain.dimensions == 1
    heavy = fit_factor_space(encoded, columns, weights={name: 4.0 * (name == "a") for name in table.columns})
    assert pdist(heavy.transform(encoded)) == pytest.approx(2 * pdist(plain.transform(encoded)), abs=1e-8)


def test_constant_and_empty_columns_take_no_part(table: pd.DataFrame) -> None:
    columns = read_columns(table)
    expected = pdist(factor_space(table, columns).transform(columns.encode(table)))
    padded = table.assign(constant=3.0, empty=np.nan, label="same")
    columns = read_columns(padded)
    space = factor_space(padded, columns)
    assert pdist(space.transform(columns.encode(padded))) == pytest.approx(expected)
    assert space.dimensions == 7


def test_missing_together_counts_once(table: pd.DataFrame) -> None:
    holed = table.copy()
    holed.loc[:20, ["a", "b", "c"]] = np.nan
    columns = read_columns(holed)
    assert len(factor_space(holed, columns).missing_patterns) == 1


def test_a_negative_weight_is_refused(table: pd.DataFrame) -> None:
    columns = read_columns(table)
    with pytest.raises(InvalidTable, match="0 or more"):
        fit_factor_space(columns.encode(table), columns, weights={"a": -1.0})

"""The search for K, NCP and W: what it measures, what it keeps, where it goes on."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reference_db.avatar.tuning import Setting, Trial, as_frame, chosen, pareto_front, picture, settings_of, tune
from reference_db.avatar.utility import utility
from reference_db.errors import InvalidInput


@pytest.fixture
def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(240, 3))
    numbers = pd.DataFrame(latent @ rng.normal(size=(3, 5)) + rng.normal(size=(240, 5)), columns=list("abcde"))
    return numbers.assign(stage=rng.choice(list("IVX"), 240), arm=np.repeat(["x", "y"], 120))


def trial(membership: float, loss: float, *, missed: int = 0, k: int = 10) -> Trial:
    return Trial(Setting(k, 5), membership, 95.0, 9.0, missed, loss, 0.0, 1.0)


def test_the_front_is_what_nothing_beats() -> None:
    rng = np.random.default_rng(0)
    trials = [
        trial(*pair, missed=int(i % 5 == 0), k=i) for i, pair in enumerate(rng.random((60, 2)).round(2).tolist())
    ]
    allowed = [one for one in trials if not one.missed]
    front = pareto_front(trials)
    for one in allowed:
        beaten = any(
            other.membership <= one.membership
            and other.loss <= one.loss
            and (other.membership, other.loss) != (one.membership, one.loss)
            for other in allowed
        )
        same = any((f.membership, f.loss) == (one.membership, one.loss) for f in front)
        assert same is not beaten


def test_the_choice_is_the_most_faithful_under_the_limit() -> None:
    trials = [trial(0.51, 0.3), trial(0.54, 0.2), trial(0.6, 0.1), trial(0.52, 0.05, missed=1)]
    assert chosen(trials) is trials[1]
    assert chosen(trials, membership=0.5) is trials[0]
    assert chosen([trials[3]]) is None


def test_a_search_goes_on_where_it_was_and_again_gives_the_same(table: pd.DataFrame, tmp_path: Path) -> None:
    results = tmp_path / "trials.jsonl"
    settings = settings_of([5, 15], [2, 4], [{}, {"a": 3.0}])
    told: list[str] = []

    def search(settings: tuple[Setting, ...], seed: int = 1) -> list[Trial]:
        told.clear()
        return tune(
            table, settings, results=results, seed=seed, strata=["arm"], progress=lambda _, step: told.append(step)
        )

    search(settings[:3])
    with results.open("a") as file:
        file.write('\n{"key": "cut sho')
    (tmp_path / "fresh").mkdir()
    found = search(settings)
    assert told[0] == "5 of 8 settings to try"
    assert len(told) == 6
    assert [one.setting for one in found] == list(settings)
    assert search(settings) == found
    assert told == ["0 of 8 settings to try"]
    search(settings[:1], seed=2)
    assert told[1:] == [f"tried {settings[0]}"]
    fresh = tune(table, settings, results=tmp_path / "fresh" / "trials.jsonl", seed=1, strata=["arm"])
    assert fresh == found


def test_table_and_picture_show_every_trial(table: pd.DataFrame, tmp_path: Path) -> None:
    trials = [trial(0.51, 0.3), trial(0.6, 0.1), trial(0.52, 0.05, missed=1)]
    frame = as_frame(trials)
    assert frame["on_front"].tolist() == [True, True, False]
    picture(trials).savefig(tmp_path / "front.png")
    assert (tmp_path / "front.png").read_bytes().startswith(b"\x89PNG")


def test_neighbours_that_a_stratum_does_not_have_are_a_point_without_figures(
    table: pd.DataFrame, tmp_path: Path
) -> None:
    # 84 of 120 are tried in each stratum, so 83 is the most.
    found = tune(table, settings_of([84, 83], [2]), results=tmp_path / "trials.jsonl", seed=1, strata=["arm"])
    assert [bool(one.impossible) for one in found] == [True, False]
    assert "84 of stratum x" in found[0].impossible
    assert found[0] not in pareto_front(found)
    assert as_frame(found)["impossible"].tolist() == [found[0].impossible, ""]
    picture(found).savefig(tmp_path / "front.png")
    # Episodes are also refused where a stratum hides nobody at all, whatever the neighbours.
    few = table.rename(columns={"arm": "source", "stage": "arm"}).groupby("source").head(50)
    every = tune(few, settings_of([5], [2]), results=tmp_path / "few.jsonl", seed=1, are_episodes=True)
    assert every[0].impossible


def test_nothing_to_try_is_refused(table: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput):
        tune(table, [], results=tmp_path / "x", seed=1)


def test_utility_of_a_copy_is_whole_and_of_noise_is_not(table: pd.DataFrame) -> None:
    whole = utility(table, table)
    assert (whole.hellinger, whole.correlation_difference, whole.spread_ratio) == (0, 0, 1)
    rng = np.random.default_rng(3)
    shuffled = table.apply(lambda column: column.sample(frac=1, random_state=rng).to_numpy())
    assert utility(table, shuffled).hellinger == pytest.approx(0)
    assert utility(table, shuffled).correlation_difference > 0.05
    halved = table.assign(**{name: table[name] / 2 for name in "abcde"})
    assert utility(table, halved).spread_ratio == pytest.approx(0.5)
    assert utility(table, halved).hellinger > 0.1

"""`cdss avatarize` and `cdss privacy` on files as people have them."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cdss import cli

Run = Callable[..., tuple[int, str, str]]


def people(rows: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(rows, 3))
    numbers = pd.DataFrame(latent @ rng.normal(size=(3, 5)) + rng.normal(size=(rows, 5)), columns=list("abcde"))
    seen = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 999, rows), unit="D")
    return numbers.assign(
        visits=rng.poisson(3, rows),
        sex=rng.choice(["female", "male"], rows),
        smoker=rng.choice([True, False], rows),
        seen=seen.strftime("%d/%m/%Y"),
    )


@pytest.fixture
def table() -> pd.DataFrame:
    return people(150)


@pytest.fixture
def cdss(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command line in this process; exit code, standard output, standard error."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["cdss", *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as exit_:
            code = exit_.code or 0
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", "#"])
@pytest.mark.parametrize("quoting", [0, 2])
def test_csv_comes_back_in_its_dialect(
    cdss: Run, table: pd.DataFrame, tmp_path: Path, delimiter: str, quoting: int
) -> None:
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    table.to_csv(source, sep=delimiter, index=False, quoting=quoting)
    assert cdss("avatarize", source, target, "--k", 10)[0] == 0
    assert target.read_text().splitlines()[0] == source.read_text().splitlines()[0]
    made = pd.read_csv(target, sep=delimiter)
    read = pd.read_csv(source, sep=delimiter)
    assert (made.dtypes == read.dtypes).all()
    assert made.shape == read.shape
    assert made["seen"].str.fullmatch(r"\d\d/\d\d/20\d\d").all()
    assert set(made["sex"]) == {"female", "male"}
    assert not list(tmp_path.glob(".unfinished*"))


def test_decimal_commas_missing_words_and_latin_letters(cdss: Run, table: pd.DataFrame, tmp_path: Path) -> None:
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    table["sex"] = table["sex"].replace("male", "mâle")
    table.loc[::7, "a"] = np.nan
    table.to_csv(source, sep=";", index=False, decimal=",", na_rep="NA", encoding="latin-1")
    assert cdss("avatarize", source, target, "--k", 10)[0] == 0
    made = pd.read_csv(target, sep=";", decimal=",", encoding="latin-1")
    assert made["a"].dtype == float
    assert 5 < made["a"].isna().sum() < 45
    assert ";NA;" in target.read_text("latin-1") or "\nNA;" in target.read_text("latin-1")
    assert set(made["sex"]) == {"female", "mâle"}


def test_parquet_keeps_types_and_the_seed_decides(cdss: Run, table: pd.DataFrame, tmp_path: Path) -> None:
    table["seen"] = pd.to_datetime(table["seen"], format="%d/%m/%Y")
    table["stage"] = pd.Categorical(np.resize(["I", "II"], 150), categories=["I", "II", "III"], ordered=True)
    table.to_parquet(tmp_path / "in.parquet")
    for name, seed in (("one", 1), ("again", 1), ("other", 2)):
        arguments = ("--k", 10, "--seed", seed, "--strata", "sex", "--weights", "a=2,b=0.5")
        assert cdss("avatarize", tmp_path / "in.parquet", tmp_path / f"{name}.parquet", *arguments)[0] == 0
    one, again, other = (pd.read_parquet(tmp_path / f"{name}.parquet") for name in ("one", "again", "other"))
    assert (one.dtypes == table.dtypes).all()
    pd.testing.assert_frame_equal(one, again)
    assert not one.equals(other)


def test_privacy_passes_avatars_and_stops_copies(cdss: Run, tmp_path: Path) -> None:
    source, made, copy = (tmp_path / name for name in ("in.csv", "out.csv", "copy.csv"))
    table = people(800)
    table.to_csv(source, index=False)
    table.to_csv(copy, index=False)
    assert cdss("avatarize", source, made)[0] == 0
    code, out, _ = cdss("privacy", source, made, "--evidence", tmp_path / "page.html")
    assert code == 0, out
    assert "every target is met, but membership cannot be told without --holdout" in out
    assert "Privacy of out.csv" in (tmp_path / "page.html").read_text()
    code, out, _ = cdss("privacy", source, copy, "--json")
    assert code == 1
    written = json.loads(out)
    assert written["passed"] is False
    assert any("hidden rate is 0 %" in failure for failure in written["failures"])


def test_a_table_that_nothing_protects_is_refused_by_name(
    cdss: Run, table: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The module, whose name the function of the same name hides.
    monkeypatch.setattr(sys.modules["reference_db.avatar.avatarize"], "rehearsed_membership", lambda *_, **__: 0.59)
    source, made = tmp_path / "in.csv", tmp_path / "out.csv"
    table.to_csv(source, index=False)
    code, _, err = cdss("avatarize", source, made)
    assert code == 1
    assert "all: in rehearsals with held-out records membership has an area under the curve of 0.590" in err
    assert made.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("avatarize", "nowhere.csv", "out.csv"), ["nowhere.csv: there is no such file"]),
        (("avatarize", "in.csv", "in.csv"), ["OUT: is the same file as IN"]),
        (("avatarize", "empty.csv", "out.csv"), ["is empty"]),
        (("avatarize", "header.csv", "out.csv"), ["has no row"]),
        (("avatarize", "binary.csv", "out.csv"), ["is not a text file"]),
        (("avatarize", "binary.parquet", "out.csv"), ["cannot be read as Parquet"]),
        (("avatarize", "in.csv", "away/out.csv"), ["cannot be written"]),
        (("avatarize", "in.csv", "out.csv", "--k", "500"), ["table: 150 row(s) are too few to hide each other"]),
        (("avatarize", "in.csv", "out.csv", "--k", "0", "--ncp", "0"), ["k: 0", "ncp: 0"]),
        (("avatarize", "in.csv", "out.csv", "--weights", "a=heavy"), ["weights: a=heavy cannot be read"]),
        (("privacy", "in.csv", "less.csv"), ["synthetic.a: is missing", "synthetic.more: is not a column"]),
    ],
)
def test_bad_input_is_told_in_one_line_per_problem(
    cdss: Run,
    table: pd.DataFrame,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    said: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    table.to_csv("in.csv", index=False)
    table.drop(columns="a").assign(more=1).to_csv("less.csv", index=False)
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "header.csv").write_text("a,b\n")
    (tmp_path / "binary.csv").write_bytes(b"PAR1\0\0\0\0")
    (tmp_path / "binary.parquet").write_bytes(b"PAR1\0\0\0\0")
    code, out, err = cdss(*arguments)
    assert code == 2
    lines = err.strip().splitlines()
    assert len(lines) == len(said)
    assert all(words in line for words, line in zip(said, lines, strict=True))
    assert out == ""
    assert not (tmp_path / "out.csv").exists()


def test_tune_writes_table_picture_and_choice(cdss: Run, table: pd.DataFrame, tmp_path: Path) -> None:
    table.to_csv(tmp_path / "in.csv", index=False)
    arguments = (
        "tune",
        tmp_path / "in.csv",
        "--k",
        "10,25,4000",
        "--ncp",
        "3",
        "--weights",
        "a=2",
        "--out",
        tmp_path / "out",
    )
    code, out, _ = cdss(*arguments)
    trials = pd.read_csv(tmp_path / "out" / "trials.csv")
    assert trials["k"].tolist() == [10, 10, 25, 25, 4000, 4000]
    assert trials["impossible"].notna().tolist() == [False] * 4 + [True] * 2
    assert "k=4000 ncp=3 is impossible" in out
    assert (tmp_path / "out" / "front.png").exists()
    assert code == (0 if (trials["missed"][:4] == 0).any() else 1)
    assert (tmp_path / "out" / "choice.yaml").exists() == (code == 0)
    assert "k=25 ncp=3 a=2" in out
    assert cdss("tune", tmp_path / "in.csv", "--k", "many")[0] == 2

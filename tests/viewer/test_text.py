from __future__ import annotations

import ast
import re
import string
from pathlib import Path

import pytest

import viewer
from reference_db.vocabulary import Phenotype, PriorTreatment, Sex, T2Load, Treatment
from viewer.text import NOT_SHOWN, Language, catalogue

EN, FR = catalogue(Language.ENGLISH), catalogue(Language.FRENCH)


def placeholders(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}


def test_the_languages_have_the_same_keys_and_placeholders() -> None:
    assert set(EN.words) == set(FR.words)
    assert {key: placeholders(words) for key, words in EN.words.items()} == {
        key: placeholders(words) for key, words in FR.words.items()
    }


def test_no_sentence_is_empty() -> None:
    assert not [key for text in (EN, FR) for key, words in text.words.items() if not words.strip()]


def test_every_key_the_code_asks_for_is_there() -> None:
    missing = []
    for path in Path(viewer.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id == "text"
                and node.args
            ):
                key = node.args[0]
                if isinstance(key, ast.Constant) and key.value not in EN.words:
                    missing.append((path.name, key.value))
                if isinstance(key, ast.JoinedStr):
                    pattern = "".join(
                        re.escape(str(part.value)) if isinstance(part, ast.Constant) else ".+" for part in key.values
                    )
                    if not any(re.fullmatch(pattern, known) for known in EN.words):
                        missing.append((path.name, pattern))
    assert missing == []


@pytest.mark.parametrize("text", [EN, FR])
def test_every_word_of_the_vocabulary_is_translated(text: viewer.text.Text) -> None:
    for treatment in Treatment:
        assert text(f"treatment.{treatment.value}")
    for field, words in {
        "sex": Sex,
        "phenotype": Phenotype,
        "t2_lesions": T2Load,
        "prior_treatment": PriorTreatment,
    }.items():
        for word in words:
            assert text(f"form.{field}.{word.value}")


@pytest.mark.parametrize(
    ("share", "english", "french"),
    [
        (0.0, "0%", "0\u202f%"),
        (0.004, "<1%", "<1\u202f%"),
        (0.126, "13%", "13\u202f%"),
        (0.998, ">99%", ">99\u202f%"),
        (1.0, "100%", "100\u202f%"),
        (float("nan"), NOT_SHOWN, NOT_SHOWN),
    ],
)
def test_percents(share: float, english: str, french: str) -> None:
    assert (EN.percent(share), FR.percent(share)) == (english, french)


def test_numbers_and_signs() -> None:
    assert EN.number(25726) == "25,726"
    assert FR.number(2.5, 1) == "2,5"
    assert EN.number(-0.04, 1) == "0.0"
    assert EN.signed(0.31, 1) == "+0.3"
    assert EN.signed(-0.31, 1) == "\N{MINUS SIGN}0.3"
    assert EN.signed(0.01, 1) == "0.0"
    assert EN.interval(NOT_SHOWN, "1") == ""


def test_every_sentence_is_used() -> None:
    # Asked for by names that releases bring.
    asked = [r"feature\..+", r"attack\..+", r"validation\..+", r"privacy_metric\..+", r"verdict\..+"]
    for path in Path(viewer.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                asked.append(re.escape(node.value))
            if isinstance(node, ast.JoinedStr):
                asked.append(
                    "".join(re.escape(part.value) if isinstance(part, ast.Constant) else ".+" for part in node.values)
                )
    used = [pattern for pattern in asked if not pattern.startswith(".+")]
    assert [key for key in EN.words if not any(re.fullmatch(pattern, key) for pattern in used)] == []

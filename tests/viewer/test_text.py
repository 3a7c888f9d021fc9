from __future__ import annotations

import ast
import re
import string
from pathlib import Path

import pytest

import validation
import viewer
from reference_db.privacy.targets import ATTACK_TARGETS, FURTHER_TARGETS, TARGETS
from reference_db.privacy.targets import Verdict as PrivacyVerdict
from reference_db.sources.simulated.designs import sources
from reference_db.vocabulary import Phenotype, PriorTreatment, Sex, SourceKind, T2Load, Treatment
from selection.features import FEATURE_NAMES, FEATURES
from validation.result import Verdict as ValidationVerdict
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


def test_every_word_that_a_release_brings_is_translated() -> None:
    """Pages fall back on the service's own English word where the catalogue has none: here that is a fault."""
    sections = {
        keyword.value.value
        for path in Path(validation.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Section"
        for keyword in node.keywords
        if keyword.arg == "name" and isinstance(keyword.value, ast.Constant)
    }
    assert len(sections) > 8
    brought = {
        "verdict": {*PrivacyVerdict, *ValidationVerdict},
        "privacy_metric": {target.name for target in (*TARGETS, *FURTHER_TARGETS)},
        "attack": set(ATTACK_TARGETS),
        "validation": sections,
        "feature": set(FEATURE_NAMES),
        "source_kind": set(SourceKind),
    }
    asked = {f"{group}.{name}" for group, names in brought.items() for name in names}
    asked |= {f"form.{feature.name}.{level}" for feature in FEATURES for level in feature.levels}
    assert asked - set(FR.words) == set()


def test_every_simulated_source_has_its_label_in_both_languages() -> None:
    for source in sources():
        assert EN(f"source.{source.name}") == source.label
        assert FR(f"source.{source.name}") != source.label


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
    asked = [r"feature\..+", r"attack\..+", r"validation\..+", r"privacy_metric\..+", r"verdict\..+", r"source\..+"]
    for path in Path(viewer.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                asked.append(re.escape(node.value))
            if isinstance(node, ast.JoinedStr):
                asked.append(
                    "".join(re.escape(part.value) if isinstance(part, ast.Constant) else ".+" for part in node.values)
                )
    used = re.compile("|".join({f"(?:{pattern})" for pattern in asked if not pattern.startswith(".+")}))
    assert [key for key in EN.words if not used.fullmatch(key)] == []

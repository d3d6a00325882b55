"""Codes to languages. Expected values: ISO 639, ISO 15924, CLDR, Joshi et al. 2020's list."""

import csv
import lzma
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babelbits.errors import UnknownNameError
from babelbits.languages import list_codes, resolve
from babelbits.languages.tables import FAMILIES, HIGH, MID

USUAL_FORMS = {
    "nb": "no nor nb nob nob_Latn nb-NO NB_no no-NO",
    "nn": "nn nno nno_Latn",
    "ja": "ja jpn jpn_Jpan ja-JP jp",
    "zh": "zh zh-CN zh_CN zho zho_Hans zh-Hans cmn chi",
    "zh-Hant": "zh-TW zho_Hant zh-Hant zh-HK zho-TW",
    "yue": "yue yue_Hant",
    "ar": "ar arb arb_Arab ara ar-EG",
    "sw": "sw swh swa swh_Latn",
    "ko": "ko kor kor_Hang ko-KR",
    "et": "et est ekk est_Latn",
    "ms": "ms msa zsm zsm_Latn",
    "fa": "fa fas pes pes_Arab per",
    "prs": "prs prs_Arab",
    "lv": "lv lav lvs_Latn",
    "sr": "sr srp srp_Cyrl srp-Cyrl",
    "sr-Latn": "sr-Latn srp-Latn srp_Latn sh",
    "fil": "fil tl tgl_Latn",
    "he": "he iw heb_Hebr",
    "sq": "sq als_Latn sqi",
    "ps": "ps pus pbt_Arab",
    "tw": "tw twi_Latn",
    "ak": "ak aka_Latn",
    "pt": "pt por pt-BR por-BR",
    "de": "de deu ger deu_Latn de-AT",
}


@pytest.mark.parametrize(
    ("form", "code"),
    [(form, code) for code, forms in USUAL_FORMS.items() for form in forms.split()],
)
def test_usual_forms_meet_in_one_code(form: str, code: str) -> None:
    assert resolve(form).code == code


@pytest.mark.parametrize(
    ("code", "script", "direction", "family", "tier"),
    [
        ("en", "Latn", "ltr", "Indo-European", "high"),
        ("nb", "Latn", "ltr", "Indo-European", "low"),
        ("ru", "Cyrl", "ltr", "Indo-European", "high"),
        ("ar", "Arab", "rtl", "Afro-Asiatic", "high"),
        ("he", "Hebr", "rtl", "Afro-Asiatic", "mid"),
        ("ur", "Arab", "rtl", "Indo-European", "mid"),
        ("dv", "Thaa", "rtl", "Indo-European", "low"),
        ("nqo", "Nkoo", "rtl", "Mande", "low"),
        ("azb", "Arab", "rtl", "Turkic", "low"),
        ("ja", "Jpan", "ltr", "Japonic", "high"),
        ("ko", "Kore", "ltr", "Koreanic", "high"),
        ("zh", "Hans", "ltr", "Sino-Tibetan", "high"),
        ("hi", "Deva", "ltr", "Indo-European", "high"),
        ("ml", "Mlym", "ltr", "Dravidian", "low"),
        ("ta", "Taml", "ltr", "Dravidian", "mid"),
        ("sw", "Latn", "ltr", "Atlantic-Congo", "low"),
        ("vi", "Latn", "ltr", "Austroasiatic", "high"),
        ("th", "Thai", "ltr", "Tai-Kadai", "mid"),
        ("eu", "Latn", "ltr", "Isolate", "high"),
        ("fi", "Latn", "ltr", "Uralic", "high"),
    ],
)
def test_facts(code: str, script: str, direction: str, family: str, tier: str) -> None:
    language = resolve(code)
    assert (language.script, language.direction) == (script, direction)
    assert (language.family, language.tier) == (family, tier)
    assert language.indo_european == (family == "Indo-European")


def test_names_are_cldrs() -> None:
    assert resolve("nb").name == "Norwegian Bokmål"
    assert resolve("nb").native_name == "norsk bokmål"
    assert resolve("zh-Hant").name == "Chinese (Traditional)"
    assert resolve("ja").native_name == "日本語"


def test_sizes_of_joshi_et_al_2020_classes_4_and_5_and_3() -> None:
    """Their table 1: 7 languages in class 5, 18 in class 4, 28 in class 3."""
    assert len(set(HIGH.split())) == 7 + 18
    assert len(set(MID.split())) == 28
    assert not set(HIGH.split()) & set(MID.split())


def test_a_language_has_one_family_and_every_table_code_is_canonical() -> None:
    codes = [code for codes in FAMILIES.values() for code in codes.split()]
    assert len(codes) == len(set(codes))
    assert set(list_codes()) == {resolve(code).code for code in codes}


@pytest.mark.parametrize(
    ("wrong", "suggested"),
    [
        ("Norwegian", "'nb'"),
        ("swedish", "'sv'"),
        ("Swahilli", "'sw'"),
        ("chinese", "'zh'"),
        ("jpnn", None),
        ("xx", None),
        ("", None),
        ("und", None),
        ("mul", None),
        ("en-Zzzz", None),
        ("\x1b[31m", None),
    ],
)
def test_unknown_languages_and_what_was_meant(wrong: str, suggested: str | None) -> None:
    with pytest.raises(UnknownNameError) as caught:
        resolve(wrong)
    assert "\x1b" not in str(caught.value)
    if suggested is not None:
        assert suggested in str(caught.value.hint)


@given(st.text(max_size=12))
def test_any_text_is_a_language_or_an_error_with_advice(text: str) -> None:
    try:
        language = resolve(text)
    except UnknownNameError as error:
        assert error.hint
    else:
        assert resolve(language.code) == language


@given(st.sampled_from([form for forms in USUAL_FORMS.values() for form in forms.split()]))
def test_resolving_is_idempotent_and_ignores_case(form: str) -> None:
    language = resolve(form)
    assert resolve(language.code) == language
    assert resolve(form.upper()) == resolve(form.lower()) == language


@pytest.mark.shared_data
def test_the_205_flores_languages_stay_apart_and_have_families(shared_data: Path) -> None:
    with lzma.open(
        shared_data / "sib200_flores" / "sib200_wide.tsv.xz", "rt", encoding="utf-8"
    ) as file:
        forms = next(csv.reader(file, delimiter="\t"))[3:]
    languages = [resolve(form) for form in forms]
    assert len(forms) == 205
    assert len({language.code for language in languages}) == 205
    assert [language.code for language in languages if language.family is None] == []
    scripts = {form: form.partition("_")[2] for form in forms}
    usual = {"Hang": "Kore"}
    for form, language in zip(forms, languages, strict=True):
        assert language.script == usual.get(scripts[form], scripts[form])


@pytest.mark.shared_data
def test_every_ntrex_128_file_name_is_a_language_with_a_family(shared_data: Path) -> None:
    lines = (shared_data / "ntrex128" / "LANGUAGES.tsv").read_text("utf-8").splitlines()
    codes = [line.split()[0] for line in lines]
    assert [code for code in codes if resolve(code).family is None] == []

"""Languages that a model card names, in the forms of hub cards, and what a study makes of it."""

from pathlib import Path

import pytest

from babelbits.study.config.model_card import read_card_languages
from babelbits.study.config.resolving import list_claimed


def card(folder: Path, text: str) -> Path:
    (folder / "README.md").write_text(text, "utf-8")
    return folder


@pytest.mark.parametrize(
    ("front", "expected"),
    [
        ("language:\n- en\n- no\n- pt-BR\nlicense: mit", ("en", "nb", "pt")),
        ("license: mit\nlanguage:\n  - en   # first\n  - 'de'\ntags:\n  - fr", ("en", "de")),
        ("language: [en, \"hi\", zh]", ("en", "hi", "zh")),
        ("languages: en", ("en",)),
        ("language:\n- multilingual\n- code", None),
        ("tags:\n- en", None),
    ],
)  # fmt: skip
def test_front_matter_is_read_as_hub_cards_write_it(
    tmp_path: Path, front: str, expected: tuple[str, ...] | None
) -> None:
    """Forms of the hub's own documentation of model cards (`language: en`, a list, brackets)."""
    folder = card(tmp_path, f"---\n{front}\n---\n# Model\nlanguage:\n- sw\n")
    assert read_card_languages(folder) == expected


def test_without_front_matter_nothing_is_claimed(tmp_path: Path) -> None:
    assert read_card_languages(tmp_path) is None
    assert read_card_languages(card(tmp_path, "# Model\nlanguage: en\n")) is None
    assert read_card_languages(tmp_path / "README.md") is None  # a file, as a GGUF model is


def test_a_model_in_a_folder_claims_what_its_card_names(tmp_path: Path) -> None:
    folder = card(tmp_path, "---\nlanguage:\n- en\n- de\n---\n")
    assert list_claimed(str(folder), folder=folder) == ("en", "de")
    assert list_claimed("someone/model") is None

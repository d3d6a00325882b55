"""Which models `lab volume` trains, on what, and under which ids."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from babelbits.errors import NothingThereError, StudyError
from babelbits.lab import volume_corpora
from babelbits.lab.volume import declare, open_lab, read_plan
from babelbits.lab.volume_plan import VolumeSettings, VolumeShape, identify_arm, list_arms

WORDS = {"en": "house", "de": "Garten", "nb": "fjell", "hi": "पहाड़"}
SETTINGS = VolumeSettings(
    languages=("en", "de", "nb", "hi"), subjects=("nb", "hi"), control="en", tokens=64 * 256,
    held_out=5, shape=VolumeShape(hidden=32, intermediate=64, heads=2, length=64, rows=2),
)  # fmt: skip


def write_texts(folder: Path, *, lines: int = 300) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for language, word in WORDS.items():
        text = "\n".join(f"{word} {n} {word} {n * 7} {word}" for n in range(lines))
        (folder / f"{language}.txt").write_text(text, "utf-8")
    return folder


def spelled(lines: Sequence[str]) -> list[list[int]]:
    return [list(line.encode()) for line in lines]


def test_the_plan_is_27_models_and_the_full_one_is_shared() -> None:
    """3 seeds x (2 languages x 4 levels below full + 1 full)."""
    planned = list_arms(SETTINGS)
    assert len(planned) == 27
    assert sum(arm.subject is None for arm in planned) == 3
    assert (
        len(list_arms(replace(SETTINGS, levels=tuple(map(Fraction, ("0", "1/64", "1/4", "1"))))))
        == 21
    )


def test_all_models_see_as_many_tokens_and_what_one_language_loses_the_others_get() -> None:
    for arm in list_arms(SETTINGS):
        assert sum(arm.rows.values()) == SETTINGS.steps * 2 == 256
        if arm.subject is not None:
            assert arm.rows[arm.subject] == max(round(64 * arm.level), 1 if arm.level else 0)
            others = [rows for name, rows in arm.rows.items() if name != arm.subject]
            assert max(others) - min(others) <= 1


def test_ids_are_of_content_and_survive_other_levels_seeds_and_recipes(tmp_path: Path) -> None:
    texts = write_texts(tmp_path / "texts")

    def ids(settings: VolumeSettings) -> dict[str, str]:
        lab = open_lab(tmp_path / "lab", texts, settings)
        return {arm.name: identify_arm(lab.training(arm)) for arm in list_arms(settings)}

    first = ids(SETTINGS)
    assert len(set(first.values())) == 27
    fewer = ids(replace(SETTINGS, levels=(Fraction(0), Fraction(1)), seeds=1, recipes=("w8",)))
    assert fewer.items() <= first.items()
    longer = ids(replace(SETTINGS, tokens=64 * 258))
    assert set(longer.values()).isdisjoint(first.values())
    (texts / "de.txt").write_text((texts / "de.txt").read_text("utf-8") + "\neine Zeile mehr")
    assert set(ids(SETTINGS).values()).isdisjoint(first.values())


def test_a_model_with_less_of_a_language_has_seen_the_beginning_of_what_the_other_saw() -> None:
    lines = [f"line number {n}" for n in range(50)]
    more = volume_corpora.cut_token_rows(lines, spelled, rows=20, width=33, seed=(1, 2))
    less = volume_corpora.cut_token_rows(lines, spelled, rows=6, width=33, seed=(1, 2))
    other = volume_corpora.cut_token_rows(lines, spelled, rows=6, width=33, seed=(2, 2))
    assert np.array_equal(more[:6], less)
    assert not np.array_equal(less, other)


def test_every_line_comes_once_before_any_comes_again() -> None:
    lines = [chr(ord("a") + n) * 3 for n in range(10)]
    strip = volume_corpora.cut_token_rows(lines, spelled, rows=2, width=40, seed=(1,)).ravel()
    assert strip[0] == 0
    assert sorted(strip[1::4][:10]) == sorted(strip[1::4][10:]) == [ord("a") + n for n in range(10)]


def test_lines_held_out_are_no_training_lines_and_the_same_for_everybody(tmp_path: Path) -> None:
    folder = write_texts(tmp_path)
    (folder / "nb.txt").write_text(
        (folder / "nb.txt").read_text("utf-8") * 2, "utf-8"
    )  # every line twice
    first = volume_corpora.read_corpus(folder, "nb", held_out=20, longest=100)
    again = volume_corpora.read_corpus(folder, "nb", held_out=20, longest=100)
    assert first == again
    assert set(first.train).isdisjoint(first.held_out)
    assert len(first.held_out) == 20


def test_too_little_text_says_how_much_there_is_and_how_much_is_needed(tmp_path: Path) -> None:
    texts = write_texts(tmp_path / "texts")
    (texts / "hi.txt").write_text("\n".join(f"पहाड़ पहाड़ {n}" for n in range(12)), "utf-8")
    with pytest.raises(
        StudyError, match=r"too little text in Hindi: the model 'seed 1, nb 1/64' needs"
    ) as caught:
        open_lab(tmp_path / "lab", texts, SETTINGS)
    assert "tokens and there are" in caught.value.what
    assert "at most 4" in caught.value.what
    open_lab(tmp_path / "lab", texts, replace(SETTINGS, most_repeats=1000))


def test_a_language_without_a_file_or_with_too_few_lines_is_named(tmp_path: Path) -> None:
    texts = write_texts(tmp_path / "texts")
    (texts / "hi.txt").unlink()
    with pytest.raises(StudyError, match="no text in Hindi"):
        open_lab(tmp_path / "lab", texts, SETTINGS)
    write_texts(texts, lines=6)
    with pytest.raises(
        StudyError, match="5 lines of English cannot be held out: there are 6 lines"
    ):
        open_lab(tmp_path / "lab", texts, SETTINGS)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"subjects": ("sw",)}, "sw must be among"),
        ({"control": "nb"}, "control language nb"),
        ({"levels": (Fraction(0),)}, "must hold 1"),
        ({"levels": (Fraction(2), Fraction(1))}, "between 0 and 1"),
        ({"tokens": 5}, "tokens for one batch"),
        ({"subjects": ()}, "name the languages"),
        ({"tokens": 64 * 128}, "1/64 of a full share is less than a row of 64 tokens"),
    ],
)
def test_wrong_choices_are_named(changes: dict[str, object], message: str) -> None:
    with pytest.raises(StudyError, match=message):
        replace(SETTINGS, **changes)  # type: ignore[arg-type]


def test_the_plan_is_written_once_and_another_says_that_it_came_later(tmp_path: Path) -> None:
    lab = open_lab(tmp_path / "lab", write_texts(tmp_path / "texts"), SETTINGS)
    with pytest.raises(NothingThereError, match="never written down"):
        read_plan(lab)
    first = declare(lab)
    assert declare(lab) == first == read_plan(lab)
    assert len(first["models"]) == 27
    assert first["scored_before"] == 0
    other = open_lab(tmp_path / "lab", tmp_path / "texts", replace(SETTINGS, seeds=2))
    assert declare(other)["id"] != first["id"]
    assert read_plan(lab) == first

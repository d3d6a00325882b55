"""Signs of a collapsed answer: texts of known kind, and how often human text is taken for one."""

from dataclasses import replace
from pathlib import Path

import pytest

from babelbits.bundled import find_mini_folder
from babelbits.languages import resolve
from babelbits.records import Answer, Failure, ItemRow, Metric, TaskInfo
from babelbits.tasks.collapse import human_text, signs
from babelbits.tasks.collapse.rule import CollapseRule, find_rule, measure_collapse
from babelbits.tasks.language_id import open_identifier
from babelbits.tasks.reading import read_jsonl

SENTENCE = (
    "The potter presses a lump of wet clay onto the middle of the wheel and opens it with both "
    "thumbs, then the walls rise slowly between her hands."
)
SWAHILI = (
    "Mama mzee huoka mkate kila Jumamosi asubuhi, na nyumba yote inanukia vizuri tunaposhuka "
    "jikoni kunywa chai pamoja na majirani zetu."
)
HINDI = "दादी हर शनिवार सुबह रोटी बनाती हैं और पूरा घर महक उठता है जब हम रसोई में आते हैं।"
JAPANESE = "祖母は毎週土曜日の朝にパンを焼き、台所に降りていくと家中がよい香りに包まれます。"


# --- one text ------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", " \n\t", "...", "—!?", "।", "<>"])
def test_nothing_is_empty(text: str) -> None:
    assert signs.is_empty(text)


@pytest.mark.parametrize("text", ["42", "४२", "あ", "x"])
def test_a_number_and_a_letter_are_something(text: str) -> None:
    assert not signs.is_empty(text)


@pytest.mark.parametrize(
    "text",
    [
        "I think that the answer is the answer is the answer is the answer is the answer is",
        "है कि वह है कि वह है कि वह है कि वह है कि वह है कि वह है कि वह",
        "これはこれはこれはこれはこれはこれはこれはこれはこれはこれはこれはこれは",
        "a" * 60,
        "!" * 60,
        SENTENCE + " " + "no, " * 15,
        # A long piece returns twice, with other words between: half of the n-grams and more.
        f"First. {SENTENCE} Second. {SENTENCE} Third. {SENTENCE}",
        f"一。{JAPANESE}二。{JAPANESE}三。{JAPANESE}",
    ],
)
def test_a_piece_that_is_written_over_and_over_is_a_loop(text: str) -> None:
    assert signs.is_loop(text)


@pytest.mark.parametrize(
    "text",
    [
        SENTENCE,
        JAPANESE,
        "No, no, no, no, no!",
        "Ha ha ha ha, that is a good one.",
        f"{SENTENCE}\n{'-' * 50}\n{SENTENCE[::-1]}",
        "12 * 3 = 36\n36 + 4 = 40\n40 / 2 = 20\nSo the answer is 20.",
        # The chorus comes twice: a third of the whole.
        f"{SENTENCE} {SWAHILI} {HINDI} {SENTENCE}",
        "1000000000000000000",
    ],
)
def test_what_people_write_is_none(text: str) -> None:
    assert not signs.is_loop(text)


def test_the_script_is_told_exactly() -> None:
    assert signs.is_other_script(SENTENCE, "Deva")
    assert not signs.is_other_script(HINDI, "Deva")
    assert not signs.is_other_script(JAPANESE, "Jpan")
    assert not signs.is_other_script(f"{HINDI} {SENTENCE[:40]}", "Deva")
    assert not signs.is_other_script("short", "Deva")


def test_the_language_is_told_where_the_identifier_is_sure() -> None:
    identifier = open_identifier()
    assert signs.find_other_language(SENTENCE, "sw", identifier) == "en"
    assert signs.find_other_language(SWAHILI, "sw", identifier) is None
    assert signs.find_other_language("Nairobi", "en", identifier) is None


def test_a_copied_prompt() -> None:
    assert signs.is_copy(SENTENCE, f"Go on: {SENTENCE}")
    assert signs.is_copy(JAPANESE, JAPANESE)
    assert not signs.is_copy(SENTENCE, f"Go on: {SWAHILI}")
    assert not signs.is_copy("The potter presses a lump", SENTENCE)
    # Restating the question before an answer of one's own is no copy.
    assert not signs.is_copy(f"{SENTENCE[:60]} {SWAHILI}", SENTENCE)


@pytest.mark.parametrize(
    "text", ["\x00\x1b[31m" * 30, "\ud800" * 50, "\u202e" * 100, "{{ 7*7 }}", "a\n" * 20_000]
)
def test_hostile_texts_are_judged_and_nothing_breaks(text: str) -> None:
    assert isinstance(signs.is_loop(text), bool)
    assert isinstance(signs.is_empty(text), bool)
    assert isinstance(signs.is_copy(text, text), bool)
    assert isinstance(signs.is_other_script(text, "Latn"), bool)


# --- a row ---------------------------------------------------------------------------------------


def info(
    *, metrics: tuple[str, ...] = ("exact_match",), language: str = "sw", kind: str = "generation"
) -> TaskInfo:
    return TaskInfo(
        name="t", suite="t", language=language,
        metrics=tuple(Metric(name=name, kind="binary") for name in metrics),
        primary=metrics[0], output_type=kind,  # type: ignore[arg-type]
        parallel=True, scorer_version="1", origin="test",
    )  # fmt: skip


def row(output: str, *, target: str = "18", prompt: str = "Q", reason: str = "stop") -> ItemRow:
    return ItemRow(
        item_id="i", source_id="s", task="t", language="sw", variant="v", target=target,
        output=output, scores={}, choice_logprobs=None, prompt_hash="h", prompt=prompt,
        prompt_tokens=1, output_tokens=1, finish_reason=reason,
    )  # fmt: skip


def rule(task: TaskInfo) -> CollapseRule:
    found = find_rule(task, open_identifier())
    assert found is not None
    return found


def test_choices_and_texts_have_no_rule() -> None:
    assert find_rule(info(kind="choice"), None) is None
    assert find_rule(info(kind="text"), None) is None


def test_the_language_counts_only_where_the_item_says_which_one() -> None:
    """English reasoning about a number is no collapse; an English translation into Swahili is."""
    assert rule(info()).judge(row(SENTENCE)) == ((),)
    assert rule(info(metrics=("chrf",))).judge(row(SENTENCE, target=SWAHILI)) == (("language",),)
    assert rule(info(metrics=("language",))).judge(row(SENTENCE, target="sw")) == (("language",),)
    assert rule(info(metrics=("chrf",))).judge(row(SWAHILI, target=SWAHILI)) == ((),)
    # A gold answer in English says that English is wanted.
    english = "Four eggs are eaten and sixteen are laid, so that the rest is sold at the market."
    assert rule(info()).judge(row(SENTENCE, target=english)) == ((),)


def test_the_script_of_a_translation() -> None:
    found = rule(info(metrics=("chrf",), language="hi")).judge(row(SENTENCE, target=HINDI))
    assert found == (("script", "language"),)


def test_the_limit_is_a_sign_where_there_is_a_gold_answer() -> None:
    assert rule(info()).judge(row("18 and", reason="length")) == (("cut",),)
    for open_ended in (("answered", "ended"), ("language",), ("language_match",)):
        task = info(metrics=open_ended)
        assert rule(task).judge(row("18 na", reason="length", target="sw")) == ((),)
        assert "by design" in rule(task).off["cut"]


def test_an_open_prompt_is_no_answer_to_itself() -> None:
    task = info(metrics=("answered", "ended"))
    assert rule(task).judge(row(SWAHILI, target=SWAHILI, prompt=SWAHILI)) == (("copied",),)


def test_an_answer_that_stands_in_the_prompt_may_be_copied() -> None:
    assert rule(info()).judge(row(SWAHILI, target=SWAHILI, prompt=SWAHILI)) == ((),)
    assert rule(info()).judge(row(SWAHILI, target="18", prompt=SWAHILI)) == (("copied",),)


def test_samples_and_turns_are_judged_each() -> None:
    answers = tuple(
        Answer(text=text, finish_reason="stop", output_tokens=1) for text in ("18", "", "a" * 50)
    )
    found = rule(info()).judge(replace(row(""), answers=answers))
    assert found == ((), ("empty",), ("loop",))
    assert found is not None
    assert measure_collapse(found) == pytest.approx(2 / 3)


def test_what_the_engine_failed_on_has_no_answer_and_what_cannot_be_scored_has() -> None:
    lost = replace(row(""), failure=Failure(kind="nan_logits", message=""))
    assert rule(info()).judge(lost) is None
    unscored = replace(row("..."), failure=Failure(kind="nothing_to_score", message=""))
    assert rule(info()).judge(unscored) == (("empty",),)


def test_without_an_identifier_the_language_is_off_and_said_to_be() -> None:
    task = info(metrics=("language",))
    found = find_rule(task, None)
    assert found is not None
    assert found.off["language"] == "the language identifier is not installed"
    assert found.judge(row(SENTENCE, target="sw")) == ((),)


# --- human text ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "language", sorted(p.stem for p in (find_mini_folder() / "passages").iterdir())
)
def test_at_most_one_percent_of_babelmini_is_taken_for_collapsed(language: str) -> None:
    """Every sign that is on in one of the 13 languages, on its 164 passages."""
    texts = [
        " ".join(one["sentences"])
        for kind in ("passages", "calibration")
        for one in read_jsonl(find_mini_folder() / kind / f"{language}.jsonl")
    ]
    identifier = open_identifier()
    recorded = human_text.read_false_alarms(identifier)[language]
    found = human_text.measure(
        texts, language, resolve(language).script, identifier,
        not_told_apart=recorded.not_told_apart,
    )  # fmt: skip
    assert len(texts) >= human_text.FEWEST
    for sign in (signs.EMPTY, signs.LOOP, signs.SCRIPT, signs.LANGUAGE):
        assert recorded.allows(sign)
        assert found.allows(sign)


def test_the_table_is_of_the_identifier_that_is_used_and_names_what_is_off() -> None:
    table = human_text.read_false_alarms(open_identifier())
    assert len(table) >= 100
    assert all(one.allows(signs.LOOP) and one.allows(signs.EMPTY) for one in table.values())
    assert "da" in table["nb"].not_told_apart
    assert "en" not in table["sw"].not_told_apart
    # Where the identifier is another one nothing is known of it.
    assert all(
        signs.LANGUAGE not in one.wrong for one in human_text.read_false_alarms(None).values()
    )


def test_mistakes_are_taken_off_until_one_percent_is_left() -> None:
    """A scripted identifier: 50 of 1000 texts are taken for da, 8 for sv; 1 % are 10."""

    class Scripted:
        name = recipe = "scripted"

        def knows(self, code: str) -> bool:
            return code == "nb"

        def guess(self, text: str) -> object:
            from babelbits.tasks.language_id import Guess

            code = "da" if "dansk" in text else "sv" if "svensk" in text else "nb"
            return Guess(code=code, label=code, score=0.9)

    words = ["dansk"] * 50 + ["svensk"] * 8 + ["norsk"] * 942
    texts = [f"{word} tekst nummer og mange andre bokstaver" for word in words]
    found = human_text.measure(texts, "nb", "Latn", Scripted())  # type: ignore[arg-type]
    assert found.not_told_apart == ("da",)
    assert found.wrong[signs.LANGUAGE] == 8
    assert found.allows(signs.LANGUAGE)


@pytest.mark.shared_data
@pytest.mark.slow
@pytest.mark.parametrize("language", ["nb", "sw", "th", "zh"])
def test_the_table_holds_what_is_measured(
    language: str, shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shared_data / "ntrex128"
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "bench"))
    import collapse as bench  # type: ignore[import-not-found]

    texts = [*bench.ntrex(folder, language), *bench.babelmini(language)]
    found = human_text.measure(texts, language, resolve(language).script, open_identifier())
    assert found == human_text.read_false_alarms(open_identifier())[language]

"""Preferences from other tools, in the shapes that those export.

Label Studio: labelstud.io/guide/task_format and /tags/pairwise; Argilla: records of versions 2 and
1 (docs.argilla.io). Which side was the variant is worked out by hand.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from babelbits.errors import TaskError, UnknownNameError
from babelbits.judge.foreign import Imported, read_foreign
from babelbits.judge.pairs import AnswerPair


def pair(number: int, *, variant: str = "w4-g@en", text: str = "blått") -> AnswerPair:
    return AnswerPair(
        source_id=f"q{number}",
        item_id=f"q{number}",
        task="open-prompts",
        language="nb",
        variant=variant,
        prompt=f"Spørsmål {number}?",
        baseline_answer=f"Svar {number}: rødt",
        variant_answer=f"Svar {number}: {text}",
    )


PAIRS = (pair(1), pair(2), pair(3))


def imported(path: Path, content: Any, **options: Any) -> Imported:
    path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return read_foreign(path, pairs=options.pop("pairs", PAIRS), **options)


def verdicts(found: Imported) -> list[tuple[str, str, str, float | None]]:
    return [(vote.source_id, vote.judge, vote.verdict, vote.value) for vote in found.votes]


def task(number: int, *annotations: dict[str, Any], swapped: bool = False) -> dict[str, Any]:
    """A task of Label Studio; the variant is on the right unless swapped."""
    texts = [PAIRS[number - 1].baseline_answer, PAIRS[number - 1].variant_answer]
    left, right = texts[::-1] if swapped else texts
    data = {"prompt": PAIRS[number - 1].prompt, "text1": left, "text2": right}
    return {"id": number, "data": data, "annotations": list(annotations), "predictions": []}


def annotation(by: Any, selected: str, *, cancelled: bool = False) -> dict[str, Any]:
    result = {"from_name": "pw", "to_name": "text1,text2", "type": "pairwise"}
    return {
        "id": 7,
        "completed_by": by,
        "lead_time": 12.5,
        "was_cancelled": cancelled,
        "result": [] if cancelled else [result | {"value": {"selected": selected}}],
    }


def test_label_studio_sides_are_known_from_the_texts(tmp_path: Path) -> None:
    tie = {"type": "choices", "value": {"choices": ["Both bad", "wrong language"]}}
    found = imported(
        tmp_path / "export.json",
        [
            task(1, annotation(4, "right"), annotation({"id": 5, "email": "k@x.no"}, "left")),
            task(2, annotation(4, "right"), swapped=True),
            task(3, annotation(4, "", cancelled=True), annotation(5, "x") | {"result": [tie]}),
        ],
    )
    assert verdicts(found) == [
        ("q1", "4", "variant", 1.0),
        ("q1", "k@x.no", "baseline", -1.0),
        ("q2", "4", "baseline", -1.0),
        ("q3", "5", "tie", 0.0),
    ]
    assert (found.format, found.skipped, found.replaced) == ("label-studio", 1, 0)
    assert found.votes[3].both_unusable
    assert found.votes[3].reasons == ("wrong language",)
    assert found.votes[0].seconds == 12.5


def test_argilla_2_takes_submitted_responses(tmp_path: Path) -> None:
    fields = {
        "prompt": PAIRS[0].prompt,
        "response1": PAIRS[0].variant_answer,
        "response2": PAIRS[0].baseline_answer,
    }
    responses = {
        "preference": [
            {"value": "response1", "user_id": "u1"},
            {"value": "tie", "user_id": "u2", "status": "submitted"},
            {"value": "response2", "user_id": "u3", "status": "draft"},
        ]
    }
    rows = [{"id": "r1", "fields": fields, "metadata": {}, "responses": responses}]
    found = imported(tmp_path / "records.json", rows)
    assert verdicts(found) == [("q1", "u1", "variant", 1.0), ("q1", "u2", "tie", 0.0)]
    assert (found.format, found.skipped) == ("argilla", 1)


def test_argilla_1_and_a_pair_named_in_the_metadata(tmp_path: Path) -> None:
    response = {"values": {"winner": {"value": "A"}}, "user_id": "u1", "status": "submitted"}
    row = {
        "fields": {"text": "shown elsewhere"},
        "metadata": {"pair_id": PAIRS[1].pair_id, "variant_side": "right"},
        "responses": [response, response | {"status": "discarded", "user_id": "u2"}],
    }
    found = imported(tmp_path / "records.jsonl", json.dumps(row))
    assert verdicts(found) == [("q2", "u1", "baseline", -1.0)]
    assert found.skipped == 1


def test_a_table_and_the_raters_own_words(tmp_path: Path) -> None:
    rows = [
        "prompt,left,right,rater,preference,strength,reasons,seconds",
        "Spørsmål 1?,Svar 1: rødt,Svar 1: blått,kari,høyre,2,fluency|factual,8.5",
        "Spørsmål 2?,Svar 2: blått,Svar 2: rødt,kari,høyre,1,,",
        ",Svar 3: rødt,Svar 3: blått,ola,likt,,,",
    ]
    means = {"høyre": "right", "likt": "tie"}
    found = imported(tmp_path / "votes.csv", "\n".join(rows), means=means)
    assert verdicts(found) == [
        ("q1", "kari", "variant", 1.0),
        ("q2", "kari", "baseline", -1.0),
        ("q3", "ola", "tie", 0.0),
    ]
    assert [vote.strength for vote in found.votes] == [2, -1, None]
    assert found.votes[0].reasons == ("fluency", "factual")


def test_the_last_judgment_counts_and_two_variants_that_said_the_same_both_get_it(
    tmp_path: Path,
) -> None:
    twin = pair(1, variant="nf4")
    rows = ["pair_id,rater,preference"]
    rows += [f"{twin.pair_id},kari,{answer}" for answer in ("variant", "baseline")]
    found = imported(tmp_path / "votes.csv", "\n".join(rows), pairs=(*PAIRS, twin))
    assert [(vote.variant, vote.verdict) for vote in found.votes] == [
        ("w4-g@en", "baseline"),
        ("nf4", "baseline"),
    ]
    assert found.replaced == 2


# --- bad input -------------------------------------------------------------------------------


def test_a_judgment_on_no_known_pair_is_an_error_that_counts(tmp_path: Path) -> None:
    rows = ["pair_id,rater,preference", f"{PAIRS[0].pair_id},kari,tie", "beef,kari,tie"]
    with pytest.raises(TaskError, match=r"1 of 2 judgments is about no known pair: .*line 3"):
        imported(tmp_path / "votes.csv", "\n".join(rows))


def test_an_unknown_rater_is_an_error_with_a_suggestion(tmp_path: Path) -> None:
    rows = ["pair_id,rater,preference", f"{PAIRS[0].pair_id},karri,tie"]
    with pytest.raises(UnknownNameError, match="unknown rater 'karri'") as caught:
        imported(tmp_path / "votes.csv", "\n".join(rows), raters=("kari", "ola"))
    assert "kari" in str(caught.value.hint)


def test_left_without_knowing_the_variants_side_is_an_error(tmp_path: Path) -> None:
    rows = ["pair_id,rater,preference", f"{PAIRS[0].pair_id},kari,left"]
    with pytest.raises(TaskError, match="not known which side"):
        imported(tmp_path / "votes.csv", "\n".join(rows))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.csv", "rater,preference\nkari,tie\n", "the table lacks pair_id, or left and right"),
        ("x.csv", "pair_id,preference\nbeef,tie\n", "the table lacks rater"),
        ("x.csv", "pair_id,rater,preference\nbeef,kari,dunno\n", "nobody says what"),
        ("x.csv", "pair_id,rater,preference,strength\nbeef,kari,tie,9\n", "'strength' must be"),
        ("x.csv", "pair_id,rater,preference,seconds\nbeef,kari,tie,soon\n", "'seconds' must be"),
        ("x.json", "[{", "not JSON"),
        ("x.json", '[{"a": 1}]', "neither Label Studio's export"),
    ],
)
def test_a_damaged_export_is_named(tmp_path: Path, name: str, content: str, said: str) -> None:
    with pytest.raises(TaskError, match=said):
        imported(tmp_path / name, content)

"""Preferences from other tools, in the shapes that those export.

Label Studio: labelstud.io/guide/task_format and /tags/pairwise; Argilla: records of versions 2 and
1 (docs.argilla.io). Which side was the variant is worked out by hand.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from babelbits.errors import TaskError, UnknownNameError
from babelbits.preferences.answer_pairs import AnswerPair
from babelbits.preferences.imports import Imported, read_foreign
from babelbits.preferences.preference_summary import summarise_preferences
from babelbits.preferences.summary import SummarySettings, summarise
from babelbits.preferences.to_votes import make_identical_ties
from babelbits.preferences.vote_store import RecordedVotes
from babelbits.preferences.votes import Vote


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


def test_a_judgment_on_no_known_pair_is_left_out_by_name(tmp_path: Path) -> None:
    rows = ["pair_id,rater,preference", f"{PAIRS[0].pair_id},kari,tie", "beef,kari,tie"]
    found = imported(tmp_path / "votes.csv", "\n".join(rows))
    assert verdicts(found) == [("q1", "kari", "tie", 0.0)]
    assert [(one.where.rpartition(": ")[2], one.what) for one in found.left_out] == [
        ("line 3", "it is about no known pair")
    ]


def test_a_file_that_is_mostly_about_other_pairs_is_an_error(tmp_path: Path) -> None:
    rows = ["pair_id,rater,preference", f"{PAIRS[0].pair_id},kari,tie", "a,kari,tie", "b,ola,tie"]
    with pytest.raises(TaskError, match=r"2 of 3 judgments cannot be used: .*line 3"):
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
        ("x.csv", "pair_id,rater\nbeef,kari\n", "the table lacks preference"),
        ("x.csv", "pair_id,rater,preference\nbeef,kari,dunno\n", "the meaning of the answer"),
        ("x.csv", "pair_id,rater,preference,strength\nbeef,kari,tie,9\n", "'strength' must be"),
        ("x.csv", "pair_id,rater,preference,seconds\nbeef,kari,tie,soon\n", "'seconds' must be"),
        ("x.json", "[{", "not JSON"),
        ("x.json", '[{"a": 1}]', "neither Label Studio's export"),
    ],
)
def test_a_damaged_export_is_named(tmp_path: Path, name: str, content: str, said: str) -> None:
    with pytest.raises(TaskError, match=said):
        imported(tmp_path / name, content)


# --- raters, times, odd rows -----------------------------------------------------------------


def test_votes_of_unknown_raters_all_count_and_are_no_one_raters(tmp_path: Path) -> None:
    """Three people on three pairs, none of them named: nine votes."""
    found = imported(
        tmp_path / "export.json",
        [
            task(n, *(annotation(None, side) for side in ("right", "right", "left")))
            for n in (1, 2, 3)
        ],
    )
    assert len(found.votes) == found.anonymous == 9
    assert found.replaced == 0
    assert sum(vote.value or 0 for vote in found.votes) == 3
    book = RecordedVotes(name="x", kind="human", simulated=False, votes=found.votes, identity={})
    (panel,) = summarise_preferences([book], SummarySettings(resamples=200)).voices[0].panels
    assert (panel.n_raters, panel.n_unknown, panel.n_pairs) == (0, 9, 3)
    assert panel.alpha is None


def test_a_field_of_the_users_own_names_the_rater(tmp_path: Path) -> None:
    row = task(1, annotation(None, "left"), annotation(None, "right"))
    row["annotations"][0]["worker"] = "kari"
    row["annotations"][1]["worker"] = "ola"
    found = imported(tmp_path / "export.json", [row], rater_column="worker")
    assert [vote.judge for vote in found.votes] == ["kari", "ola"]
    table = f"pair_id,who,preference\n{PAIRS[0].pair_id},kari,tie\n"
    assert imported(tmp_path / "t.csv", table, rater_column="who").votes[0].judge == "kari"


@pytest.mark.parametrize("newest_first", [True, False])
def test_the_later_of_two_judgments_counts_wherever_it_stands(
    tmp_path: Path, newest_first: bool
) -> None:
    old = annotation(4, "left") | {"updated_at": "2026-03-01T10:00:00.000Z"}
    new = annotation(4, "right") | {"updated_at": "2026-03-01T11:30:00+01:00"}
    both = [new, old] if newest_first else [old, new]
    found = imported(tmp_path / "export.json", [task(1, *both)])
    assert verdicts(found) == [("q1", "4", "variant", 1.0)]
    assert found.replaced == 1


def test_empty_answers_are_skipped_and_odd_rows_are_named(tmp_path: Path) -> None:
    odd = annotation(6, "perhaps")
    found = imported(
        tmp_path / "export.json",
        [
            task(1, annotation(4, "right"), annotation(5, "") | {"result": []}),
            task(2, annotation(4, "right"), odd, {"id": 9, "completed_by": 7, "result": "none"}),
            task(3, annotation(4, "right"), annotation(5, "left")),
        ],
    )
    assert len(found.votes) == 4
    assert found.skipped == 1
    assert [one.what[:31] for one in found.left_out] == [
        "the meaning of the answer 'perh",
        "its parts are not where they be",
    ]


def test_identical_pairs_are_ties_whether_they_were_shown_or_not(tmp_path: Path) -> None:
    """Four pairs, two of them identical; one unlike and one identical pair were judged."""
    same = [pair(n, text="rødt") for n in (4, 5)]
    rows = ["pair_id,rater,preference", f"{PAIRS[0].pair_id},kari,variant"]
    rows += [f"{same[0].pair_id},kari,variant"]
    pairs = (*PAIRS[:2], *same)
    found = imported(tmp_path / "votes.csv", "\n".join(rows), pairs=pairs)
    # Half of the unlike pairs were judged, so one of two identical ones counts: the one shown.
    assert verdicts(found) == [("q1", "kari", "variant", 1.0), ("q4", "kari", "tie", 0.0)]
    both = [*rows, f"{PAIRS[1].pair_id},kari,baseline"]
    found = imported(tmp_path / "votes.csv", "\n".join(both), pairs=pairs)
    assert [vote.value for vote in found.votes] == [1.0, 0.0, -1.0, 0.0]
    assert found.votes[-1].reasons == ("identical",)


def test_imported_votes_say_what_the_same_votes_of_the_app_say(tmp_path: Path) -> None:
    """Eight unlike pairs, two of them lost, and two identical ones: -2 of 10 either way."""
    pairs = (*(pair(n) for n in range(1, 9)), *(pair(n, text="rødt") for n in (9, 10)))
    opinions = [-1.0, -1.0, *[0.0] * 6]
    words = {-1.0: "baseline", 0.0: "tie"}
    rows = ["pair_id,rater,preference"]
    rows += [f"{one.pair_id},kari,{words[v]}" for one, v in zip(pairs, opinions, strict=False)]
    found = imported(tmp_path / "votes.csv", "\n".join(rows), pairs=pairs)
    said = [
        Vote(
            pair_id=one.pair_id,
            source_id=one.source_id,
            language=one.language,
            variant=one.variant,
            judge="kari",
            kind="human",
            verdict="tie" if value == 0 else "baseline",
            value=value,
        )
        for one, value in zip(pairs, opinions, strict=False)
    ]
    ours = [*said, *make_identical_ties(said, pairs)]
    for votes in (found.votes, ours):
        [row] = summarise(votes, SummarySettings(resamples=99))
        assert row.preference is not None
        assert row.preference.net == pytest.approx(-0.20)
        assert (row.n_pairs, row.n_identical) == (10, 2)

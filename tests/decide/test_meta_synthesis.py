"""What several studies say together, on simulated studies whose truth is known."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from statsmodels.stats.power import TTestIndPower

from babelbits.decide.evidence import EvidenceRow, Source, gather, read_table, with_facts
from babelbits.decide.gains_over_studies import find_gains
from babelbits.decide.meta_analysis import MetaSettings, UnitEvidence, synthesise
from babelbits.decide.meta_sentences import describe_left_out, describe_meta
from babelbits.errors import StudyError, UnknownNameError

LATIN = ("en", "de", "fr", "es", "it", "pt", "nl", "sv")
OTHER = ("ru", "ar", "ja", "zh", "hi", "ko", "fa", "uk")
ERROR = 0.004


def studies(
    rng: np.random.Generator,
    *,
    models: Sequence[float] = (0.5e9, 1e9, 3e9, 7e9, 14e9, 30e9),
    per_bit: float = 0.0,
    not_latin: float = 0.0,
    mean: float = -0.02,
    tau: float = 0.004,
) -> list[EvidenceRow]:
    """Rows of models of these sizes, two variants and two tasks each, with a true model."""
    rows = []
    for number, size in enumerate(models):
        luck = rng.normal(0, tau)
        for bits in (4.5, 8.5):
            for code in (*LATIN, *OTHER):
                truth = mean + luck + per_bit * (bits - 6.5) + not_latin * (code in OTHER)
                rows += [
                    EvidenceRow(
                        model=f"m{number}",
                        variant=f"w{bits:.0f}",
                        task=kind,
                        language=code,
                        unit="fraction",
                        delta=truth + rng.normal(0, ERROR),
                        standard_error=ERROR,
                        source=f"m{number}.run",
                        kind=kind,
                        bits=bits,
                        method="gptq",
                        size=size,
                    )
                    for kind in ("choice", "generation")
                ]
    return rows


def one(rows: Sequence[EvidenceRow], **wishes: object) -> UnitEvidence:
    [found] = synthesise(rows, MetaSettings(**wishes))  # type: ignore[arg-type]
    return found


def line(found: UnitEvidence, begin: str) -> str:
    [said] = [text for text in describe_meta(found) if text.startswith(begin)]
    return said


def test_true_differences_are_shown_with_their_sign() -> None:
    """Truth: 1 point less harm a bit, 2 points more where the script is not Latin."""
    rows = studies(np.random.default_rng(1), per_bit=0.01, not_latin=-0.02)
    found = one(rows)
    assert "less harm is shown" in line(found, "bits: +1.0 points per bit")
    assert "more harm is shown" in line(found, "script: not Latin: −2.")
    assert "harm is shown" in line(found, "mean change over 6 models and 16 languages")
    assert line(found, "effects differ beyond sampling error")
    assert "stays on its side of 0 without any one model" in describe_meta(found)[-2]
    answers = {asked.name: asked.answer for asked in found.questions}
    assert answers["kind: generation"] == "small"


def test_where_nothing_differs_nothing_is_said_to() -> None:
    """The false ones: no moderator acts and every effect has the same true value of 0."""
    found = one(studies(np.random.default_rng(2), mean=0.0, tau=0.0))
    said = "\n".join(describe_meta(found))
    assert "harm is shown" not in said
    assert "a gain is shown" not in said
    assert "no difference between effects beyond sampling error is shown" in said
    assert "a difference of 2 points or more is excluded" in line(found, "script: not Latin")
    assert "no moderator is shown, so none hangs on one model" in said


def test_moderators_that_do_nothing_are_shown_in_few_studies() -> None:
    """15 simulated sets without any true difference; more than 3 wrong has a chance of 0.5 %."""
    rng = np.random.default_rng(3)
    wrong = 0
    for _ in range(15):
        found = one(studies(rng, models=(1e9, 2e9, 4e9, 8e9, 16e9)), moderators=("bits", "script"))
        wrong += any(asked.answer == "shown" for asked in found.questions)
    assert wrong <= 3


def test_a_model_level_difference_with_few_models_is_not_relied_on() -> None:
    """Size differs between four models only, and models differ by luck."""
    rows = studies(np.random.default_rng(4), models=(0.5e9, 1e9, 3e9, 7e9), tau=0.02)
    found = one(rows, moderators=("size",))
    said = line(found, "size:")
    assert "not to be relied on. Add models before anything is planned" in said
    assert found.questions[0].needed is None


def test_two_models_cannot_tell_size_from_anything_else() -> None:
    found = one(studies(np.random.default_rng(5), models=(1e9, 7e9)))
    assert "2 models cannot tell it from all else in which models differ" in found.dropped["size"]
    assert any(text.startswith("size is not in the fit") for text in describe_left_out(found))
    assert "no model can be left out: that takes three" in describe_meta(found)


def test_the_next_study_is_as_large_as_statsmodels_says() -> None:
    """Six small and six large models: two groups, the number of a t test with 80 % power."""
    rows = studies(np.random.default_rng(6), models=(1e9, 10e9) * 6, tau=0.02, mean=-0.05)
    found = one(rows, moderators=("size",), differences={"fraction": 0.03})
    [asked] = found.questions
    assert (asked.clusters, asked.n_clusters, asked.answer) == ("models", 12, "open")
    assert asked.coefficient.df == pytest.approx(10, abs=0.5)
    effect = 0.03 / (asked.coefficient.standard_error * (12 / 4) ** 0.5)
    theirs = 2 * TTestIndPower().solve_power(effect_size=effect, alpha=0.05, power=0.8)
    assert asked.needed == pytest.approx(theirs, abs=1.5)
    assert f"80 % power needs about {asked.needed} models like those here; there are 12" in line(
        found, "size:"
    )


def test_a_study_that_could_have_seen_it_says_so() -> None:
    """Truth: nothing. Twelve models could see 8 points, and its interval reaches less far."""
    rows = studies(np.random.default_rng(6), models=(1e9, 10e9) * 6, tau=0.02, mean=-0.05)
    found = one(rows, moderators=("size",), differences={"fraction": 0.08})
    assert "a difference of 8 points or more is excluded" in line(found, "size:")


def test_what_hangs_on_one_model_is_said() -> None:
    """Slopes of six models in points a bit; a t test by hand gives 2.86 of all, above 2.57.

    Without the steepest one it gives 2.40, below 2.78.
    """
    slopes = dict(zip([f"m{k}" for k in range(6)], (-0.1, 0.2, 0.5, 0.7, 1.0, 1.3), strict=True))
    rows = [
        replace(row, delta=-0.02 + slopes[row.model] / 100 * ((row.bits or 0) - 6.5) + 1e-5 * k)
        for k, row in enumerate(studies(np.random.default_rng(7), tau=0.0))
    ]
    said = "\n".join(describe_meta(one(rows, moderators=("bits",))))
    assert "bits: +0.6 points per bit a weight" in said
    assert "less harm is shown" in said
    assert "bits hangs on m5: without it the interval is −0.1 to +1.0" in said
    assert "hangs on m0" not in said


def test_effects_without_errors_are_shown_and_not_fitted() -> None:
    rows = studies(np.random.default_rng(8), models=(1e9, 2e9, 4e9))
    bare = [replace(row, model="paper", standard_error=None) for row in rows[:10]]
    floor = [replace(row, at_floor=True) for row in rows[:4]]
    early = [replace(row, early=True) for row in rows[4:9]]
    found = one([*floor, *early, *rows[9:], *bare], moderators=("bits",))
    assert found.left_out == {
        "the baseline is at its floor": 4,
        "the cell could stop early": 5,
        "no standard error": 10,
    }
    assert "10 effects shown and not fitted: no standard error" in describe_left_out(found)
    [line_of_paper] = [row for row in found.forest if row.model == "paper"]
    assert line_of_paper.low is None
    assert line_of_paper.delta == pytest.approx(np.mean([row.delta for row in bare]))
    assert "paper" not in found.models


def test_a_single_study_is_not_generalised() -> None:
    found = one(studies(np.random.default_rng(9), models=(1e9,)))
    assert found.fit is None
    assert "nothing is fitted: one model: nothing can be said beyond it" in describe_meta(found)[0]
    assert len(found.forest) == 2  # a line a variant, and none for all together


def test_nothing_but_effects_without_errors() -> None:
    rows = [replace(row, standard_error=None) for row in studies(np.random.default_rng(10))]
    assert describe_meta(one(rows))[0] == (
        "nothing is fitted: no effect has a standard error that can be used"
    )


def test_units_are_never_mixed() -> None:
    rows = studies(np.random.default_rng(11))
    bits = [replace(row, unit="bits/byte", task="text", kind="text") for row in rows[:100]]
    units = [found.unit for found in synthesise([*bits, *rows], MetaSettings())]
    assert units == ["fraction", "bits/byte"]


def test_moderators_that_tell_the_same_are_named() -> None:
    rows = [
        replace(row, method="gptq" if (row.bits or 0) < 6 else "w8a8")
        for row in studies(np.random.default_rng(12))
    ]
    found = one(rows, moderators=("bits", "method", "tier", "share"))
    assert found.dropped["method"] == "it cannot be told apart from the moderators before it"
    assert found.dropped["share"] == "known of 0 of 384 effects"


def test_rows_that_only_a_dropped_moderator_lacks_stay() -> None:
    """Two models cannot tell size from all else; a third has none and is fitted all the same."""
    rows = [
        replace(row, size=None) if row.model == "m2" else row
        for row in studies(np.random.default_rng(19), models=(1e9, 7e9, 3e9))
    ]
    found = one(rows, moderators=("bits", "size"))
    assert "2 models cannot tell it" in found.dropped["size"]
    assert found.left_out == {}
    assert found.models == ("m0", "m1", "m2")


def test_a_share_of_the_corpus_is_a_moderator() -> None:
    """Truth: 1 point less harm per tenfold share."""
    shares = dict(zip((*LATIN, *OTHER), np.geomspace(0.4, 0.0004, 16), strict=True))
    rows = [
        replace(row, delta=row.delta + 0.01 * float(np.log10(shares[row.language])))
        for row in studies(np.random.default_rng(13))
    ]
    found = one(rows, moderators=("share",), shares=shares)
    assert found.questions[0].coefficient.estimate == pytest.approx(0.01, abs=0.002)
    assert "less harm is shown" in line(found, "share: +1.")


def test_languages_that_models_do_not_claim_are_told_apart() -> None:
    """Truth: 3 points more harm in languages that no card names; nothing where none says."""
    rows = [
        replace(row, claimed=row.language in LATIN)
        for row in studies(np.random.default_rng(18), not_latin=-0.03)
    ]
    said = line(one(rows, moderators=("claimed",)), "claimed: unseen: −3.")
    assert "against claimed" in said
    assert "more harm is shown" in said
    silent = one(studies(np.random.default_rng(18)), moderators=("bits", "claimed"))
    assert silent.dropped["claimed"] == "known of 0 of 384 effects"


# --- gains -----------------------------------------------------------------------------------


def _gains(rng: np.random.Generator, truth: float, n: int, aa: float = 0.0) -> list[EvidenceRow]:
    base = studies(rng, models=(1e9,))[0]
    return [
        replace(
            base,
            variant=f"v{k}",
            aa_delta=aa,
            halves=tuple((truth + rng.normal(0, 0.01), 0.01) for _ in range(2)),
        )
        for k in range(n)
    ]


def test_luck_alone_is_seldom_seen_again() -> None:
    """The false one: 400 comparisons without any effect, 20 found by luck."""
    gains = find_gains(_gains(np.random.default_rng(14), 0.0, 400), alpha=0.05)
    assert gains.expected_by_luck == 20
    assert 8 <= len(gains.found) <= 34
    assert len(gains.replicated) <= 1


def _nulls(rng: np.random.Generator, k: int, *, few: bool) -> list[EvidenceRow]:
    """Comparisons of nothing: 20 passages that all move, or 120 items of which 4 % change."""
    rows = []
    for number in range(k):
        if few:
            values = rng.choice([-1.0, 1.0], size=120) * (rng.random(120) < 0.04)
        else:
            values = rng.normal(size=20)
        halves = [values[start::2] for start in (0, 1)]
        rows.append(
            EvidenceRow(
                model="m", variant=f"v{number}", task="t", language="en", unit="fraction",
                delta=0.0, standard_error=0.02, source="a.run",
                halves=tuple((float(h.mean()), float(h.std(ddof=1) / h.size**0.5)) for h in halves),
                half_changes=tuple(int(np.count_nonzero(h)) for h in halves),
            )
        )  # fmt: skip
    return rows


@pytest.mark.parametrize("few", [True, False])
@pytest.mark.parametrize("k", [3, 12, 60])
def test_the_best_of_many_null_comparisons_is_seldom_called_a_gain(k: int, *, few: bool) -> None:
    """At most 5 % and three errors, also where halves are of ten passages.

    With the normal law in place of Student's t, 60 comparisons of 20 passages call one in 11 %.
    """
    rng = np.random.default_rng(16 + k)
    called = [bool(find_gains(_nulls(rng, k, few=few), alpha=0.05).replicated)
              for _ in range(300)]  # fmt: skip
    assert np.mean(called) <= 0.05 + 3 * (0.05 * 0.95 / 300) ** 0.5


def test_one_true_gain_among_many_nulls_is_named_alone() -> None:
    rng = np.random.default_rng(17)
    true = replace(_gains(rng, 0.1, 1)[0], variant="helps")
    found = find_gains([true, *_nulls(rng, 40, few=True)], alpha=0.05)
    assert [one.row.variant for one in found.replicated] == ["helps"]


def test_a_true_gain_is_seen_again_and_must_exceed_the_noise_floor() -> None:
    rows = _gains(np.random.default_rng(15), 0.06, 10)
    assert len(find_gains(rows, alpha=0.05).replicated) == 10
    noisy = _gains(np.random.default_rng(15), 0.06, 10, aa=-0.2)
    assert find_gains(noisy, alpha=0.05).found == ()
    rest = studies(np.random.default_rng(16), models=(1e9, 2e9))
    said = describe_meta(one([*rows, *rest]))[-1]
    assert "of 10 comparisons 10 gain on one half of the items (luck alone finds about 0.5)" in said
    assert "seen again on the other half: m0 v" in said
    assert "and 7 others" in said


# --- bad input -------------------------------------------------------------------------------


def _source(name: str, *, model: str, identity: str = "", how: str = "acc") -> Source:
    row = replace(studies(np.random.default_rng(17), models=(1e9,))[0], model=model)
    return Source(name=name, rows=(row,), models={model: identity}, measured_as={"choice": how})


def test_the_same_model_twice_is_refused_by_name_and_by_weights() -> None:
    with pytest.raises(StudyError, match=r"the same model twice, 'llama': a\.run and b\.run"):
        gather([_source("a.run", model="llama"), _source("b.run", model="llama")])
    with pytest.raises(StudyError, match="the same model twice, 'llama' and 'tuned'"):
        gather(
            [
                _source("a.run", model="llama", identity="h"),
                _source("b.run", model="tuned", identity="h"),
            ]
        )


def test_a_task_that_was_scored_in_two_ways_is_refused() -> None:
    with pytest.raises(StudyError, match=r"'choice' was scored in two ways: acc \(a\); acc_norm"):
        gather([_source("a", model="x"), _source("b", model="y", how="acc_norm")])


def test_other_declared_settings_are_told() -> None:
    sources = [
        replace(_source("a", model="x"), settings="alpha 0.05"),
        replace(_source("b", model="y"), settings="alpha 0.01"),
    ]
    [note] = gather(sources)[1]
    assert "different settings, which this analysis does not use" in note
    assert gather([sources[0], replace(sources[1], settings="alpha 0.05")])[1] == ()


HEAD = "model,variant,task,language,baseline,score,unit,standard_error\n"


def test_a_table_of_published_numbers(tmp_path: Path) -> None:
    path = tmp_path / "published.csv"
    path.write_text(
        HEAD + "Qwen2-7B,GPTQ-Int4,ceval,zho,77.2,75.1,points,\n"
        "Qwen2-7B,GPTQ-Int4,mmlu,en,70.5,69.1,points,0.4\n"
    )
    source = read_table(path)
    assert [row.language for row in source.rows] == ["zh", "en"]
    assert [row.delta for row in source.rows] == pytest.approx([-0.021, -0.014])
    assert [row.standard_error for row in source.rows] == [None, pytest.approx(0.004)]
    facts = tmp_path / "facts.csv"
    facts.write_text("model,variant,bits,size\nQwen2-7B,,,7.6e9\nQwen2-7B,GPTQ-Int4,4.2,\n")
    assert {(row.bits, row.size) for row in with_facts(source, facts).rows} == {(4.2, 7.6e9)}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("model,variant,task\n", "no column 'language'"),
        ("model,variant,task,langauge\n", "unknown column 'langauge'"),
        (HEAD, "the table has no rows"),
        (HEAD + "m,v,t,en,1,,,\n", "no effect"),
        (HEAD + "m,v,t,en,1,nan,,\n", "score is 'nan', which is no number"),
        (HEAD + "m,v,t,en,1,1,,0\n", "a standard error of 0"),
        (HEAD + ",v,t,en,1,1,,\n", "no model"),
    ],
)
def test_a_table_that_cannot_be_read_says_where(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(StudyError, match=said) as error:
        read_table(path)
    assert str(path) in str(error.value.where)


def test_an_unknown_language_is_named(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(HEAD + "m,v,t,klingonese,1,1,,\n")
    with pytest.raises(UnknownNameError):
        read_table(path)

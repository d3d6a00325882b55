"""What is said of the error inside and the damage outside, where the truth is planted."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from babelbits.probes import probe_files
from babelbits.probes.damage import describe_difference, describe_prediction, predict
from babelbits.probes.probe_files import Probe, ProbeRecord
from babelbits.probes.probe_results import make_results
from babelbits.records import CellMeta, digest
from babelbits.store import Store
from store_examples import meta, row

LANGUAGES = ("en", "hi")
N_ITEMS = 120


def cell(suite: str, language: str, variant: str, *, replicate: int = 0) -> CellMeta:
    plain = meta(n_items=N_ITEMS, chunk=N_ITEMS, variant=variant)
    identity = {"recipe": variant, "suite": suite, "language": language, "replicate": replicate}
    kind = "generation" if suite == "math" else "choice"
    task = replace(plain.task, suite=suite, language=language, output_type=kind)
    return replace(
        plain, cell_id=digest(identity), identity=identity, task=task, replicate=replicate
    )


def write_cell(store: Store, one: CellMeta, right: Sequence[bool]) -> None:
    rows = [
        replace(
            row(0),
            item_id=f"{one.task.language}{n}",
            source_id=f"s{n}",
            scores={"acc": float(good)},
            failure=None,
        )
        for n, good in enumerate(right)
    ]
    with store.writer(one, weights_hash="w") as writer:
        writer.append(0, rows, seconds=0.1)
        writer.finish(machine="m", library_versions={})


def write_probe(store: Store, cells: tuple[CellMeta, CellMeta], distance: Sequence[float]) -> None:
    """Two tokens an item: the last of the prompt, and one of the answer that says nothing."""
    first = cells[0]
    again = first.variant == "baseline"
    folder = probe_files.find_folder(store) / first.cell_id
    items = [f"{first.task.language}{n}" for n in range(N_ITEMS)]
    columns: dict[str, object] = {
        "item_id": [*items, *items],
        "layer": np.full(2 * N_ITEMS, 2, np.int16),
        "prompt_end": [True] * N_ITEMS + [False] * N_ITEMS,
        "part": ["prompt"] * N_ITEMS + ["answer"] * N_ITEMS,
        "class": ["digit"] * N_ITEMS + ["rest"] * N_ITEMS,
        "parted": [None] * N_ITEMS + ["before"] * N_ITEMS,
        "relative_error": np.array([*distance, *([0.5] * N_ITEMS)], np.float32),
    }
    others = ("cosine_distance", "lens_agrees", "attention_js")
    arms = ("attention_entropy", "attention_variance", "kurtosis", "peak")
    for name in (*others, *(f"{arm}_{side}" for arm in arms for side in ("baseline", "variant"))):
        columns[name] = np.full(2 * N_ITEMS, np.nan, np.float32)
    probe_files.write_table(probe_files.make_part_path(folder, "tokens", 0), columns)
    noise = {"module": ["q"], "n_weights": [4], "snr_db": [20.0], "state": ["changed"]}
    probe_files.write_table(folder / probe_files.WEIGHTS, noise)
    record = ProbeRecord(
        variant=first.variant, suite=first.task.suite, language=first.task.language, again=again,
        n_layers=2, n_items=N_ITEMS, n_sequences=N_ITEMS, n_without_attention=0,
        left_out={"longer than 9 tokens": 1} if not again else {}, attention_limit=512, seconds=1.0,
    )  # fmt: skip
    probe_files.write_record(folder, record, cells=cells, weights=("w", "w"))


def planted(folder: Path, *, slopes: dict[str, float], seed: int = 0) -> tuple[Store, list[Probe]]:
    """A run whose items break the likelier the larger their error, by a slope a suite.

    Hindi has ten times the error and far more damage, whatever the slope.
    """
    rng = np.random.default_rng(seed)
    store = Store(folder)
    metas: list[CellMeta] = []
    with store.writing():
        for suite, slope in slopes.items():
            for language in LANGUAGES:
                cells = (
                    cell(suite, language, "w4"),
                    cell(suite, language, "baseline"),
                    cell(suite, language, "baseline", replicate=1),
                )
                right = rng.random(N_ITEMS) < 0.9
                strength = rng.normal(size=N_ITEMS)
                level = -1.2 if language == "en" else 0.5
                broke = rng.random(N_ITEMS) < 1 / (1 + np.exp(-(level + slope * strength)))
                write_cell(store, cells[1], right)
                write_cell(store, cells[0], right & ~broke)
                write_cell(store, cells[2], right)
                size = 1 if language == "en" else 10
                write_probe(store, cells[:2], (size * np.exp(0.3 * strength)).tolist())
                write_probe(store, (cells[2], cells[1]), [1e-7] * N_ITEMS)
                metas += cells
        store.save_plan("[study]\nname = 'planted'\n", metas)
    return store, probe_files.read(folder)


def test_planted_prediction_is_found_and_its_absence_is_said(tmp_path: Path) -> None:
    store, probes = planted(tmp_path, slopes={"math": 1.5, "pairs": 0.0})
    math, _, pairs, _ = found = predict(probes, store)
    assert [one.again for one in found] == [False, True, False, True]
    assert math.shown
    assert not pairs.shown
    assert math.auc.auc is not None
    assert math.auc.interval is not None
    assert pairs.auc.interval is not None
    assert pairs.auc.interval.low < 0.5 < pairs.auc.interval.high
    assert math.odds.ratio is not None
    assert math.odds.interval is not None
    assert math.odds.interval.low < np.exp(1.5) < math.odds.interval.high
    assert math.n_at_risk < 2 * N_ITEMS  # items that the baseline gets wrong cannot break
    assert describe_prediction(math).startswith(
        "w4 on math: the error at the prompt's last token tells which items break better than "
        f"chance: AUC {math.auc.auc:.2f} ["
    )
    assert "is not shown to tell which items break: AUC 0." in describe_prediction(pairs)
    (difference,) = make_results(probes, store, closed={}, seed=0).differences
    assert describe_difference(difference).startswith(
        "w4: the error predicts more of the damage in arithmetic than in reading: AUC on math less "
        "that on pairs +0."
    )


def test_the_baseline_run_again_has_nothing_to_predict_and_says_so(tmp_path: Path) -> None:
    store, probes = planted(tmp_path, slopes={"math": 0.0})
    again = next(one for one in predict(probes, store) if one.again)
    assert again.auc.auc is None
    assert describe_prediction(again) == (
        f"A/A run on math: none of {again.n_at_risk} items breaks when the baseline is run again, "
        "so there is nothing to predict"
    )


@pytest.mark.slow
def test_chance_is_seldom_called_a_prediction(tmp_path: Path) -> None:
    """Of 40 studies without any link few may be said to have one (5 %, two tails: 2.5 %)."""
    called = 0
    for seed in range(40):
        store, probes = planted(tmp_path / str(seed), slopes={"math": 0.0}, seed=seed)
        called += sum(one.shown for one in predict(probes, store))
    assert called <= 4


def test_notes_say_what_is_left_out_closed_and_how_small_the_floor_is(tmp_path: Path) -> None:
    store, probes = planted(tmp_path, slopes={"math": 1.0})
    results = make_results(probes, store, closed={"q4": "llama.cpp keeps them"}, seed=0)
    notes = results.notes()
    assert "q4: cannot be probed: llama.cpp keeps them" in notes
    assert "left out: 2 items: longer than 9 tokens" in notes
    assert any(
        note.startswith("the baseline in other batches is 25 % from itself") for note in notes
    )
    assert any("exploratory" in note for note in notes)


def test_a_study_without_right_and_wrong_says_that_there_is_nothing_to_predict(
    tmp_path: Path,
) -> None:
    store, probes = planted(tmp_path, slopes={"math": 0.0})
    results = replace(make_results(probes, store, closed={}, seed=0), predictions=())
    assert results.sentences()[0].startswith("No task of this study has items that are right or")


def test_the_page_draws_how_answers_leave_their_language(tmp_path: Path) -> None:
    from babelbits.probes.language_loss import Answers, describe_loss, summarise_loss
    from babelbits.report.probe_page import make_page

    store, probes = planted(tmp_path, slopes={"math": 0.0})
    base = Answers(
        variant="baseline", suite="confusion", language="de", units=tuple("abcdefgh"),
        lasted=(9,) * 8, switched=(False,) * 8, switched_to=(None,) * 8,
        means={"other_script": 0.0, "other_language": None, "margin": None},
    )  # fmt: skip
    other = replace(
        base,
        variant="w4",
        lasted=(3, 3, *(9,) * 6),
        switched=(True, True, *(False,) * 6),
        switched_to=("en", "en", *(None,) * 6),
    )
    losses = [summarise_loss(base, None, seed=0), summarise_loss(other, base, seed=0)]
    results = make_results(probes, store, closed={}, seed=0, losses=losses)
    html = make_page(results, name="lost", smoke=False)
    assert "answers still in their language by token" in html
    assert describe_loss(losses[1]) in html
    assert any(note.startswith("no bundled text in de") for note in results.notes())


def test_the_page_holds_every_sentence_and_asks_for_nothing(tmp_path: Path) -> None:
    from babelbits.report.probe_page import make_page

    store, probes = planted(tmp_path, slopes={"math": 1.5, "pairs": 0.0})
    results = make_results(probes, store, closed={}, seed=0)
    html = make_page(results, name="<b>planted</b>", smoke=True)
    assert html == make_page(results, name="<b>planted</b>", smoke=True)
    assert "<b>planted</b>" not in html
    for line in results.sentences():
        assert line.replace("'", "&#39;") in html
    assert "SMOKE" in html
    assert "<script" not in html
    assert "http" not in html.replace("http-equiv", "").replace("http://www.w3.org", "")

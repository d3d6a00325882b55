"""Each reader against a small log that the tool itself wrote; see fixtures/SOURCE.md."""

import json
import shutil
import zipfile
from pathlib import Path

import pytest

from babelbits.errors import TaskError
from babelbits.interop.readers.detect import read_run
from babelbits.interop.readers.record import ForeignRun, ForeignTask, Reader
from babelbits.registry import READERS, register

LOGS = Path(__file__).parent / "fixtures"


def by_task(run: ForeignRun) -> dict[str, ForeignTask]:
    return {task.name: task for task in run.tasks}


def mean(task: ForeignTask, metric: str) -> float:
    scores = [item.scores[metric] for item in task.items]
    assert None not in scores
    return sum(s for s in scores if s is not None) / len(scores)


# --- lm-eval ---------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", ["base", "w4"])
def test_lm_eval_means_are_those_of_its_results_file(variant: str) -> None:
    """Expected: `results` in the results file that lm-eval 0.4.13 wrote."""
    [file] = (LOGS / "lm_eval" / variant).rglob("results_*.json")
    results = json.loads(file.read_text())["results"]
    tasks = by_task(read_run(LOGS / "lm_eval" / variant))
    assert set(tasks) == set(results)
    for name in ("babelmini_pairs_de", "babelmini_pairs_sw"):
        for metric in ("acc", "acc_bytes"):
            assert mean(tasks[name], metric) == pytest.approx(results[name][f"{metric},none"])
    for which in ("remove_whitespace", "flexible-extract"):
        found = mean(tasks["mgsm_direct_sw"], f"exact_match[{which}]")
        assert found == results["mgsm_direct_sw"][f"exact_match,{which}"]


def test_lm_eval_facts_of_a_task() -> None:
    run = read_run(LOGS / "lm_eval" / "base")
    task = by_task(run)["babelmini_pairs_sw"]
    assert run.tool == "lm-eval 0.4.13"
    assert task.metrics == ("acc_bytes", "acc")  # the order that the task's YAML declares
    assert task.output_type == "choice"
    assert task.setup["num_fewshot"] == "0"
    assert task.setup["task version"] == "1.0"
    item = task.items[0]
    assert item.source_id == "p001-1-a"
    assert item.n_choices == 2
    assert item.choice_logprobs is not None
    assert item.target == "Bibi yangu huoka mkate kila Jumamosi asubuhi."
    assert "limit" in " ".join(run.notes)


@pytest.mark.parametrize("variant", ["base", "w4"])
def test_lm_eval_the_choice_shown_is_the_one_that_the_first_metric_scored(variant: str) -> None:
    """acc_bytes is 1 exactly where the choice preferred by byte is the gold answer."""
    for name in ("babelmini_pairs_de", "babelmini_pairs_sw"):
        for item in by_task(read_run(LOGS / "lm_eval" / variant))[name].items:
            assert (item.output == item.target) == (item.scores["acc_bytes"] == 1)


def test_lm_eval_generation_with_two_filters_is_one_item_a_document() -> None:
    task = by_task(read_run(LOGS / "lm_eval" / "base"))["mgsm_direct_sw"]
    assert len(task.items) == 8
    assert task.metrics[0] == "exact_match[flexible-extract]"
    assert task.output_type == "generation"
    assert task.items[1].output.startswith(" 14.")


def in_memory(folder: Path) -> dict[str, object]:
    """What `simple_evaluate` returns, from the files: lists for arguments, numbers for resps."""
    [file] = folder.rglob("results_*.json")
    results = json.loads(file.read_text())
    samples = {}
    for path in folder.rglob("samples_*.jsonl"):
        name = path.name.removeprefix("samples_").rsplit("_", 1)[0]
        rows = [json.loads(line) for line in path.read_text().split("\n") if line]
        for row in rows:
            row["arguments"] = [list(one.values()) for one in row["arguments"].values()]
            if "pairs" in name:
                row["resps"] = [[[float(r[0][0]), r[0][1] == "True"]] for r in row["resps"]]
        samples[name] = rows
    return {**results, "samples": samples}


def test_lm_eval_both_argument_formats_say_the_same(tmp_path: Path) -> None:
    file = tmp_path / "whole.json"
    file.write_text(json.dumps(in_memory(LOGS / "lm_eval" / "base")))
    there, here = by_task(read_run(LOGS / "lm_eval" / "base")), by_task(read_run(file))
    assert set(there) == set(here)
    for name, task in there.items():
        assert task.setup == here[name].setup
        for a, b in zip(task.items, here[name].items, strict=True):
            facts = ("content", "scores", "target", "prompt_hash", "output", "choice_logprobs")
            assert [getattr(a, f) for f in facts] == [getattr(b, f) for f in facts]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the baseline's lm-eval folder, to be damaged."""
    return Path(shutil.copytree(LOGS / "lm_eval" / "base", tmp_path / "copy"))


def samples_of(folder: Path, task: str) -> Path:
    [file] = folder.rglob(f"samples_{task}_*.jsonl")
    return file


def test_lm_eval_the_newest_file_of_a_task_is_read_and_said(copy: Path) -> None:
    file = samples_of(copy, "mgsm_direct_sw")
    newer = file.with_name("samples_mgsm_direct_sw_2031-01-01T00-00-00.000000.jsonl")
    newer.write_text("".join(file.read_text().splitlines(keepends=True)[:4]))
    run = read_run(copy)
    assert len(by_task(run)["mgsm_direct_sw"].items) == 4
    assert any("1 older file left out" in note for note in run.notes)


def test_lm_eval_a_shared_cache_is_doubted(copy: Path) -> None:
    """lm-evaluation-harness issue 4063: the cache's key lacks the model."""
    [file] = copy.rglob("results_*.json")
    results = json.loads(file.read_text())
    results["config"]["use_cache"] = "cache.db"
    file.write_text(json.dumps(results))
    assert any("does not know the model" in note for note in read_run(copy).notes)


def test_lm_eval_a_truncated_line_names_file_and_line(copy: Path) -> None:
    file = samples_of(copy, "babelmini_pairs_de")
    file.write_text(file.read_text()[:-40])
    with pytest.raises(TaskError, match=r"samples_babelmini_pairs_de_.*\.jsonl:8: not whole JSON"):
        read_run(copy)


def test_lm_eval_a_document_twice_is_an_error(copy: Path) -> None:
    file = samples_of(copy, "babelmini_pairs_de")
    file.write_text(file.read_text() * 2)
    with pytest.raises(TaskError, match="there twice"):
        read_run(copy)


def test_lm_eval_hostile_samples_survive(copy: Path) -> None:
    """NaN is no score; U+2028 is text; escapes stay text."""
    file = samples_of(copy, "mgsm_direct_sw")
    rows = [json.loads(line) for line in file.read_text().split("\n") if line]
    for row in rows:
        row["resps"] = [["line\u2028two \x1b[31mred </script>"]]
        row["exact_match"] = float("nan")
    file.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows))
    task = by_task(read_run(copy))["mgsm_direct_sw"]
    assert task.items[0].scores["exact_match[flexible-extract]"] is None
    assert task.items[0].output == "line\u2028two \x1b[31mred </script>"


def test_lm_eval_two_models_in_a_folder_must_be_told_apart() -> None:
    with pytest.raises(TaskError, match="2 models"):
        read_run(LOGS / "lm_eval")


def test_lm_eval_corpus_metrics_become_sentence_scores(copy: Path) -> None:
    """Expected: sacrebleu's sentence chrF (word_order 0), over 100."""
    sacrebleu = pytest.importorskip("sacrebleu")
    file = samples_of(copy, "mgsm_direct_sw")
    rows = [json.loads(line) for line in file.read_text().split("\n") if line]
    for row in rows:
        row["metrics"] = ["chrf", "f1"]
        row["chrf"] = ["Das ist ein Haus", "Das ist ein Hut"]
        row["f1"] = [1, 0]
    file.write_text("\n".join(json.dumps(row) for row in rows))
    task = by_task(read_run(copy))["mgsm_direct_sw"]
    expected = sacrebleu.sentence_chrf("Das ist ein Hut", ["Das ist ein Haus"]).score / 100
    assert task.items[0].scores["chrf[flexible-extract]"] == pytest.approx(expected)
    assert not any(name.startswith("f1") for name in task.metrics)
    assert any("f1" in note for note in task.notes)


# --- the others ------------------------------------------------------------------------------


def test_lighteval_details() -> None:
    """Written by lighteval 0.13.0: in q4 items 2 and 5 prefer the first choice."""
    tasks = by_task(read_run(LOGS / "lighteval" / "q4"))
    assert set(tasks) == {"belebele_jpn_Jpan_mcf|0", "belebele_swa_Latn_mcf|0"}
    task = tasks["belebele_swa_Latn_mcf|0"]
    assert [item.scores["loglikelihood_acc"] for item in task.items] == [1, 1, 0, 1, 1, 0]
    item = task.items[2]
    assert (item.target, item.output, item.n_choices) == ("nne", "tatu", 4)
    assert item.source_id == "https://example.org/1/0"
    assert item.choice_logprobs == (-0.5, -1.2, -2.5, -2.75)
    assert task.setup == {"num_fewshot": "0"}


def test_lighteval_older_details(tmp_path: Path) -> None:
    """The columns that lighteval 0.6 to 0.8 wrote, lists as text (its `save` cast them)."""
    import pyarrow as pa
    from pyarrow import parquet

    row = {
        "example": "Q?",
        "full_prompt": "Shots. Q?",
        "predictions": "['B']",
        "gold": "['A']",
        "choices": "['A', 'B']",
        "gold_index": "[0]",
        "metrics": "{'acc': 0, 'acc_norm': 1}",
        "specifics": "{}",
    }
    file = tmp_path / "details_lighteval|xcopa_th_cf|0_2025-01-01T00-00-00.000000.parquet"
    parquet.write_table(pa.Table.from_pylist([row]), file)
    [task] = read_run(file).tasks
    assert task.metrics == ("acc", "acc_norm")
    assert (task.items[0].target, task.items[0].output) == ("A", "B")
    assert task.items[0].prompt == "Shots. Q?"


def test_inspect_logs_with_zstandard() -> None:
    """Written by Inspect 0.3.285; its header counts accuracy 0.5 for q4 in German."""
    run = read_run(LOGS / "inspect" / "q4")
    task = by_task(run)["mgsm_de"]
    assert run.tool == "Inspect 0.3.285"
    assert mean(task, "match") == 0.5
    assert task.language == "de"
    item = task.items[1]
    assert (item.prompt, item.target, item.output) == ("Was ist 3+5?", "8", "9")
    assert (item.finish_reason, item.prompt_tokens, item.output_tokens) == ("stop", 3, 1)


def test_inspect_json_and_eval_say_the_same() -> None:
    zipped = by_task(read_run(LOGS / "inspect" / "q4"))["mgsm_de"]
    [plain] = read_run(LOGS / "inspect" / "q4-json").tasks
    assert plain.setup == zipped.setup
    for a, b in zip(plain.items, zipped.items, strict=True):
        assert (a.content, a.scores, a.prompt_hash) == (b.content, b.scores, b.prompt_hash)


def test_inspect_several_languages_in_one_log(tmp_path: Path) -> None:
    """Samples that name their language make one task a language."""
    [log] = (LOGS / "inspect" / "q4-json").iterdir()
    whole = json.loads(log.read_text())
    whole["eval"]["task"] = "inspect_evals/sums"
    for sample, language in zip(whole["samples"], ("de", "de", "sw", "sw"), strict=True):
        sample["metadata"]["language"] = language
    (tmp_path / "log.json").write_text(json.dumps(whole))
    tasks = read_run(tmp_path / "log.json").tasks
    assert [(t.suite, t.language, len(t.items)) for t in tasks] == [
        ("sums", "de", 2),
        ("sums", "sw", 2),
    ]


def test_inspect_another_zip_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "x.eval"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("readme.txt", "no log")
    with pytest.raises(TaskError, match=r"no header\.json"):
        read_run(file)
    file.write_bytes(b"no zip at all")
    with pytest.raises(TaskError, match="not an Inspect log"):
        read_run(file)


def test_inspect_a_damaged_sample_is_named(tmp_path: Path) -> None:
    log = next((LOGS / "inspect" / "q4").glob("*.eval"))
    with zipfile.ZipFile(log) as archive:
        start = archive.getinfo("samples/2_epoch_1.json").header_offset
    raw = bytearray(log.read_bytes())
    raw[start + 100 : start + 400] = bytes(300)
    (tmp_path / "x.eval").write_bytes(raw)
    with pytest.raises(TaskError, match=r"x\.eval:samples/2_epoch_1\.json"):
        read_run(tmp_path / "x.eval")


def test_evalscope_reviews() -> None:
    """Written by EvalScope 1.14.1's CacheManager: two of four answers of q4 are right."""
    tasks = by_task(read_run(LOGS / "evalscope" / "q4"))
    assert set(tasks) == {"mgsm_de", "mgsm_sw"}
    assert mean(tasks["mgsm_de"], "acc") == 0.5
    item = tasks["mgsm_de"].items[3]
    assert (item.prompt, item.target, item.output) == ("Was ist 6*7?", "42", "41")
    assert item.finish_reason == "stop"


def test_llama_perplexity_summary() -> None:
    """Expected: the published log, copied by eye."""
    [log] = read_run(LOGS / "llama_perplexity" / "iq2_kl.log").divergences
    kld = log.quantities["mean KLD"]
    assert (kld.value, kld.error) == (0.097973, 0.002198)
    assert log.quantities["99 % KLD"].value == 1.447031
    assert log.quantities["maximum KLD"].value == 20.749897
    assert log.quantities["PPL"].value == 8.966302
    ratio = log.quantities["PPL ratio"]
    assert (ratio.value, ratio.error) == (1.060648, 0.003689)
    top = log.quantities["same top p, %"]
    assert (top.value, top.error) == (85.422, 0.223)
    assert log.quantities["mean Δp, %"].value == -1.461


def test_llama_perplexity_of_the_base_alone() -> None:
    [log] = read_run(LOGS / "llama_perplexity" / "base.log").divergences
    assert (log.quantities["PPL"].value, log.quantities["PPL"].error) == (8.4536, 0.15017)


def test_llama_perplexity_nan_is_an_error(tmp_path: Path) -> None:
    text = (LOGS / "llama_perplexity" / "iq2_kl.log").read_text()
    file = tmp_path / "x.log"
    file.write_text(text.replace("0.097973 ±   0.002198", "nan ±        nan"))
    with pytest.raises(TaskError, match="no numbers"):
        read_run(file)


# --- tables and what is no log ---------------------------------------------------------------


def test_table_csv_and_json_lines_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        'item_id,language,score,output\n1,nob_Latn,1,"two\nlines"\n2,no,,\n', "utf-8"
    )
    rows = [
        {"item_id": 1, "language": "nb", "score": 1, "output": "two\nlines", "task": "a"},
        {"item_id": 2, "language": "nb", "score": float("nan"), "task": "a"},
    ]
    (tmp_path / "b.jsonl").write_text("\n".join(map(json.dumps, rows)))
    [first] = read_run(tmp_path / "a.csv").tasks
    [second] = read_run(tmp_path / "b.jsonl").tasks
    assert (first.suite, first.language) == (second.suite, second.language) == ("a", "nb")
    for one, other in zip(first.items, second.items, strict=True):
        assert (one.content, one.scores, one.output) == (other.content, other.scores, other.output)
    assert first.items[1].scores == {"score": None}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("item_id,language,score\n1,de,1\n1,de,0\n", r"t\.csv:3: item '1' has two scores"),
        ("item_id,language,score\n1,de\n", r"t\.csv:2: 2 fields"),
        ("item_id,language,score\n", "no rows"),
        ("id,language,score\n1,de,1\n", "no results that Babelbits can read"),
    ],
)
def test_table_a_wrong_table_is_told(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(TaskError, match=complaint):
        read_run(tmp_path / "t.csv")


def test_what_is_no_result_is_told_with_all_that_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="the folder is empty") as error:
        read_run(tmp_path)
    for tool in ("lm-eval", "lighteval", "Inspect", "EvalScope", "llama-perplexity", "item_id"):
        assert tool in str(error.value)
    with pytest.raises(TaskError, match="no such file or folder"):
        read_run(tmp_path / "nowhere")


def test_totals_without_items_say_how_to_get_items(tmp_path: Path) -> None:
    (tmp_path / "results_2026-01-01T00-00-00.json").write_text("{}")
    with pytest.raises(TaskError, match="--log_samples"):
        read_run(tmp_path)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("x.eval", "not an Inspect log"),
        ("x.jsonl", "no results that Babelbits can read"),
        ("x.log", "no results that Babelbits can read"),
        ("x.json", "no results that Babelbits can read"),
        ("details_x_2026-01-01T00-00-00.0.parquet", "no readable Parquet file"),
        ("samples_xcopa_th_2026-01-01T00-00-00.0.jsonl", "not UTF-16: byte 0xd7"),
    ],
)
def test_rubbish_is_told_and_nothing_crashes(tmp_path: Path, name: str, complaint: str) -> None:
    (tmp_path / name).write_bytes(b"\xff\xfe\x00" + bytes(range(256)) * 4)
    with pytest.raises(TaskError, match=complaint):
        read_run(tmp_path / name)


def test_deep_json_and_empty_files_are_told(tmp_path: Path) -> None:
    file = tmp_path / "samples_xcopa_th_2026-01-01T00-00-00.0.jsonl"
    file.write_text("[" * 100_000)
    with pytest.raises(TaskError, match=r"jsonl:1: not whole JSON"):
        read_run(file)
    file.write_text("")
    with pytest.raises(TaskError, match="has no items"):
        read_run(file)


# --- other packages' ---------------------------------------------------------------------------


def test_readers_have_the_names_of_their_rows() -> None:
    assert [reader.name for _, reader in READERS.items()] == list(READERS)


def test_a_reader_of_others_that_fails_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(path: Path) -> ForeignRun:
        raise KeyError(path.name)

    monkeypatch.setattr(READERS, "_added", {})
    register(READERS, "odd", Reader(name="odd", sign="x", looks_like=Path.is_dir, read=read))
    with pytest.raises(TaskError, match="the reader 'odd' of this program failed: KeyError"):
        read_run(tmp_path)

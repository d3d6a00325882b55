"""Names of tasks to benchmark and language: the names are lm-eval's and lighteval's own."""

from pathlib import Path

import pytest

from babelbits.errors import StudyError, UnknownNameError
from babelbits.interop.readers.naming import find_by_name, find_log_language, place_tasks, read_map
from babelbits.interop.readers.record import DivergenceLog, ForeignTask
from babelbits.tasks.lm_eval.index import list_installed_tasks
from babelbits.tasks.lm_eval.suite import LmEvalSuite
from babelbits.tasks.suites import list_all_suites

NAMES = {
    # lm-eval 0.4.13
    "belebele_jpn_Jpan": ("belebele", "ja", ""),
    "belebele_zho_Hant": ("belebele", "zh-Hant", ""),
    "m_mmlu_de": ("m_mmlu", "de", ""),
    "mgsm_direct_sw": ("mgsm", "sw", ""),
    "mgsm_native_cot_th": ("mgsm-native-cot", "th", ""),
    "mgsm_en_cot_bn": ("mgsm-en-cot", "bn", ""),
    "global_mmlu_ar": ("global-mmlu-lite", "ar", ""),
    "global_mmlu_ar_stem": ("global-mmlu-lite", "ar", "stem"),
    "global_mmlu_full_pt_abstract_algebra": ("global-mmlu", "pt", "abstract_algebra"),
    "xcopa_th": ("xcopa", "th", ""),
    "xwinograd_jp": ("xwinograd", "ja", ""),
    "xstorycloze_my": ("xstorycloze", "my", ""),
    "arc_de": ("okapi_arc", "de", ""),
    "hellaswag_vi": ("okapi_hellaswag", "vi", ""),
    "truthfulqa_hi_mc1": ("okapi_truthfulqa_mc1", "hi", ""),
    "xnli_sw": ("xnli", "sw", ""),
    "paws_es": ("paws", "es", ""),
    "lambada_openai_mt_fr": ("lambada_mt", "fr", ""),
    "afrimgsm_direct_yor": ("afrimgsm_direct", "yo", ""),
    "afrimgsm_yor_prompt_3": ("afrimgsm_prompt_3", "yo", ""),
    "mmlu_prox_lite_af_math": ("mmlu-prox-lite", "af", "math"),
    "include_base_44_bengali_stem": ("include", "bn", "stem"),
    "global_piqa_nonparallel_cloze_acm_arab": ("global-piqa", "acm", ""),
    "spanish_bench_flores_es-en": ("flores into en", "es", ""),
    "spanish_bench_flores_en-es": ("flores from en", "es", ""),
    "mmlu_abstract_algebra": ("mmlu", "en", "abstract_algebra"),
    "hellaswag": ("hellaswag", "en", ""),
    "gsm8k_cot": ("gsm8k_cot", "en", ""),
    # lighteval 0.13.0
    "belebele_jpn_Jpan_mcf": ("belebele_mcf", "ja", ""),
    "lighteval|xcopa_swa_cf|0|0": ("xcopa_cf", "sw", ""),
    "mgsm_swa|8": ("mgsm", "sw", ""),
    "mlmm_mmlu_deu_mcf:anatomy": ("mlmm_mmlu_mcf", "de", "anatomy"),
    "flores200:eng_Latn-deu_Latn": ("flores from en", "de", ""),
    # Inspect's package in front, EvalScope's subset behind
    "inspect_evals/mgsm_de": ("mgsm", "de", ""),
    "mmmlu_SW_KE": ("mmmlu", "sw", ""),
}


@pytest.mark.parametrize("name", NAMES)
def test_name(name: str) -> None:
    place = find_by_name(name)
    assert place is not None
    assert (place.suite, place.language, place.part) == NAMES[name]


@pytest.mark.parametrize("name", ["mybench", "mybench_de", "toksuite_chinese_canonical", "", "|0"])
def test_unknown_names_are_not_guessed(name: str) -> None:
    assert find_by_name(name) is None


FAMILIES = (
    *("afrimgsm", "afrimmlu", "afrixnli", "arc_mt", "belebele", "french_bench", "global_mmlu"),
    *("lambada_multilingual", "lambada_multilingual_stablelm", "include", "mela", "mgsm", "mlqa"),
    *("mmlu_prox", "multiblimp", "okapi", "paws-x", "truthfulqa-multi", "tydiqa", "xcopa", "xnli"),
    *("xnli_eu", "xquad", "xstorycloze", "xwinograd", "kobest", "kmmlu", "ceval", "cmmlu"),
    *("turkishmmlu", "greekmmlu", "translation", "noreval"),
)
"""Folders of lm-eval's multilingual benchmarks of which every task must be known."""


def test_every_multilingual_task_of_the_installed_lm_eval_is_known() -> None:
    found: dict[str, list[str]] = {}
    for name, path in list_installed_tasks().items():
        family = path.parts[len(path.parts) - path.parts[::-1].index("tasks")]
        found.setdefault(family, []).append(name)
    if not found:
        pytest.skip("lm-eval is not installed")
    unknown = [name for family in FAMILIES for name in found[family] if find_by_name(name) is None]
    assert unknown == []


def test_our_own_suites_agree_with_the_names_of_lm_eval() -> None:
    """`tasks.suites` was written for running lm-eval's tasks; both must tell the same."""
    for suite in list_all_suites().values():
        for code, upstream in suite.upstream.items():
            if not isinstance(suite, LmEvalSuite):
                continue
            place = find_by_name(suite.lm_eval_task.format(upstream))
            assert place is not None
            assert (place.suite, place.language) == (suite.name, code)
            assert place.source_columns == suite.source_columns


def task(name: str, **more: str) -> ForeignTask:
    return ForeignTask(name=name, items=(), metrics=(), output_type="choice", origin="test", **more)


def test_the_config_of_a_dataset_counts_only_where_the_name_repeats_it() -> None:
    found = place_tasks([task("newbench_sw", language_hint="sw")], {})
    assert (found["newbench_sw"].suite, found["newbench_sw"].language) == ("newbench", "sw")
    assert "dataset's config" in found["newbench_sw"].how
    with pytest.raises(StudyError, match="newbench"):
        place_tasks([task("newbench", language_hint="sw")], {})


def test_names_that_differ_by_a_code_alone_are_a_benchmark() -> None:
    found = place_tasks([task("own_de"), task("own_jpn_Jpan")], {})
    assert {one.language for one in found.values()} == {"de", "ja"}
    with pytest.raises(StudyError, match="own_de"):
        place_tasks([task("own_de")], {})


def test_all_unknown_names_are_told_with_the_lines_that_map_them() -> None:
    with pytest.raises(StudyError) as error:
        place_tasks([task("foo"), task("bar")], {})
    assert "2 tasks" in str(error.value)
    assert '"foo" = "de"' in str(error.value)


def test_a_mapping_file_wins(tmp_path: Path) -> None:
    file = tmp_path / "map.toml"
    file.write_text('[tasks]\nxcopa_th = "vi"\nfoo_x = { suite = "foo", language = "nob_Latn" }\n')
    found = place_tasks([task("xcopa_th"), task("foo_x")], read_map(file))
    assert (found["xcopa_th"].suite, found["xcopa_th"].language) == ("xcopa", "vi")
    assert (found["foo_x"].suite, found["foo_x"].language) == ("foo", "nb")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("x = 1", StudyError),
        ("[tasks]\nx = 3", StudyError),
        ("[tasks]\nx = {language = 'de', lang = 'x'}", StudyError),
        ("[tasks]\nx = {suite = 'de'}", StudyError),
        ("[tasks]\nx = 'xq'", UnknownNameError),
        ("[tasks", StudyError),
    ],
)
def test_a_wrong_mapping_file_is_an_error(tmp_path: Path, text: str, error: type) -> None:
    file = tmp_path / "map.toml"
    file.write_text(text)
    with pytest.raises(error):
        read_map(file)


def test_a_quantization_is_no_language() -> None:
    """'kl' is Kalaallisut and part of IQ2_KL."""
    log = DivergenceLog(name="iq2_kl", where="", quantities={})
    assert find_log_language(log, {}) is None
    assert find_log_language(DivergenceLog(name="q4_k_m.sw", where="", quantities={}), {}) == "sw"

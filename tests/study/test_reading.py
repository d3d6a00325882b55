"""study.toml to `Study`: what resolves, and every mistake at its line and column."""

import json
import textwrap
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from babelbits.errors import StudyError
from babelbits.study import Study, load
from babelbits.study.config.problems import StudyFileError

TASK = '\n[[tasks]]\nsuite = "text"\n'


def write(folder: Path, text: str) -> Path:
    path = folder / "study.toml"
    path.write_text(textwrap.dedent(text), "utf-8")
    return path


def study_of(folder: Path, text: str) -> Study:
    return load(write(folder, text))


def mistakes_of(folder: Path, text: str) -> list[tuple[int, int, str, str | None]]:
    with pytest.raises(StudyFileError) as caught:
        load(write(folder, text))
    return [(m.line, m.column, m.message, m.hint) for m in caught.value.mistakes]


# --- what resolves -------------------------------------------------------------------------------


def test_the_smallest_study_has_a_baseline_and_defaults(tmp_path: Path) -> None:
    study = study_of(tmp_path, TASK)
    assert [variant.label for variant in study.variants] == ["baseline"]
    assert (study.name, study.seed, study.batch_items, study.limit) == ("study", 0, 64, None)
    assert study.folder == tmp_path / "study.run"
    assert study.model.path == "bundled"
    assert study.analysis.aa
    assert study.analysis.margins == {"fraction": 0.02, "bits/byte": 0.01}
    assert {"en", "nb", "sw"} <= set(study.suites[0].languages)


def test_everything_at_once(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "mgsm").mkdir()
    (tmp_path / "notes.txt").write_text("Tekst.\n", "utf-8")
    study = study_of(
        tmp_path,
        """
        [study]
        name = "all"
        folder = "out"
        seed = 7
        [model]
        path = "model"
        trust_remote_code = true
        [engine]
        device = "cuda:1"
        dtype = "bfloat16"
        long_prompts = "fail"
        token_budget = 100
        batch_items = 3
        [[variants]]
        recipe = "W4-g"
        group_size = 64
        calibration = "no"
        [[variants]]
        recipe = "w4"
        calibration = { language = "nob_Latn", source = "notes.txt", samples = 4, tokens = 32 }
        [[variants]]
        recipe = "LLM.int8()"
        threshold = 5
        name = "int8"
        [[tasks]]
        suite = "mgsm"
        languages = ["jpn", "swh_Latn", "ja"]
        shots = 0
        [[tasks]]
        suite = "xcopa"
        languages = "nordic-and-more"
        [data]
        mgsm = "mgsm"
        [groups]
        nordic-and-more = ["nb", "it", "zho_Hans"]
        [analysis]
        alpha = 0.01
        margins = { xcopa = 0.05 }
        confirmatory = { variants = ["int8"] }
        reference = "ita_Latn"
        floor = 0
        aa = false
        [limits]
        items = 5
        """,
    )
    assert study.folder == tmp_path / "out"
    assert study.model.folder == tmp_path / "model"
    assert (study.engine.device, study.engine.long_prompts) == ("cuda:1", "fail")
    assert study.engine.trust_remote_code
    assert [v.label for v in study.variants] == [
        "baseline",
        "w4-g@nb[group_size=64]",
        "w4@nb",
        "int8",
    ]
    assert study.variants[3].recipe == "llm-int8"
    assert study.variants[3].parameters == {"threshold": 5.0}
    calibration = study.variants[2].calibration
    assert calibration is not None
    assert (calibration.language, calibration.samples, calibration.tokens) == ("nb", 4, 32)
    assert (calibration.seed, calibration.folder) == (7, tmp_path)
    mgsm, xcopa = study.suites
    assert mgsm.languages == ("ja", "sw")
    assert (mgsm.options.shots, mgsm.options.limit, mgsm.options.seed) == (0, 5, 7)
    assert mgsm.options.data == tmp_path / "mgsm"
    assert xcopa.languages == ("it", "zh")
    assert study.languages == ("ja", "sw", "it", "zh")
    assert study.analysis.margins == {"fraction": 0.02, "bits/byte": 0.01, "xcopa": 0.05}
    assert study.analysis.reference == "it"
    assert study.analysis.confirmatory is not None
    assert study.analysis.confirmatory.variants == ("int8",)
    assert study.analysis.confirmatory.suites is None  # all
    assert study.analysis.confirmatory.covers("int8", "mgsm")
    assert not study.analysis.confirmatory.covers("w4@nb", "mgsm")
    assert (study.analysis.floor, study.analysis.aa, study.smoke) == (0.0, False, True)


def test_the_reference_language_is_english_where_it_is_asked(tmp_path: Path) -> None:
    english = '[[tasks]]\nsuite = "math"\nlanguages = ["nb", "en"]\n'
    assert load(write(tmp_path, english)).analysis.reference == "en"
    assert load(write(tmp_path, english.replace(', "en"', ""))).analysis.reference is None


def test_it_is_the_same_twice_and_of_json_types(tmp_path: Path) -> None:
    text = '[[variants]]\nrecipe = "w4-g"\ncalibration = "en"\n' + TASK
    first, second = study_of(tmp_path, text), study_of(tmp_path, text)
    assert first.as_object() == second.as_object()
    assert json.loads(json.dumps(first.as_object())) == first.as_object()
    assert first.as_object()["variants"][1]["label"] == "w4-g@en"


def test_limit_of_the_command_line_wins(tmp_path: Path) -> None:
    path = write(tmp_path, "[limits]\nitems = 5\n" + TASK)
    study = load(path, limit=2)
    assert study.limit == study.suites[0].options.limit == 2


def test_a_written_baseline_is_the_baseline(tmp_path: Path) -> None:
    study = study_of(tmp_path, '[[variants]]\nrecipe = "baseline"\n' + TASK)
    assert [variant.label for variant in study.variants] == ["baseline"]


def test_hub_models_and_own_yaml_tasks(tmp_path: Path) -> None:
    tasks = tmp_path / "mine"
    tasks.mkdir()
    (tasks / "quiz.yaml").write_text("task: my_quiz\ndataset_path: json\n", "utf-8")
    study = study_of(
        tmp_path,
        """
        [model]
        path = "Qwen/Qwen2.5-0.5B"
        revision = "abc"
        [[tasks]]
        suite = "my_quiz"
        include_path = "mine"
        languages = ["nb"]
        """,
    )
    assert (study.model.path, study.model.folder, study.model.revision) == (
        "Qwen/Qwen2.5-0.5B",
        None,
        "abc",
    )
    assert study.suites[0].languages == ("nb",)


def test_byte_order_mark_and_windows_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_bytes(b"\xef\xbb\xbf[study]\r\nname = 'x'\r\n[[tasks]]\r\nsuite = 'text'\r\n")
    assert load(path).name == "x"
    path.write_bytes(
        b"\xef\xbb\xbf[study]\r\nname = 'x'\r\nseed = -1\r\n[[tasks]]\r\nsuite = 'text'\r\n"
    )
    with pytest.raises(StudyFileError) as caught:
        load(path)
    assert (caught.value.mistakes[0].line, caught.value.mistakes[0].column) == (3, 8)


# --- mistakes ------------------------------------------------------------------------------------

V = '[[variants]]\nrecipe = "w4-g"\n'
ONE_MISTAKE = {
    "unknown key": ("[study]\nsede = 1\n" + TASK, 2, 1, "unknown key 'sede'", "'seed'"),
    "unknown table": (TASK + "[analisys]\n", 4, 1, "unknown key 'analisys'", "'analysis'"),
    "wrong type": ("[study]\nseed = true\n" + TASK, 2, 8, "must be a whole number", None),
    "text for number": ('[analysis]\nalpha = "x"\n' + TASK, 2, 9, "must be a number", None),
    "out of range": ("[analysis]\nfloor = 1.5\n" + TASK, 2, 9, "below 1", None),
    "not finite": ("[analysis]\nalpha = nan\n" + TASK, 2, 9, "must be a number", None),
    "empty text": ('[study]\nname = "  "\n' + TASK, 2, 8, "must not be empty", None),
    "wrong choice": ('[engine]\ndtype = "bf16"\n' + TASK, 2, 9, "must be 'auto'", None),
    "wrong device": ('[engine]\ndevice = "gpu"\n' + TASK, 2, 10, "must be 'auto'", None),
    "table as value": ("model = 3\n" + TASK, 1, 9, "must be a table", "[model]"),
    "no array of tables": ('[tasks]\nsuite = "text"\n', 1, 1, "array of tables", "[[tasks]]"),
    "no tasks": ("[study]\n", 1, 1, "at least one task", "suite"),
    "no suite": ('[study]\n[[tasks]]\nlanguages = "all"\n', 2, 1, "'suite' is missing", "xcopa"),
    "unknown suite": ('[[tasks]]\nsuite = "xcpa"\n', 2, 9, "unknown", "xcopa"),
    "suite twice": (TASK + TASK, 6, 9, "asked for twice", "one table"),
    "unknown language": (
        '[[tasks]]\nsuite = "xcopa"\nlanguages = ["sw", "Italien"]\n',
        3, 20, "unknown language 'Italien'", "'it'",
    ),
    "language not in suite": (
        '[[tasks]]\nsuite = "xcopa"\nlanguages = [\n  "sw",\n  "de",\n]\n', 5, 3, "no 'de'", "sw"
    ),
    "unknown group": (
        '[[tasks]]\nsuite = "xcopa"\nlanguages = "latinn"\n', 3, 13, "no group", "'latin'"
    ),
    "empty group": (
        '[[tasks]]\nsuite = "xcopa"\nlanguages = "x"\n[groups]\nx = ["nb"]\n',
        3, 13, "no language of the group 'x'", None,
    ),
    "no languages": ('[[tasks]]\nsuite = "xcopa"\nlanguages = []\n', 3, 13, "at least one", None),
    "group name taken": (TASK + '[groups]\nlatin = ["en"]\n', 5, 1, "exists already", "rename"),
    "unknown recipe": ('[[variants]]\nrecipe = "w4g"\n' + TASK, 2, 10, "no recipe", "w4-g"),
    "no recipe": ('[[variants]]\nname = "x"\n' + TASK, 1, 1, "'recipe' is missing", "w4-g"),
    "calibration missing": (V + TASK, 1, 1, "sees calibration text", 'calibration = "en"'),
    "calibration not taken": (
        '[[variants]]\nrecipe = "w8"\ncalibration = "en"\n' + TASK, 3, 1, "takes no", "leave it out"
    ),
    "parameter of another recipe": (
        '[[variants]]\nrecipe = "w8"\ngroup_size = 64\n' + TASK, 3, 1, "no parameter", "w4-g"
    ),
    "misspelt parameter": (
        V + 'calibration = "en"\ngroupsize = 64\n' + TASK, 4, 1, "no parameter", "'group_size'"
    ),
    "parameter out of range": (
        V + 'calibration = "en"\ngroup_size = 0\n' + TASK, 4, 14, "at least 8", None
    ),
    "inline table without key": (
        V + "calibration = { samples = 3 }\n" + TASK, 3, 1, "'language' is missing", "en"
    ),
    "inline table, wrong value": (
        V + 'calibration = { language = "en", samples = 0 }\n' + TASK, 3, 44, "at least 1", None
    ),
    "no calibration file": (
        V + 'calibration = { language = "en", source = "no.txt" }\n' + TASK,
        3, 43, "no calibration file", "hub:",
    ),
    "two variants of one label": (
        '[[variants]]\nrecipe = "w8"\n[[variants]]\nrecipe = "w8"\n' + TASK,
        4, 10, "two variants", "name",
    ),
    "the baseline's name": (
        '[[variants]]\nrecipe = "w8"\nname = "baseline"\n' + TASK, 3, 8, "unquantized", None
    ),
    "a name with a slash": (
        '[[variants]]\nrecipe = "w8"\nname = "a/b"\n' + TASK, 3, 8, "letters, digits", None
    ),
    "no model folder": ('[model]\npath = "./no"\n' + TASK, 2, 8, "no model folder", None),
    "no model at all": ('[model]\npath = "a b"\n' + TASK, 2, 8, "neither a folder", "owner/model"),
    "revision of a folder": ('[model]\nrevision = "x"\n' + TASK, 2, 1, "only a hub model", None),
    "no data folder": (TASK + '[data]\nxcopa = "no"\n', 5, 9, "no folder", None),
    "data of an unknown suite": (TASK + '[data]\nxcpa = "."\n', 5, 1, "unknown task", "xcopa"),
    "margin of nothing": (
        TASK + "[analysis]\nmargins = { fractoin = 0.1 }\n", 5, 13, "no unit", "'fraction'"
    ),
    "margin in points": (
        TASK + "[analysis]\nmargins = { fraction = 2 }\n", 5, 24, "2 points are 0.02", None
    ),
    "confirmatory variant": (
        TASK + '[analysis]\nconfirmatory = { variants = ["w4"] }\n', 5, 30, "names no variant", None
    ),
    "reference that is not asked": (
        '[[tasks]]\nsuite = "text"\nlanguages = ["nb"]\n[analysis]\nreference = "en"\n',
        5, 13, "names no language of this study", "nb",
    ),
    "reference that is no language": (
        TASK + "[analysis]\nreference = 3\n", 5, 13, "must be a language code", None
    ),
    "no include folder": (
        '[[tasks]]\nsuite = "text"\ninclude_path = "no"\n', 3, 16, "no folder", None
    ),
    "shots of a task without": (
        '[[tasks]]\nsuite = "pairs"\nshots = 5\n', 3, 9, "no examples", "leave it out"
    ),
    "limit": (TASK + "[limits]\nitems = 0\n", 5, 9, "at least 1", None),
}  # fmt: skip


@pytest.mark.parametrize("case", ONE_MISTAKE)
def test_one_mistake_at_its_place_with_advice(case: str, tmp_path: Path) -> None:
    text, line, column, message, hint = ONE_MISTAKE[case]
    found = mistakes_of(tmp_path, text)
    assert [(at[0], at[1]) for at in found] == [(line, column)]
    assert message in found[0][2]
    if hint is not None:
        assert hint in str(found[0][3])


def test_all_mistakes_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    texts = [text for text, *_ in ONE_MISTAKE.values() if text.startswith("[[variants]]")]
    merged = "".join(text.removesuffix(TASK) for text in texts) + TASK
    found = mistakes_of(tmp_path, merged)
    assert len(found) >= len(texts)
    assert [at[:2] for at in found] == sorted(at[:2] for at in found)


def test_the_message_has_file_line_caret_and_advice(tmp_path: Path) -> None:
    path = write(tmp_path, '[[tasks]]\nsuite = "xcopa"\nlanguages = ["日本", "it"]\n')
    with pytest.raises(StudyFileError) as caught:
        load(path)
    shown = str(caught.value).splitlines()
    assert shown[0] == "1 mistake in the study"
    assert shown[2].startswith(f"{path}:3:14: ")
    # Each of the two letters is two columns wide, and so are their carets.
    assert shown[3] == '    3 | languages = ["日本", "it"]'
    assert shown[4] == "      |              ^^^^^^"


def test_a_hostile_file_cannot_steer_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_text('"\\u001b[31m\u202e" = 1\n[[tasks]]\nsuite = "a\u2028\u009b"\n', "utf-8")
    with pytest.raises(StudyFileError) as caught:
        load(path)
    shown = str(caught.value)
    assert all(character.isprintable() or character == "\n" for character in shown)


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("[study]\nname = x\n", 2, 8),
        ("[study\n", 1, 7),
        ("a = 1\na = 2\n", 2, 6),
        ('[study]\nname = "x\n', 2, 10),
        ('[study]\nname = """x', 2, 11),
    ],
)
def test_syntax_errors_have_places_too(tmp_path: Path, text: str, line: int, column: int) -> None:
    found = mistakes_of(tmp_path, text)
    assert (found[0][0], found[0][1]) == (line, column)
    assert "not valid TOML" in found[0][2]


def test_a_file_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_bytes("[study]\nname = 'Blåbær'\n".encode("latin-1"))
    with pytest.raises(StudyError, match="is not UTF-8") as caught:
        load(path)
    assert caught.value.where == f"{path}:2"


def test_no_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="no such study file") as caught:
        load(tmp_path / "none.toml")
    assert "babelbits init" in str(caught.value.hint)
    with pytest.raises(StudyError, match="cannot be read"):
        load(tmp_path)


_values = st.recursive(
    st.one_of(
        st.integers(-3, 3).map(str),
        st.sampled_from(['""', '"x"', '"en"', "true", "1.5", "nan", "1979-05-27", '"w4-g"']),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2).map(lambda items: f"[{', '.join(items)}]"),
        inner.map(lambda item: f"{{ language = {item} }}"),
    ),
    max_leaves=3,
)
_keys = st.sampled_from(
    ("study.seed", "study.folder", "study", "model.path", "model.revision", "engine.chunk",
     "engine.device", "variants", "tasks", "groups.a", "groups.latin", "groups", "data.xcopa",
     "data", "analysis.margins", "analysis.margins.fraction", "analysis.confirmatory",
     "analysis.loss_caps.x", "analysis.alpha", "chat", "chat.template", "chat.thinking",
     "engine.batch_items", "study.seed.x", "languages.claimed",
     "analysis.aa", "analysis.reference", "limits.items", "limits"),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(_keys, _values, max_size=4))
def test_whatever_stands_in_a_study_it_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, entries: dict[str, str]
) -> None:
    path = tmp_path_factory.mktemp("any") / "study.toml"
    lines = [f"{key} = {value}\n" for key, value in entries.items()]
    path.write_text("".join(lines) + '[[tasks]]\nsuite = "text"\n', "utf-8")
    try:
        load(path)
    except StudyFileError as error:
        assert error.mistakes
        assert all(mistake.line >= 1 and mistake.column >= 1 for mistake in error.mistakes)
        assert "Input should" not in str(error)  # pydantic's words


_TASK_KEYS = st.sampled_from(
    ("suite", "languages", "shots", "include_path", "mode", "pivot", "token_limits", "identifier",
     "chat", "samples", "top_p", "tokens", "turns", "other", "recipe", "name", "calibration",
     "group_size", "threshold", "tensor_types"),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(("tasks", "variants")), st.dictionaries(_TASK_KEYS, _values, max_size=4))
def test_whatever_stands_in_a_task_or_a_variant_it_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, table: str, entries: dict[str, str]
) -> None:
    path = tmp_path_factory.mktemp("any") / "study.toml"
    lines = [f"{key} = {value}\n" for key, value in entries.items()]
    path.write_text(f"[[{table}]]\n{''.join(lines)}\n[[tasks]]\nsuite = 'text'\n", "utf-8")
    try:
        load(path)
    except StudyFileError as error:
        assert "Input should" not in str(error)


@pytest.mark.parametrize(
    "text",
    ["[analysis]\nalpha = {}\n", '[[variants]]\nrecipe = "llm-int8"\nthreshold = {}\n'],
)
def test_a_number_beyond_all_floats_is_too_large(text: str, tmp_path: Path) -> None:
    ((*_, message, _),) = mistakes_of(tmp_path, text.format("9" * 400) + TASK)
    assert "must be smaller" in message


# --- every mistake at once -----------------------------------------------------------------------


def test_an_unknown_recipe_hides_no_other_mistake_of_its_table(tmp_path: Path) -> None:
    """Five mistakes of one table, by hand; `samples` of `calibration` was seen before too."""
    found = mistakes_of(
        tmp_path,
        """\
        [[variants]]
        recipe = "w4g"
        name = "a name"
        group_size = "large"
        gruop_size = 64
        calibration = { language = "Klingonisch", samples = -1 }

        [[tasks]]
        suite = "text"
        """,
    )
    assert [line for line, *_ in found] == [2, 3, 4, 5, 6, 6]
    messages = [message for _, _, message, _ in found]
    assert "no recipe 'w4g'" in messages[0]
    assert messages[2].startswith("'group_size' must be")
    assert messages[3] == "no recipe has a parameter 'gruop_size'"
    assert "did you mean 'group_size'" in str(found[3][3])


def test_a_value_that_some_recipe_takes_is_no_mistake_of_an_unknown_one(tmp_path: Path) -> None:
    text = '[[variants]]\nrecipe = "w4g"\ngroup_size = 64\n' + TASK
    assert [line for line, *_ in mistakes_of(tmp_path, text)] == [2]


def test_an_unknown_task_hides_no_mistake_of_its_languages(tmp_path: Path) -> None:
    text = '[[tasks]]\nsuite = "xcpa"\nlanguages = ["it", "Klingonisch"]\nshots = -1\n'
    assert [line for line, *_ in mistakes_of(tmp_path, text)] == [2, 3, 4]
    group = '[[tasks]]\nsuite = "xcpa"\nlanguages = "all"\n'
    assert [line for line, *_ in mistakes_of(tmp_path, group)] == [2]


def test_the_nearest_task_is_named_where_lm_eval_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("babelbits.tasks.lm_eval.index.list_installed_tasks", dict)
    monkeypatch.setattr("babelbits.tasks.lm_eval.index.find_lm_eval_version", lambda: None)
    ((*_, hint),) = mistakes_of(tmp_path, '[[tasks]]\nsuite = "xcpa"\n')
    assert str(hint).startswith("did you mean 'xcopa'")
    assert "pip install 'babelbits[run]'" in str(hint)


def test_a_folder_without_a_language_names_the_file_that_is_missing(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    row = json.dumps({"source_id": "1", "intact": "ab", "damaged": "ba", "rule": "x"})
    (tmp_path / "mine" / "de.jsonl").write_text(row + "\n", "utf-8")
    text = '[data]\npairs = "mine"\n[[tasks]]\nsuite = "pairs"\nlanguages = ["de", "sw"]\n'
    ((*_, hint),) = mistakes_of(tmp_path, text)
    assert f"expected {tmp_path / 'mine' / 'sw.jsonl'}; it has: de" in str(hint)


# --- the engine ----------------------------------------------------------------------------------


def test_an_engine_is_chosen_by_name_and_left_to_the_format_otherwise(tmp_path: Path) -> None:
    chosen = study_of(tmp_path, f'[engine]\nname = "transformers"\n{TASK}')
    assert chosen.engine.name == "transformers"
    assert study_of(tmp_path, TASK).engine.name == "auto"


def test_an_engine_that_nobody_has_is_told_with_those_there_are(tmp_path: Path) -> None:
    (mistake,) = mistakes_of(tmp_path, f'[engine]\nname = "transformer"\n{TASK}')
    assert mistake[:2] == (2, 8)
    assert "'transformers'" in f"{mistake[2]} {mistake[3]}"


def test_an_engine_that_cannot_run_a_variant_is_told_at_its_line(tmp_path: Path) -> None:
    variants = '[[variants]]\nrecipe = "w8"\n[[variants]]\nrecipe = "q4_k_m"\n'
    text = f'[engine]\ndevice = "cpu"\nname = "transformers"\n{variants}{TASK}'
    ((line, column, message, hint),) = mistakes_of(tmp_path, text)
    assert (line, column) == (3, 8)
    assert message == "the engine 'transformers' cannot run 'q4_k_m', whose format is 'gguf'"
    assert hint is not None
    assert hint.startswith("'llama.cpp' can")


def test_a_checkpoint_as_baseline_is_not_run_by_llama_cpp(tmp_path: Path) -> None:
    (mistake,) = mistakes_of(tmp_path, f'[engine]\nname = "llama.cpp"\n{TASK}')
    assert "cannot run 'baseline', whose format is 'hf'" in mistake[2]

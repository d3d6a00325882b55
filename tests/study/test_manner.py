"""`[chat]`, samples and long answers in a study: read, settled, run on a tiny random model."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from babelbits.cli.main import run as babelbits
from babelbits.errors import ExitCode, StudyError
from babelbits.records import ItemRow
from babelbits.store import Store
from babelbits.study import Study, load
from babelbits.study.config.chat_settings import make_identities, settle_study, warn_unused_template
from babelbits.tasks.prompting import ChatOptions, Sampling
from chat_models import TEMPLATE, make_chat
from part_templates import HIDDEN, SHOWN

HEAD = """\
[study]
name = "chat"
folder = "run"

[model]
path = "{model}"

[engine]
batch_items = 4

[limits]
items = 4
"""
MATH = '[[tasks]]\nsuite = "math"\nlanguages = ["en"]\n'
OPENS = TEMPLATE.replace("<|assistant|>\n{% if", "<|assistant|>\n<think>\n{% if")


@pytest.fixture(scope="module")
def chat(tiny_model: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_chat(tiny_model("llama"), tmp_path_factory.mktemp("chat"))


def write(folder: Path, model: Path, *parts: str) -> Path:
    path = folder / "study.toml"
    path.write_text("\n".join([HEAD.format(model=model), *parts]), "utf-8")
    return path


def read(folder: Path, model: Path, *parts: str) -> Study:
    return load(write(folder, model, *parts))


@pytest.mark.parametrize("name", HIDDEN)
def test_the_plan_refuses_a_template_that_hides_the_question(
    tmp_path: Path,
    chat: Path,
    name: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    template, reason = HIDDEN[name]
    model = make_chat(chat, tmp_path / "model", template=template)
    path = write(tmp_path, model, "[chat]\ntemplate = true\n", MATH)
    assert babelbits(["plan", str(path)]) == ExitCode.USAGE
    said = capsys.readouterr().err
    assert f"task 'math': the chat template {reason}".split(",")[0] in said.replace("\n", " ")
    assert "set template = false in [chat]" in said
    plain = write(tmp_path, model, "[chat]\ntemplate = false\n", MATH)
    assert babelbits(["plan", str(plain)]) == ExitCode.DONE


@pytest.mark.parametrize("name", SHOWN)
def test_the_plan_passes_a_template_that_takes_parts(tmp_path: Path, chat: Path, name: str) -> None:
    model = make_chat(chat, tmp_path / "model", template=SHOWN[name][0])
    study = read(tmp_path, model, "[chat]\ntemplate = true\n", MATH)
    assert settle_study(study, model).suites[0].options.chat.template == "on"


def test_a_task_says_only_what_differs(tmp_path: Path, chat: Path) -> None:
    study = read(
        tmp_path,
        chat,
        '[chat]\ntemplate = true\nsystem_prompt = "Be terse."\nfewshot = "one-turn"\n',
        MATH + "chat = { enable_thinking = false }\nsamples = 3\ntemperature = 0.7\n",
        '[[tasks]]\nsuite = "confusion"\nlanguages = ["en"]\nchat = { template = false }\n',
    )
    math, confusion = (suite.options for suite in study.suites)
    assert math.chat == ChatOptions(
        template="on", system_prompt="Be terse.", fewshot="one-turn", enable_thinking=False
    )
    assert math.sampling == Sampling(samples=3, temperature=0.7, top_p=0.75)
    assert confusion.chat.template == "off"


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (['[chat]\ntemplate = "yes"\n', MATH], 'must be true, false or "auto"'),
        (["[chat]\ntemplat = true\n", MATH], "did you mean 'template'"),
        (['[chat]\nsystem_prompt = "x"\n', MATH], "'system_prompt' needs the chat template"),
        (['[chat]\ntemplate = true\nthinking = "<think>"\n', MATH], "an array of pairs of tags"),
        (['[chat]\ntemplate = true\nthinking = [["<t>"]]\n', MATH], "an opening and a closing tag"),
        ([MATH + "temperature = 0.3\n"], "'temperature' needs samples"),
        ([MATH + "samples = 0\n"], "must be at least 1"),
        ([MATH + "samples = 5\ntop_p = 1.5\n"], "'top_p' must be at most 1, not 1.5"),
        (
            ['[[tasks]]\nsuite = "pairs"\nlanguages = ["en"]\nsamples = 5\n'],
            "nothing is generated here",
        ),
        (
            ['[[tasks]]\nsuite = "extended"\nlanguages = ["en"]\ntokens = 32\nbucket = 64\n'],
            "longer than an answer",
        ),
        ([MATH + "turns = 2\n"], "unknown key 'turns'"),
    ],
)
def test_bad_settings_are_named(tmp_path: Path, chat: Path, parts: list[str], message: str) -> None:
    with pytest.raises(StudyError) as caught:
        read(tmp_path, chat, *parts)
    assert message in str(caught.value)


def test_a_template_that_is_not_there_is_an_error_before_anything_is_built(
    tmp_path: Path, tiny_model: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    study = write(tmp_path, tiny_model("llama"), "[chat]\ntemplate = true\n", MATH)
    assert babelbits(["run", str(study), "--no-report"]) == ExitCode.USAGE
    assert "the model has none" in capsys.readouterr().err
    assert babelbits(["plan", str(study)]) == ExitCode.USAGE


def test_auto_is_settled_by_the_model(
    tmp_path: Path, chat: Path, tiny_model: Callable[[str], Path]
) -> None:
    study = read(tmp_path, chat, '[chat]\ntemplate = "auto"\n', MATH)
    on, off = (settle_study(study, folder) for folder in (chat, tiny_model("llama")))
    assert [one.suites[0].options.chat.template for one in (on, off)] == ["on", "off"]
    assert [len(one.suites[0].options.chat.tags) for one in (on, off)] == [2, 0]


def test_a_chat_model_asked_in_plain_text_is_warned_of(
    tmp_path: Path,
    chat: Path,
    tiny_model: Callable[[str], Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    plain = settle_study(read(tmp_path, chat, MATH), chat)
    assert "chat template" in str(warn_unused_template(plain, chat))
    assert warn_unused_template(plain, tiny_model("llama")) is None
    assert babelbits(["plan", str(tmp_path / "study.toml")]) == ExitCode.DONE
    assert "warning: the model has a chat template" in capsys.readouterr().err


def test_template_and_system_prompt_are_in_the_identity(tmp_path: Path, chat: Path) -> None:
    def identity(settings: str, model: Path = chat) -> object:
        study = settle_study(read(tmp_path, model, f"[chat]\n{settings}\n", MATH), model)
        return make_identities(study, model)["math"]

    other = make_chat(chat, tmp_path / "other", template=TEMPLATE + " ")
    found = [
        identity("template = false"),
        identity("template = true"),
        identity("template = true", other),
        identity('template = true\nsystem_prompt = "Be terse."'),
        identity("template = true\nenable_thinking = true"),
        identity("template = true\nthinking = false"),
    ]
    assert found[0] is None, "plain prompts keep the ids they had"
    assert len({json.dumps(one) for one in found}) == len(found)


@pytest.fixture(scope="module")
def finished(chat: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose template opens a block of thinking, which noise never closes."""
    folder = tmp_path_factory.mktemp("finished")
    model = make_chat(chat, folder / "model", template=OPENS)
    study = write(
        folder,
        model,
        "[chat]\ntemplate = true\n",
        '[[variants]]\nrecipe = "w8a8"\n',
        MATH,
        '[[tasks]]\nsuite = "confusion"\nlanguages = ["en"]\nchat = { template = false }\n'
        "samples = 2\ntemperature = 5.0\ntop_p = 1.0\n",
        '[[tasks]]\nsuite = "extended"\nlanguages = ["en", "nb"]\ntokens = 32\nbucket = 16\n'
        "turns = 2\nchat = { thinking = false }\n",
    )
    assert babelbits(["run", str(study), "--workers", "2"]) == ExitCode.DONE
    return folder


def rows(
    folder: Path, suite: str, *, replicate: int = 0, variant: str = "baseline"
) -> list[ItemRow]:
    return [
        row
        for meta, found in Store(folder / "run", smoke=True).cells()
        if (meta.task.suite, meta.replicate, meta.variant) == (suite, replicate, "baseline")
        for row in found
    ]


@pytest.mark.slow
def test_thinking_that_never_ends_is_counted_and_never_scored(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for row in rows(finished, "math"):
        [answer] = row.answers
        assert (row.output, row.finish_reason) == ("", "length")
        assert row.scores == {"exact_match": 0.0}
        assert answer.thinking_tokens == answer.output_tokens > 0
    assert babelbits(["run", str(finished / "study.toml")]) == ExitCode.DONE
    said = capsys.readouterr().err
    assert "never stopped thinking and were scored as empty" in said
    page = (finished / "run" / "smoke" / "report.html").read_text("utf-8")
    assert "never stopped thinking" in page


@pytest.mark.slow
def test_samples_are_kept_and_the_aa_cell_draws_others(finished: Path) -> None:
    first, again = (rows(finished, "confusion", replicate=n) for n in (0, 1))
    texts, others = (
        [[one.text for one in row.answers] for row in found] for found in (first, again)
    )
    assert all(len(set(pair)) == 2 for pair in texts), "two draws"
    assert all(set(a).isdisjoint(b) for a, b in zip(texts, others, strict=True))
    ids = ([row.item_id for row in found] for found in (first, again))
    assert next(ids) == next(ids)


@pytest.mark.slow
def test_turns_are_asked_and_shown_by_position(finished: Path) -> None:
    found = rows(finished, "extended")
    assert {len(row.answers) for row in found} <= {1, 2}
    assert any(len(row.answers) == 2 for row in found)
    page = (finished / "run" / "smoke" / "report.html").read_text("utf-8")
    assert '<section id="positions">' in page


@pytest.mark.slow
def test_the_plan_says_how_tasks_are_asked(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert babelbits(["plan", str(finished / "study.toml"), "--json"]) == ExitCode.DONE
    said = json.loads(capsys.readouterr().out)["asked"]
    assert said == [
        "math, extended: as a chat",
        "confusion: plain text, 2 samples an item (temperature 5, top_p 1)",
    ]


@pytest.mark.slow
def test_the_same_command_again_computes_nothing(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert babelbits(["run", str(finished / "study.toml"), "--no-report"]) == ExitCode.DONE
    assert "nothing to do: all 12 cells are recorded" in capsys.readouterr().err

"""Samples in both engines and for lm-eval, scaled limits under a chat template: whole runs."""

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest

from babelbits.bundled import find_bundled_model
from babelbits.cli.main import run as babelbits
from babelbits.errors import ExitCode
from babelbits.records import CellMeta, ItemRow
from babelbits.store import Store
from chat_models import make_chat

YAML = """
task: continue_thing
dataset_path: some/data
test_split: test
output_type: generate_until
doc_to_text: "{{q}}"
doc_to_target: "{{a}}"
generation_kwargs: {until: ["."], max_gen_toks: 6, do_sample: false}
metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true}]
"""
SAMPLED = """\
[study]
name = "sampled"
folder = "run"

[model]
path = "bundled"

[[variants]]
recipe = "gguf"

[[tasks]]
suite = "confusion"
languages = ["nb"]
samples = 3

[[tasks]]
suite = "continue_thing"
include_path = "yaml"
languages = ["en"]
samples = 3
temperature = 1.5
top_p = 1.0

[data]
continue_thing = "data"

[limits]
items = 3
[analysis]
baseline_by_engine = false
"""
CHAT = """\
[study]
name = "limits of a chat"
folder = "run"

[model]
path = "{model}"

[chat]
template = true

[[tasks]]
suite = "mgsm"
languages = ["en", "th"]
shots = 0
token_limits = "{limits}"

[data]
mgsm = "{data}"

[limits]
items = 2
"""


def cells(folder: Path) -> list[tuple[CellMeta, tuple[ItemRow, ...]]]:
    return list(Store(folder / "run", smoke=True).cells())


@pytest.mark.slow
def test_three_samples_an_item_in_both_engines_and_on_a_task_of_lm_eval(
    llama_cpp: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("yaml", "data"):
        (tmp_path / name).mkdir()
    (tmp_path / "yaml" / "thing.yaml").write_text(YAML)
    asked = [{"q": f"The {noun} is", "a": "x"} for noun in ("house", "dog", "sea", "bread")]
    (tmp_path / "data" / "test.jsonl").write_text("\n".join(map(json.dumps, asked)))
    study = tmp_path / "study.toml"
    study.write_text(SAMPLED)
    assert babelbits(["run", str(study), "--no-report"]) == ExitCode.DONE
    found = cells(tmp_path)
    engines = {(meta.variant, meta.identity["engine"]["name"]) for meta, _ in found}
    assert engines == {("baseline", "transformers"), ("gguf", "llama.cpp")}
    for meta, rows in found:
        assert len(rows) == 3
        assert meta.task.metric(meta.task.primary).kind == "bounded", "means of right and wrong"
        for row in rows:
            assert len(row.answers) == 3
            for name, score in row.scores.items():
                each = [answer.scores[name] for answer in row.answers]
                assert score == pytest.approx(sum(map(float, filter(None, each))) / 3)
        drawn = [{answer.text for answer in row.answers} for row in rows]
        assert meta.task.suite == "confusion" or any(len(texts) > 1 for texts in drawn)
    capsys.readouterr()
    assert babelbits(["run", str(study), "--no-report"]) == ExitCode.DONE
    assert "nothing to do: all 6 cells" in capsys.readouterr().err


def limit_line(study: Path, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert babelbits(["plan", str(study), "--build"]) == ExitCode.DONE
    said = capsys.readouterr()
    (line,) = re.findall(r"token limit of mgsm: .*", said.out + said.err)
    return str(line)


@pytest.mark.slow
@pytest.mark.shared_data
def test_limits_scale_under_a_chat_template(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The ratio counted here with the model's tokenizer, on the prompts that were recorded."""
    from tokenizers import Tokenizer

    model = make_chat(find_bundled_model(), tmp_path / "model")
    study = tmp_path / "study.toml"

    def write(limits: str) -> None:
        study.write_text(CHAT.format(model=model, data=shared_data / "mgsm", limits=limits))

    write("fixed")
    assert limit_line(study, capsys) == "token limit of mgsm: 256"
    write("scaled")
    assert babelbits(["run", str(study), "--no-report"]) == ExitCode.DONE
    prompts = {meta.task.language: [row.prompt for row in rows] for meta, rows in cells(tmp_path)}
    assert all("<|user|>\n" in one and one.endswith("<|assistant|>\n") for one in prompts["th"])
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    thai, english = (
        sum(len(tokenizer.encode(text, add_special_tokens=False).ids) for text in prompts[code])
        for code in ("th", "en")
    )
    assert thai > english
    scaled = math.ceil(256 * thai / english)
    line = limit_line(study, capsys)
    assert line == f"token limit of mgsm: en 256, th {scaled}"

"""The studies of a QAT lab, one a mix and seed: ordinary files that `babelbits run` takes.

The baseline of each is the control (of the last one, the untrained model); the variants are found
checkpoints in folders beside it. Held-out text is a group of lm-eval's tasks in the lab's own
folder, asked by the same code as every suite. Nothing is run here; a file that is there is left
alone where it says the same.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from babelbits.lab.qat_design import (
    HELD_OUT,
    QUANTIZED,
    Arm,
    Mix,
    QatDesign,
    find_base_folder,
    find_folder,
    name_mix,
)
from babelbits.lab.qat_text import LanguageText
from babelbits.store.atomic import write_atomically

STUDY = "study.toml"
TEXT = "text"
FRACTION_MARGIN = 0.05
_TASK = """\
task: {task}
dataset_path: json
dataset_kwargs:
  data_files: {{ test: {language}.jsonl }}
output_type: loglikelihood_rolling
test_split: test
doc_to_text: ""
doc_to_target: "{{{{text}}}}"
metric_list:
  - metric: bits_per_byte
"""


def write_held_out(lab: Path, texts: Mapping[str, LanguageText]) -> None:
    """The held-out lines of every language as one suite."""
    folder = lab / TEXT
    names = [f"{HELD_OUT}_{language}" for language in texts]
    group = f"group: {HELD_OUT}\ntask: [{', '.join(names)}]\n"
    _write(folder / f"{HELD_OUT}.yaml", group)
    for name, (language, text) in zip(names, texts.items(), strict=True):
        _write(folder / f"{name}.yaml", _TASK.format(task=name, language=language))
        rows = [
            json.dumps({"id": f"{language}-{number}", "text": line}, ensure_ascii=False)
            for number, line in enumerate(text.held_out, start=1)
        ]
        _write(folder / f"{language}.jsonl", "\n".join(rows) + "\n")


def write_study(lab: Path, design: QatDesign, mix: Mix, seed: int) -> Path:
    """The study of a mix and a seed: control, and what was quantized. Returns its path."""
    folder = find_folder(lab, mix, seed)
    return _study(
        folder,
        design,
        name=f"QAT lab, {name_mix(mix)}, seed {seed}",
        model="control",
        arms=QUANTIZED,
        text="../../text",
        aa=False,
    )


def write_untrained(lab: Path, design: QatDesign) -> Path:
    """The study of the untrained model and its PTQ. Returns its path."""
    arms: tuple[Arm, ...] = ("ptq", "gptq")
    return _study(
        find_base_folder(lab),
        design,
        name="QAT lab, untrained",
        model="plain",
        arms=arms,
        text="../text",
        aa=True,
    )


def _study(
    folder: Path,
    design: QatDesign,
    *,
    name: str,
    model: str,
    arms: Sequence[Arm],
    text: str,
    aa: bool,
) -> Path:
    items = "" if design.items is None else f"items = {design.items}\n"
    margins = f'margins = {{ "bits/byte" = {design.margin}, fraction = {FRACTION_MARGIN} }}\n'
    tables = [
        f'[study]\nname = "{name}"\nfolder = "results"\n',
        f'[model]\npath = "{model}"\n',
        '[engine]\ndtype = "float32"\nbatch_items = 240\n',
        *(f'[[variants]]\npath = "{arm}"\nname = "{arm}"\n' for arm in arms),
        _task(HELD_OUT, design.languages, more=f'include_path = "{text}"\n'),
        *(_task(one.name, one.languages, more=items) for one in design.suites),
        f"[analysis]\nalpha = {design.alpha}\naa = {str(aa).lower()}\n{margins}",
    ]
    return _write(folder / STUDY, "\n".join(tables))


def _task(suite: str, languages: Sequence[str], *, more: str) -> str:
    return f'[[tasks]]\nsuite = "{suite}"\nlanguages = {json.dumps(list(languages))}\n{more}'


def _write(path: Path, text: str) -> Path:
    """Write a file, unless it says the same already."""
    if not path.is_file() or path.read_text("utf-8") != text:
        write_atomically(path, text.encode())
    return path

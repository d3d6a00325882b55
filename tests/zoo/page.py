"""`docs/models.md`: which architecture works with which recipe, and why not where it does not."""

from collections import defaultdict
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from babelbits.study.rehearsal import RehearsalFault, RehearsalResult
from zoo.build import ZOO, names
from zoo.recipes import COLUMNS, engine_of

_LIBRARIES = (
    *("transformers", "llmcompressor", "compressed-tensors", "bitsandbytes", "llama-cpp-python"),
)
_MARKS = {"works": "yes", "fails": "no", "unrehearsable": "?"}
_HEAD = """# Which models, which recipes

Written by `make models`, which rehearses every recipe on a tiny checkpoint of every architecture:
real kinds of layers, tokenizers and configs, random weights. A variant is made by the code that
studies use, loaded in the engine that would run it, and checked:

1. every module that the recipe means is quantized, weights and activations, and no other;
2. logits are those of the dequantized file;
3. in llama.cpp and float32 the converted model gives the tokens and log-probabilities of the
   transformers engine;
4. generation with rows that end at different times works, with shared prompts and without;
5. the default attention computes what the plain one computes.

Measured on a CPU with {libraries}.

**yes**: passes all checks. **no**: `plan` and `run` refuse it, with the reason below and a way out.
**?**: cannot be rehearsed on a miniature; the run goes on and checks the variant itself before its
first cell. Empty: not rehearsed.

The tables have no columns for the newer formats (`w8a8-static`, `fp8-block`, `mxfp8`, `w4a8`,
`mxfp4`, `nvfp4`, `nvfp4a16`), `autoround` and `spinquant`, which `run` rehearses on a miniature
of the model at hand, nor for checkpoints that others quantized, which it does not
([found.md](found.md)).

"""


def write_page(path: Path, results: Mapping[tuple[str, str], RehearsalResult]) -> None:
    """Write the page from all rehearsals that are known."""
    libraries = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    parts = [_HEAD.format(libraries=libraries)]
    for engine in ("transformers", "llama.cpp"):
        parts += [f"## In {engine}\n\n", _table(engine, results), "\n"]
    parts += ["## Why not\n\n", _reasons(results)]
    path.write_text("".join(parts), encoding="utf-8")


def read_marks(path: Path) -> dict[tuple[str, str], str]:
    """What a page says: (architecture, column) -> 'yes', 'no' or '?', where it says anything."""
    found: dict[tuple[str, str], str] = {}
    columns: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[0] == "architecture":
            columns = [cell.strip("`") for cell in cells[2:]]
        elif cells[0] in ZOO:
            marked = zip(columns, cells[2:], strict=True)
            found |= {(cells[0], column): mark for column, mark in marked if mark}
    return found


def _table(engine: str, results: Mapping[tuple[str, str], RehearsalResult]) -> str:
    columns = [column for column in COLUMNS if engine_of(column) == engine]
    head = ["architecture", "models", *(f"`{column}`" for column in columns)]
    lines = [head, ["---"] * len(head)]
    for name in names():
        cells = [_mark(results.get((name, column))) for column in columns]
        lines.append([name, ZOO[name].models, *cells])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _mark(result: RehearsalResult | None) -> str:
    return "" if result is None else _MARKS[result.outcome]


def _reasons(results: Mapping[tuple[str, str], RehearsalResult]) -> str:
    """One item a kind of fault, with its first words and where it is met; numbers do not count."""
    faults: dict[tuple[str, tuple[str, str]], RehearsalFault] = {}
    places: dict[tuple[str, tuple[str, str]], dict[str, list[str]]] = {}
    for (name, column), result in sorted(results.items()):
        if result.fault is not None:
            key = (_MARKS[result.outcome], result.fault.kind)
            faults.setdefault(key, result.fault)
            places.setdefault(key, defaultdict(list))[name].append(column)
    return "".join(
        f"- **{mark}**, {_list(places[mark, kind])}: {_sentence(fault)}\n"
        for (mark, kind), fault in faults.items()
    )


def _list(places: Mapping[str, list[str]]) -> str:
    return "; ".join(
        f"{name} ({', '.join(f'`{column}`' for column in _in_order(columns))})"
        for name, columns in places.items()
    )


def _sentence(fault: RehearsalFault) -> str:
    advice = f" Way out: {_plain(fault.hint)}." if fault.hint else ""
    return f"{_plain(fault.what)}.{advice}"


def _in_order(columns: list[str]) -> list[str]:
    order = list(COLUMNS)
    return sorted(columns, key=order.index)


def _plain(text: str) -> str:
    """Text of a library without what Markdown would read in it, and without this machine's home."""
    return (
        text.rstrip(".")
        .replace(str(Path.home()), "~")
        .replace("|", "\\|")
        .replace("<", "&lt;")
        .replace("*", "\\*")
    )

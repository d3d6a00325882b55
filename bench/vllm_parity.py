"""Our vLLM engine and our transformers engine on the same checkpoints, one after the other.

For every checkpoint: how far apart log-likelihoods are at most and on average (nats a token), which
share of greedy continuations is the same, and, where one is not, how far apart the two most likely
tokens are at the first place where they part: below 1e-3 nats neither is wrong. In float32 the
difference is a test of the engine; in bfloat16 and of quantized weights it is how much a number
depends on the engine alone.

    python bench/vllm_parity.py [--only llama3,qwen3] [--out table.md] [--json]

Needs an environment with vLLM: BABELBITS_VLLM_PYTHON, or the one of `babelbits doctor --fix vllm`.
Tiny checkpoints are random ones with the published configurations (`tests/zoo`).
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise, takewhile
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import numpy as np

from babelbits.api import make_variant
from babelbits.bundled import find_bundled_model
from babelbits.engines import transformers, vllm
from babelbits.engines.base import EngineSettings
from babelbits.engines.distributions import KeptDistributions
from babelbits.engines.encoding import Query
from babelbits.engines.replies import Continuation, make_continuations
from babelbits.errors import BabelbitsError
from babelbits.records import Failure, GenerateRequest, ScoreRequest, TextRequest
from babelbits.tasks import catalogue
from babelbits.tasks.base import TaskOptions

BEYOND = "cohere2 beyond its window"
"""With a window of 64, where the texts are longer: see docs/vllm.md."""
TINY = ("llama3", "qwen2", "qwen3", "cohere", "cohere2", BEYOND, "gemma2", "gemma3-text")
SETTINGS = {"cohere2": {"sliding_window": 4096}}
"""In place of the tiny checkpoint's own: the published window, in which all texts here fit."""
LANGUAGES = ("en", "de", "ja", "ar", "sw", "hi")
NEW_TOKENS = 32
SAME_TOP = 1e-3
"""Nats between the two most likely tokens below which either is right."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """What was found on one checkpoint."""

    model: str
    dtype: str
    tokens: int = 0
    largest: float = 0.0
    """Largest difference of log-likelihoods, nats a token."""
    mean: float = 0.0
    """Mean absolute difference, nats a token."""
    texts: int = 0
    same: int = 0
    """Continuations with the same text."""
    widest: float = 0.0
    """Nats between the two most likely tokens where continuations part; the largest."""
    seconds: float = 0.0
    """Of loading vLLM."""
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A checkpoint and the type that it is computed in."""

    model: str
    dtype: str
    folder: Callable[[], Path]


def cases(place: Path, only: Sequence[str]) -> Iterator[Case]:
    """All of them, made when their turn comes."""
    from zoo.build import build

    chosen = {"float32": ("bundled", *TINY), "bfloat16": ("bundled", "llama3")}
    for dtype, models in chosen.items():
        for model in models:
            if not only or model in only:
                folder = (
                    find_bundled_model if model == "bundled" else _once(build, model, place / model)
                )
                yield Case(model=model, dtype=dtype, folder=folder)
    for recipe in ("w8a8", "w4-g"):
        for dtype in ("float32", "bfloat16"):
            label = f"bundled {recipe}"
            if not only or label in only or recipe in only:
                out = place / recipe
                yield Case(model=label, dtype=dtype, folder=_variant(recipe, out))


def _once(build: Callable[..., Path], model: str, folder: Path) -> Callable[[], Path]:
    settings = SETTINGS.get(model, {})
    name = model.partition(" ")[0]
    return lambda: folder if folder.is_dir() else build(name, folder, settings=settings)


def _variant(recipe: str, out: Path) -> Callable[[], Path]:
    def made() -> Path:
        if not out.is_dir():
            make_variant("bundled", recipe, out, calibration="en" if recipe == "w4-g" else None)
        return out

    return made


def questions() -> tuple[list[ScoreRequest], list[TextRequest], list[GenerateRequest]]:
    """Choices behind shared prefixes, whole texts, and prompts, in several scripts."""
    texts = [text for language in LANGUAGES for text in _texts(language)]
    scores = [
        ScoreRequest(context=f"{first}\n\n{second[: len(second) // 2]}", continuation=ending)
        for first, second in pairwise(texts)
        for ending in (second[len(second) // 2 :][:24] or " x", " A", " B", " not this one")
    ]
    prompts = [
        GenerateRequest(prompt=text[: len(text) // 2], max_new_tokens=NEW_TOKENS, stop=stop)
        for text in texts
        for stop in ((), (".", "。"))
    ]
    return scores, [TextRequest(text=text) for text in texts], prompts


def _texts(language: str, n: int = 3) -> list[str]:
    """Sentences of the package's own parallel text."""
    task = catalogue.load("text", language, TaskOptions(limit=n))
    return [request.text for item in task.items() for request in item.requests]


def compare(case: Case) -> Row:
    """Ask both engines the same questions."""
    settings = EngineSettings(device="cpu", dtype=case.dtype)
    folder = case.folder()
    started = time.monotonic()
    try:
        subject = vllm.load(folder, settings=settings)
    except BabelbitsError as error:
        return Row(model=case.model, dtype=case.dtype, note=f"{error.what}".splitlines()[0])
    seconds = time.monotonic() - started
    oracle = transformers.load(folder, settings=settings)
    try:
        return _compare(case, subject, oracle, seconds)
    finally:
        subject.close()
        oracle.close()


def _compare(case: Case, subject: Any, oracle: Any, seconds: float) -> Row:
    scores, texts, prompts = questions()
    changes = []
    for one, two in zip(subject.score(scores), oracle.score(scores), strict=True):
        if not isinstance(two, Failure):
            changes.append(
                ((one.logprob - two.logprob) / two.continuation_tokens, two.continuation_tokens)
            )
    for one, two in zip(subject.score_text(texts), oracle.score_text(texts), strict=True):
        pairs = zip(one.logprobs, two.logprobs, strict=True)
        changes += [(a - b, 1) for a, b in pairs]
    sizes = np.abs([change for change, _n in changes])
    written = zip(_grown(subject, prompts), _grown(oracle, prompts), strict=True)
    parted = [(one, two) for one, two in written if one.tokens != two.tokens]
    return Row(
        model=case.model,
        dtype=case.dtype,
        tokens=sum(n for _change, n in changes),
        largest=float(sizes.max()),
        mean=float(np.average(sizes, weights=[n for _change, n in changes])),
        texts=len(prompts),
        same=len(prompts) - len(parted),
        widest=max((_gap(oracle, *pair) for pair in parted), default=0.0),
        seconds=seconds,
        note="; ".join(note for note in subject.notes if "vLLM" in note),
    )


def _grown(engine: Any, prompts: Sequence[GenerateRequest]) -> list[Continuation]:
    """Greedy continuations, in tokens."""
    encoded = engine.encoder.prompts(prompts)
    grown = [make_continuations(r, p)[0] for r, p in zip(prompts, encoded, strict=True)]
    engine._generate(grown)
    return grown


def _gap(oracle: Any, one: Continuation, two: Continuation) -> float:
    """How far apart the two most likely tokens are where two continuations part, nats."""
    pairs = zip(one.tokens, two.tokens, strict=False)
    at = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    tokens = [*one.prompt.tokens, *two.tokens[:at]]
    query = Query(tokens=tokens, targets=[two.tokens[at]], prompt_tokens=len(tokens))
    reader = KeptDistributions(np.array(query.targets), k=2)
    oracle._show([query], reader)
    (best,) = reader.reply(slice(0, 1)).logprobs
    return float(best[0] - best[1])


def table(rows: Sequence[Row]) -> str:
    """Markdown."""
    lines = [
        "| model | type | tokens | largest difference | mean | same text | gap where not |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        if not row.tokens:
            lines.append(f"| {row.model} | {row.dtype} | not run: {row.note} | | | | |")
            continue
        gap = f"{row.widest:.1e}" if row.same < row.texts else ""
        lines.append(
            f"| {row.model} | {row.dtype} | {row.tokens:,} | {row.largest:.1e} | {row.mean:.1e} | "
            f"{row.same} of {row.texts} | {gap} |"
        )
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str]) -> None:
    """Compare, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="checkpoints, with commas")
    parser.add_argument("--out", type=Path, help="write the table there, too")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    only = [name for name in options.only.split(",") if name]
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="parity-") as place:
        for case in cases(Path(place), only):
            rows.append(compare(case))
            print(json.dumps(asdict(rows[-1])), file=sys.stderr, flush=True)
            if options.out:
                options.out.write_text(table(rows), encoding="utf-8")
    found: Mapping[str, Any] = {"rows": [asdict(row) for row in rows]}
    print(json.dumps(found) if options.json else table(rows))


if __name__ == "__main__":
    main(sys.argv[1:])

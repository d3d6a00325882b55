"""Start the process that rehearses, listen to it, and start it again where a variant killed it.

A crash of a library is a variant's fault and no more: the child says which variant it begins, and
if it ends before it says how that went, that is how it went. Needs no torch.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from babelbits.children import lifeline
from babelbits.engines.base import EngineSettings
from babelbits.formats.trust import UNTRUSTED, Trust
from babelbits.libraries import find_version
from babelbits.recipes.family import find_family
from babelbits.recipes.gguf_base import is_gguf
from babelbits.records import JSON
from babelbits.registry import RECIPES
from babelbits.study.config.spec import VariantSpec
from babelbits.study.rehearsal import memory
from babelbits.study.rehearsal.outcomes import (
    NO_ROOM,
    Attempt,
    Depth,
    RehearsalFault,
    RehearsalResult,
    Stage,
    choose_next_depth,
    conclude,
)

MODULE = "babelbits.study.rehearsal.child"
_PATIENCE = 900.0
"""Seconds without a word after which the child is taken for stuck."""
_STUCK = "its process was stuck"
_ENDED = "its process ended with exit code"


def rehearse_variant(base: Path, variant: VariantSpec, **options: Any) -> RehearsalResult:
    """The rehearsal of one variant; see `rehearse_variants`."""
    (result,) = rehearse_variants(base, [variant], **options)
    return result


def rehearse_variants(
    base: Path,
    variants: Sequence[VariantSpec],
    *,
    engine: EngineSettings | None = None,
    seed: int = 0,
    texts: Mapping[str, Sequence[str]] = MappingProxyType({}),
    chat: bool = False,
    trust: Trust = UNTRUSTED,
    allow_token_differences: bool = False,
    remember: bool = True,
) -> Iterator[RehearsalResult]:
    """Rehearse variants of a base, each as soon as it is known.

    Parameters
    ----------
    base : Path
        Folder of an unquantized Hugging Face checkpoint; of a GGUF file nothing can be rehearsed.
    variants : sequence of VariantSpec
        Labels are only passed through; the recipe 'baseline' is the model as it is.
    texts : mapping
        What the study asks, by language, to compare tokenizers and logits on.
    chat : bool
        Whether the study asks through the chat template.
    remember : bool
        Use and keep results in the user's cache folder (`memory`).

    Yields
    ------
    RehearsalResult
        One a variant. Those that are the same but for seeds, parts or languages of calibration
        text are rehearsed once.
    """
    stage = Stage(
        base=base,
        engine=EngineSettings() if engine is None else engine,
        seed=seed,
        texts={language: tuple(passages) for language, passages in texts.items()},
        chat=chat,
        trust=trust,
        allow_token_differences=allow_token_differences,
    )
    architecture = memory.name_architecture(base)
    alike: dict[str, list[VariantSpec]] = {}
    for variant in variants:
        alike.setdefault(memory.make_key(stage, variant), []).append(variant)
    todo: dict[str, VariantSpec] = {}
    for key, group in alike.items():
        known = memory.find(key) if remember else None
        if known is None:
            todo[key] = group[0]
        else:
            yield from _for_all(replace(known, cached=True), group)
    if not todo:
        return
    if is_gguf(base):
        for key, variant in todo.items():
            reason = RehearsalFault(
                check="miniature", what="a GGUF file cannot be shrunk", known=True
            )
            tried = [Attempt(depth="one period", seconds=0.0, fault=reason)]
            yield from _for_all(conclude_attempts(variant, tried, architecture), alike[key])
        return
    for key, attempts in iterate_attempts(stage, todo):
        result = conclude_attempts(todo[key], attempts, architecture)
        if remember and not _by_chance(result):
            memory.keep(key, result)
        yield from _for_all(result, alike[key])


def _for_all(result: RehearsalResult, group: Sequence[VariantSpec]) -> Iterator[RehearsalResult]:
    for number, variant in enumerate(group):
        yield replace(result, label=variant.label, seconds=0.0 if number else result.seconds)


def _by_chance(result: RehearsalResult) -> bool:
    """Whether another try may end otherwise: no memory or disk, a process stuck or never begun."""
    if result.fault is None:
        return False
    words = (signal.SIGKILL.name, _STUCK, NO_ROOM)
    never = result.fault.check == "miniature" and _ENDED in result.fault.what
    return never or any(word in result.fault.what for word in words)


def conclude_attempts(
    variant: VariantSpec, attempts: Sequence[Attempt], architecture: str
) -> RehearsalResult:
    """What the attempts of a variant come to, with the library that it needs."""
    family = find_family(variant.recipe)
    distribution = family.main_library or RECIPES.owner(family.name)
    return conclude(
        attempts,
        label=variant.label,
        recipe=variant.recipe,
        architecture=architecture,
        library=f"{distribution} {find_version(distribution) or 'not installed'}",
    )


# --- the child -----------------------------------------------------------------------------------


def iterate_attempts(
    stage: Stage, variants: Mapping[str, VariantSpec]
) -> Iterator[tuple[str, list[Attempt]]]:
    """All attempts of every variant, as each is closed."""
    attempts: dict[str, list[Attempt]] = {key: [] for key in variants}
    home = None if stage.made is None else stage.made.parent  # a real model may not fit elsewhere
    with tempfile.TemporaryDirectory(prefix=".rehearsal-", dir=home) as place:
        while attempts:
            for key in _one_child(stage, variants, attempts, Path(place)):
                yield key, attempts.pop(key)


def _one_child(
    stage: Stage,
    variants: Mapping[str, VariantSpec],
    attempts: dict[str, list[Attempt]],
    place: Path,
) -> Iterator[str]:
    """Run a child as long as it lives; yields variants that are closed.

    Every child closes an attempt, at least by its death, so that there is an end.
    """
    job = place / "job.json"
    job.write_text(json.dumps(_job(stage, variants, attempts, place)), "utf-8")
    current: tuple[str, Depth] | None = None
    started = time.monotonic()
    child = _Child(job, place / "log")
    try:
        for said in child.lines():
            if "begin" in said:
                current = (said["begin"], said["depth"])
                started = time.monotonic()
            elif "end" in said:
                key, current = said["end"], None
                attempts[key].append(Attempt.from_object(said["attempt"]))
                if stage.made is not None or _closed(attempts[key], variants[key]):
                    yield key
        if attempts:
            seconds = time.monotonic() - started
            made = stage.made is not None
            yield from _died(child, current, attempts, variants, seconds=seconds, made=made)
    finally:
        child.end()


def _died(
    child: "_Child",
    current: tuple[str, Depth] | None,
    attempts: dict[str, list[Attempt]],
    variants: Mapping[str, VariantSpec],
    *,
    seconds: float,
    made: bool,
) -> Iterator[str]:
    """What it means that the child is gone before all is closed."""
    what = child.death()
    if current is None:  # it never began: nothing can be rehearsed here
        fault = RehearsalFault(check="miniature", what=what)
        for key in list(attempts):
            depth = (
                choose_next_depth(attempts[key], by_layers=_by_layers(variants[key]))
                or "one period"
            )
            attempts[key].append(Attempt(depth=depth, seconds=0.0, fault=fault))
            yield key
        return
    key, depth = current
    fault = RehearsalFault(check=child.stage or "making", what=what)
    attempts[key].append(Attempt(depth=depth, seconds=seconds, fault=fault))
    if made or _closed(attempts[key], variants[key]):
        yield key


def _closed(attempts: Sequence[Attempt], variant: VariantSpec) -> bool:
    return choose_next_depth(attempts, by_layers=_by_layers(variant)) is None


def _by_layers(variant: VariantSpec) -> bool:
    return find_family(variant.recipe).reads_layer_count


def _job(
    stage: Stage,
    variants: Mapping[str, VariantSpec],
    attempts: Mapping[str, Sequence[Attempt]],
    place: Path,
) -> JSON:
    """What the child is asked, as JSON; variants that an earlier child began come first."""
    order = sorted(attempts, key=lambda key: not attempts[key])
    return {
        **{name: getattr(stage, name) for name in stage.__dataclass_fields__},
        "engine": asdict(stage.engine),
        "trust": asdict(stage.trust),
        "base": str(stage.base.resolve()),
        "place": str(place),
        "made": None if stage.made is None else str(stage.made),
        "variants": [
            {
                "key": key,
                "recipe": variants[key].recipe,
                "parameters": dict(variants[key].parameters),
                "calibration": _calibration(variants[key]),
                "attempts": [asdict(attempt) for attempt in attempts[key]],
            }
            for key in order
        ],
    }


def _calibration(variant: VariantSpec) -> JSON | None:
    spec = variant.calibration
    if spec is None:
        return None
    return {**asdict(spec), "folder": None if spec.folder is None else str(spec.folder)}


class _Child:
    """The process that rehearses, seen from outside."""

    def __init__(self, job: Path, log: Path) -> None:
        self._log = log
        self.stage: Any = None
        """The check that it was last at."""
        self._stuck = False
        self._alive = ExitStack()
        with log.open("wb") as said:
            self._process = subprocess.Popen(
                [sys.executable, "-m", MODULE, str(job)],
                stdin=self._alive.enter_context(lifeline()),
                stdout=subprocess.PIPE,
                stderr=said,
                env={**os.environ, "PYTHONFAULTHANDLER": ""},  # which would have the last word
            )
        self._heard = time.monotonic()
        threading.Thread(target=self._watch, daemon=True).start()

    def lines(self) -> Iterator[JSON]:
        """What it says, until it ends."""
        assert self._process.stdout is not None  # noqa: S101  asked for above
        for line in self._process.stdout:
            self._heard = time.monotonic()
            with suppress(ValueError):
                said = json.loads(line)
                if "at" in said:
                    self.stage = said["at"]
                else:
                    yield said
        self._process.wait()

    def _watch(self) -> None:
        while self._process.poll() is None:
            if time.monotonic() - self._heard > _PATIENCE:
                self._stuck = True
                self._process.kill()
                return
            time.sleep(1.0)

    def death(self) -> str:
        """How it ended, in plain words."""
        code = self._process.wait()
        if self._stuck:
            return f"{_STUCK} for {_PATIENCE:g} seconds"
        how = f"{_ENDED} {code}"
        if code < 0:
            how = f"the library killed its process ({signal.Signals(-code).name})"
        lines = [line for line in self._tail().splitlines() if line.strip()]
        telling = [
            line for line in lines if "assert" in line.casefold() or "error" in line.casefold()
        ]
        last = (telling or lines)[-1:]
        return how + (f": {last[0].strip()[:300]}" if last else "")

    def _tail(self) -> str:
        with suppress(OSError):
            return self._log.read_bytes()[-8000:].decode("utf-8", "replace")
        return ""

    def end(self) -> None:
        """Leave no process behind."""
        self._alive.close()
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

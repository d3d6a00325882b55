"""Whether a variant that somebody made reads the study's prompts as the baseline does.

Tokenizers of both are loaded, and no weights. Where the two split a text otherwise, every number
compares two texts: an error with the text, unless the study allows it, and then a note with every
result.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from babelbits.errors import ModelError, StudyError
from babelbits.formats.trust import Trust
from babelbits.llamacpp.vocabulary import find_first_different, open_vocabulary
from babelbits.quiet import quiet
from babelbits.recipes import base_loading as recipes
from babelbits.study.planning.plan_types import Plan, VariantStep
from babelbits.study.planning.tokenizer_probe import sample_texts
from babelbits.words import plural

_SHOWN = 3
_SHOWN_TOKENS = 8
_AROUND = 40
"""Letters of a text, before and after the place where two tokenizers differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherTokens:
    """A text that two tokenizers read differently."""

    language: str
    told: str
    """The place in the text, and what each makes of it."""


@contextmanager
def open_tokenizer(place: Path, *, trust: Trust) -> Iterator[Any]:
    """The tokenizer of a checkpoint or of a GGUF file.

    Raises
    ------
    ModelError
        If it cannot be loaded; of a GGUF file llama.cpp's own words.
    MissingExtraError
        If llama.cpp is needed and not installed.
    """
    if not place.is_dir():
        with open_vocabulary(place) as vocabulary:
            yield vocabulary
        return
    with quiet():
        loaded = recipes.load_tokenizer(place, trust=trust)
    yield loaded


def find_differences(
    texts: Mapping[str, Sequence[str]], baseline: Any, variant: Any
) -> tuple[list[OtherTokens], int]:
    """The texts that two tokenizers read differently, one a language, and how many there are.

    Parameters
    ----------
    texts : mapping
        By language.
    baseline, variant : tokenizers
        Hugging Face's, or `llamacpp.vocabulary.Vocabulary`.
    """
    found: dict[str, OtherTokens] = {}
    count = 0
    for language, several in texts.items():
        for text in several:
            ours, theirs = (list(one(text)["input_ids"]) for one in (baseline, variant))
            if ours != theirs:
                count += 1
                told = _difference(text, ours, theirs, baseline, variant)
                found.setdefault(language, OtherTokens(language=language, told=told))
    return list(found.values()), count


def _difference(
    text: str, ours: Sequence[int], theirs: Sequence[int], baseline: Any, variant: Any
) -> str:
    same = find_first_different(ours, theirs)
    place = len(baseline.decode(list(ours[:same]))) if same else 0
    shown = text[max(0, place - _AROUND) : place + _AROUND]
    part = slice(same, same + _SHOWN_TOKENS)

    def pieces(tokenizer: Any, ids: Sequence[int]) -> str:
        few = list(ids[part])
        return f"{few} {[tokenizer.decode([one]) for one in few]}"

    return (
        f"{shown!r}, from token {same} on\n    baseline: {pieces(baseline, ours)}"
        f"\n    variant:  {pieces(variant, theirs)}"
    )


def check_tokens_of_found(plan: Plan, *, tell: Callable[[str], None]) -> Plan:
    """The plan, in which found variants that read prompts otherwise are marked with that.

    Parameters
    ----------
    plan : Plan
        Its built tasks give the prompts.

    Raises
    ------
    StudyError
        If a variant reads prompts otherwise, and the study does not allow that; or its tokenizer
        cannot be loaded. Names the variant, and shows the text.
    """
    steps = [step for step in plan.variants if step.found is not None and step.needed]
    if not steps:
        return plan
    texts = sample_texts(plan.cells)
    trust = plan.study.model.trust
    marked: dict[str, VariantStep] = {}
    with open_tokenizer(plan.base.folder, trust=trust) as baseline:
        for step in steps:
            assert step.found is not None  # noqa: S101  chosen so
            note = _check(step, step.found.model.folder, baseline, texts, plan=plan)
            if note is not None and step.manifest is not None:
                tell(f"{step.label}: {note}")
                manifest = replace(step.manifest, notes=(*step.manifest.notes, note))
                marked[step.label] = replace(step, manifest=manifest)
    variants = tuple(marked.get(step.label, step) for step in plan.variants)
    return replace(plan, variants=variants)


def _check(
    step: VariantStep,
    place: Path,
    baseline: Any,
    texts: Mapping[str, Sequence[str]],
    *,
    plan: Plan,
) -> str | None:
    """What to say of a variant's tokens; None where they are the baseline's."""
    where = f"variant '{step.label}', {place}"
    try:
        with open_tokenizer(place, trust=plan.study.model.trust) as own:
            found, count = find_differences(texts, baseline, own)
    except ModelError as error:
        hint = error.hint
        if not place.is_dir():
            hint = (
                "the file is damaged, or was written for a newer llama.cpp than the one here: get "
                "it again, or an older conversion of it"
            )
        raise StudyError(error.what, where=where, hint=hint) from error
    if not found:
        return None
    total = sum(map(len, texts.values()))
    languages = ", ".join(one.language for one in found)
    what = f"{count} of {plural(total, 'prompt')} become other tokens than the baseline's"
    if plan.study.model.allow_token_differences:
        return f"{what} ({languages}), so that differences are of the tokenizers too"
    shown = "\n  ".join(f"{one.language}: {one.told}" for one in found[:_SHOWN])
    raise StudyError(
        f"{what} ({languages})\n  {shown}",
        where=where,
        hint="take files with the baseline's tokenizer; or measure both differences as one: "
        "allow_token_differences = true in [model]",
    )

"""The variants of a study that somebody made: where they lie, what they are, and that they fit.

Files are known by their content: other files under the same path are another variant, and the same
files under another path are the same. Nothing is copied and nothing loaded; headers, configs and
hashes only, and no network unless `download` says so.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from babelbits import devices
from babelbits.engines.templates import find_template
from babelbits.errors import BabelbitsError, StudyError
from babelbits.formats.description import ModelDescription, describe
from babelbits.formats.quantization_methods import METHODS, Method
from babelbits.formats.quantized import find_method
from babelbits.formats.unpacked import UNPACKED
from babelbits.llamacpp import gguf_file
from babelbits.records import Manifest
from babelbits.study.config.chat_settings import settle_study
from babelbits.study.config.spec import FOUND, Study, VariantSpec
from babelbits.study.planning.base_model import BaseModel, hash_files, locate
from babelbits.study.planning.hashes import FileHashes
from babelbits.study.planning.same_model import OTHER_TRAINING, compare
from babelbits.words import agreeing

_FP8 = ("fp8", "mxfp8")


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundModel:
    """A variant that somebody made, checked."""

    spec: VariantSpec
    """With what the files say: format and settings."""
    model: BaseModel
    """Where it lies, its hash and its config."""
    description: ModelDescription
    files: Mapping[str, str]
    """Names of the files that count to their SHA-256."""
    notes: tuple[str, ...]
    """What a reader of its numbers should know, one sentence each."""

    @property
    def identity(self) -> dict[str, Any]:
        """Everything that decides its numbers, beside engine and items."""
        cache = {} if self.spec.kv_cache is None else {"kv_cache": self.spec.kv_cache}
        return {
            "recipe": FOUND,
            "content": self.model.hash,
            "libraries": {one.name: one.installed for one in self.description.needs},
            **cache,
        }

    def manifest(self, variant_id: str, *, base: BaseModel) -> Manifest:
        """What is recorded of it in the run folder, in place of its files."""
        about, place = self.description, self.model.folder
        home = place if place.is_dir() else place.parent
        n_weights = about.n_weights or _n_weights(base.folder)
        return Manifest(
            variant_id=variant_id,
            recipe=FOUND,
            parameters=about.settings,
            calibration=None,
            base_model=base.label,
            base_hash=base.hash,
            weights_hash=self.model.hash,
            bits_per_weight=8 * about.bytes / n_weights,
            quantized_bits_per_weight=about.quantized_bits_per_weight,
            n_weights=n_weights,
            bytes_on_disk=sum((home / name).stat().st_size for name in self.files),
            tensors=about.tensors,
            seconds=0.0,
            library_versions={
                one.name: one.installed for one in about.needs if one.installed is not None
            },
            files=self.files,
            format=about.format,
            notes=self.notes,
            place=str(place),
        )


def _n_weights(base: Path) -> int:
    """Of the baseline, where a variant's own files do not tell: it has as many."""
    return max(1, describe(base).n_weights or 1)


def locate_found(
    study: Study, base: BaseModel, *, hashes: FileHashes | None = None, download: bool = False
) -> dict[str, FoundModel]:
    """The found variants of a study by label, checked against its baseline.

    Parameters
    ----------
    study : Study
        As it was read, or settled.
    base : BaseModel
        The baseline's files.
    hashes : FileHashes, optional
        Remembers hashes of large files.
    download : bool
        Fetch from the hub what is not on this machine yet.

    Raises
    ------
    StudyError
        If a variant is missing or cannot be used, is of another model, equals the baseline or
        another variant byte for byte, or brings a chat template of its own and the study does not
        say which to use; names the variant.
    """
    if all(spec.source is None for spec in study.variants):
        return {}
    if study.model.is_elsewhere:
        raise StudyError(
            "files cannot be held against a model that only a server has",
            where=str(study.file),
            hint="name the model's files as `path` in [model], too",
        )
    known = FileHashes() if hashes is None else hashes
    suites = settle_study(study, base.folder).suites
    chat = any(suite.options.chat.template == "on" for suite in suites)
    ours = hash_files(base.folder, hash_file=known.of)
    found: dict[str, FoundModel] = {}
    for spec in study.variants:
        if spec.source is None:
            continue
        try:
            one = _locate(spec, study, base, ours, hashes=known, download=download, chat=chat)
        except BabelbitsError as error:
            raise _about(spec, error) from error
        _refuse_equal(one, found.values(), base)
        found[spec.label] = one
    return found


def resolve_found(study: Study, found: Mapping[str, FoundModel]) -> Study:
    """The study whose found variants say what their files are."""
    variants = tuple(found[one.label].spec if one.label in found else one for one in study.variants)
    return replace(study, variants=variants)


def _about(spec: VariantSpec, error: BabelbitsError) -> BabelbitsError:
    """An error with the name of the variant that it is about, and of its own kind."""
    where = f"variant '{spec.label}'" + (f", {error.where}" if error.where else "")
    hint = error.hint
    if hint is not None:  # written for the study's model
        hint = hint.replace(
            "name the merged folder in [model]", "name the merged folder as `path` of the variant"
        ).replace("check `path` in [model]", "check `path` of the variant")
    return type(error)(error.what, where=where, hint=hint)


def _locate(
    spec: VariantSpec,
    study: Study,
    base: BaseModel,
    ours: Mapping[str, str],
    *,
    hashes: FileHashes,
    download: bool,
    chat: bool,
) -> FoundModel:
    assert spec.source is not None  # noqa: S101  the caller's condition
    source = replace(
        spec.source,
        trust_remote_code=study.model.trust_remote_code,
        allow_pickle=study.model.allow_pickle,
    )
    model = locate(source, hashes=hashes, download=download)
    description = describe(model.folder, config=model.config)
    notes = [f"made by somebody else: {description.in_words()}"]
    notes += description.unknown
    notes += _emulation_notes(description, device=devices.resolve(study.engine.device))
    if model.hash != base.hash:
        compared = compare(base, model, description)
        if compared.other_training is not None:
            notes.append(f"{OTHER_TRAINING}: {compared.other_training}")
        notes += compared.notes
    files = hash_files(model.folder, hash_file=hashes.of)
    notes += _same_weights(ours, files)
    notes += _template_notes(spec, base.folder, model.folder, chat=chat)
    return FoundModel(
        spec=replace(
            spec, source=source, format=description.format, parameters=description.settings
        ),
        model=model,
        description=description,
        files=files,
        notes=tuple(notes),
    )


def _emulation_notes(description: ModelDescription, *, device: str) -> list[str]:
    """Where the numbers are not those of the kernels that would serve the format."""
    if description.format in _FP8 and device == "cpu":
        told = "on a CPU its weights are widened, and its activations not quantized as on a GPU"
        return [told]
    if description.format == "mxfp4" and device == "cpu":
        return ["on a CPU its weights are widened, and multiplied with inputs as they are computed"]
    if description.format in UNPACKED:
        return ["its weights are unpacked to floating point, where its kernels multiply in 16 bits"]
    return []


def _same_weights(ours: Mapping[str, str], theirs: Mapping[str, str]) -> list[str]:
    """What to say of files whose weights are the baseline's and whose configs are not."""
    weights = [name for name in ours if name.endswith((".safetensors", ".bin", ".gguf"))]
    if ours == theirs or any(theirs.get(name) != ours[name] for name in weights):
        return []
    other = [name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name)]
    are = agreeing(len(other), "is another", "are others")
    return [f"its weights are the baseline's, byte for byte: only {', '.join(other)} {are}"]


def _refuse_equal(one: FoundModel, others: Iterable[FoundModel], base: BaseModel) -> None:
    """Refuse files that would be measured twice."""
    label, own = one.spec.label, one.identity
    if one.model.hash == base.hash and one.spec.kv_cache is None:
        raise StudyError(
            "its files are the baseline's, byte for byte: there is nothing to compare",
            where=f"variant '{label}', {one.model.folder}",
            hint="leave the variant out; what running the same files again gives is the A/A run's "
            "part",
        )
    for other in others:
        if other.identity == own:
            raise StudyError(
                f"its files are those of the variant '{other.spec.label}', byte for byte",
                where=f"variant '{label}', {one.model.folder}",
                hint="leave one of the two out",
            )


# --- chat templates ----------------------------------------------------------------------------


def read_template(place: Path) -> str | None:
    """The chat template of a checkpoint or a GGUF file; None if it has none."""
    if place.is_dir():
        return find_template(place)
    found = gguf_file.read_metadata(gguf_file.open_gguf(place), "tokenizer.chat_template")
    return None if found is None else str(found)


def _template_notes(spec: VariantSpec, base: Path, place: Path, *, chat: bool) -> list[str]:
    """What to say of a template that is not the baseline's; an error until the study says it."""
    ours, theirs = read_template(base), read_template(place)
    if not chat or ours is None or theirs is None or ours.strip() == theirs.strip():
        return []
    line = _first_difference(ours, theirs)
    if spec.chat_template == "baseline":
        return [f"asked with the baseline's chat template; its own differs: {line}"]
    raise StudyError(
        f"its chat template is not the baseline's: {line}",
        hint='say which to use: chat_template = "baseline" on the variant shows both the same '
        "prompts; to ask both with the variant's, write that into chat_template.jinja in a copy of "
        "the baseline. Each with its own would compare prompts, not models",
    )


def _first_difference(one: str, other: str) -> str:
    """The first line in which two templates differ, of both."""
    ours, theirs = one.strip().splitlines(), other.strip().splitlines()
    longest = max(len(ours), len(theirs))
    for number in range(longest):
        left, right = (rows[number] if number < len(rows) else "" for rows in (ours, theirs))
        if left != right:
            same = len(_common(left, right))
            start = max(0, same - 20)
            return f"{right[start : start + 60]!r} in place of {left[start : start + 60]!r}"
    return "in white space"


def _common(one: str, other: str) -> str:
    size = next(
        (n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b),
        min(len(one), len(other)),
    )
    return one[:size]


# --- what a run would stop at ------------------------------------------------------------------


def find_needs(config: Mapping[str, Any], folder: Path) -> Method:
    """What it takes to run a checkpoint in the format that its config names."""
    word = find_method(config, folder=folder)
    return METHODS.get(word or "", Method(title=word or "a plain checkpoint"))


def find_library_problems(
    description: ModelDescription | Method, *, device: str
) -> tuple[str, ...]:
    """What is missing on this machine to run a model's format, one sentence each.

    Parameters
    ----------
    device : str
        'cpu', 'cuda', ..., as resolved.
    """
    if description.unread is not None:
        return (f"{description.title} cannot run here: {description.unread}",)
    problems = [problem for one in description.needs if (problem := one.problem())]
    if description.gpu is not None and device.startswith("cpu"):
        problems.append(f"a GPU is needed: {description.gpu}")
    return tuple(f"{description.title} cannot run here: {problem}" for problem in problems)

"""A variant as a folder that others can use: its files under readable names, with a card.

The run folder is read only. The folder appears whole or not at all: it is written beside its place
and renamed. What is copied is checked against the manifest first, and the disk for room.
"""

import dataclasses
import os
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from babelbits import libraries
from babelbits.errors import NothingThereError, StoreError, StudyError, UnknownNameError
from babelbits.recipes.manifests import verify
from babelbits.records import Effect, Manifest
from babelbits.report import exports
from babelbits.report.model_card import Licence, VariantCard, write_model_card
from babelbits.report.views import make_slug, map_primary_metrics
from babelbits.results.results import Results
from babelbits.store import Store
from babelbits.store.atomic import store_errors
from babelbits.store.codec import dumps
from babelbits.study.config.spec import BASELINE, BUNDLED, ModelSpec
from babelbits.study.planning.recorded import read_study
from babelbits.suggest import did_you_mean
from babelbits.words import bytes_size, plural

ROOM = 4_000_000
"""Bytes kept for card, study and comparisons."""
HUB_RESULTS = ".eval_results/babelbits.yaml"
_HUB_ORIGIN = re.compile(
    r"^(?:lm-eval [^,]+, )?(?P<id>[\w.-]+/[\w.-]+?)(?:/[\w.+-]+)?(?:@(?P<commit>[0-9a-f]+))?$"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedVariant:
    """What was written, and what its owner should know."""

    folder: Path
    files: tuple[str, ...]
    """Relative to the folder."""
    notes: tuple[str, ...]


def export_variant(
    run_folder: Path,
    label: str,
    target: Path,
    *,
    results: Results | None,
    licence: str | None = None,
    free: Callable[[Path], int] = lambda place: shutil.disk_usage(place).free,
) -> ExportedVariant:
    """Write a variant of a run folder into a folder of its own.

    Parameters
    ----------
    label : str
        What the study calls it.
    target : Path
        Must not exist, or be empty.
    results : Results, optional
        Of the study, not of a smoke run; None where no cell is finished.
    licence : str, optional
        The hub's id of the base model's licence, where its files name none.
    free : callable
        Bytes that are free where a path lies.

    Raises
    ------
    UnknownNameError
        If the run has no such variant.
    NothingThereError
        If the variant was not made yet.
    StoreError
        If its files are not the ones that were made, the target is not empty, or the disk is too
        small.
    """
    store = Store(run_folder)
    source, made = _variant(store, label)
    _refuse_target(target)
    names = name_files(made, label)
    sizes = {name: (source / name).stat().st_size for name in names if (source / name).is_file()}
    _refuse_small_disk(target, sum(sizes.values()) + ROOM, free=free)
    verify(source)
    study = read_study(store)
    found = Licence(id=licence) if licence is not None else read_licence(_base_folder(study.model))
    card = VariantCard(
        label=label,
        manifest=made,
        results=results,
        licence=found,
        version=version("babelbits"),
        model_file=names.get("model.gguf"),
    )
    texts = {
        "README.md": write_model_card(card).encode(),
        "babelbits/manifest.json": dumps(made),
        "babelbits/study.toml": store.study_text().encode(),
        **_comparisons(results, label),
    }
    with store_errors(target):
        _write(target, {source / old: new for old, new in names.items()}, texts)
    notes = [] if found.id else ["the base model's files name no licence: --licence names it"]
    if study.model.folder is not None:
        notes.append(
            f"babelbits/study.toml names a model folder of this machine: {study.model.path}"
        )
    if results is None:
        notes.append("no cell is finished: the card says that nothing was measured")
    return ExportedVariant(
        folder=target, files=tuple(sorted((*names.values(), *texts))), notes=tuple(notes)
    )


def _variant(store: Store, label: str) -> tuple[Path, Manifest]:
    """Folder and manifest of a variant by its label."""
    ids = {meta.variant: meta.variant_id for meta in store.planned()}
    if label == BASELINE:
        raise StudyError(
            "the baseline is the model itself: there is nothing to export", where="baseline"
        )
    if label not in ids:
        known = [name for name in ids if name != BASELINE]
        hint = did_you_mean(label, known) or f"it has: {', '.join(known)}"
        raise UnknownNameError(
            f"the run has no variant {label!r}", where=str(store.root), hint=hint
        )
    made = store.manifest(ids[label])
    if made is None:
        raise NothingThereError(
            f"the variant {label!r} is not there",
            where=str(store.root),
            hint="`babelbits run` makes it; `babelbits prune` may have freed it",
        )
    return store.variant_folder(ids[label]) if made.place is None else Path(made.place), made


def name_files(made: Manifest, label: str) -> Mapping[str, str]:
    """File of the variant to its name in the export.

    Formats of transformers keep theirs, by which they are found; a GGUF file is called after the
    model and the variant, as is usual, and comes without the files that only Babelbits reads.
    """
    if made.format != "gguf":
        return {name: name for name in made.files}
    base = make_slug(made.base_model.partition("@")[0].rpartition("/")[2]) or "model"
    stem = f"{base}-{re.sub(r'[^A-Za-z0-9._+-]+', '-', label).strip('-')}"
    kept = [name for name in made.files if name.endswith(".gguf")]
    named = {"model.gguf": f"{stem}.gguf", "imatrix.gguf": f"{stem}.imatrix.gguf"}
    return {name: named.get(name, name) for name in kept}


def _refuse_target(target: Path) -> None:
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise StoreError(
            "there is something here already", where=str(target), hint="name a new folder"
        )


def _refuse_small_disk(target: Path, needed: int, *, free: Callable[[Path], int]) -> None:
    there = next(one for one in (target, *target.absolute().parents) if one.exists())
    room = free(there)
    if room < needed:
        raise StoreError(
            f"the export needs {bytes_size(needed)}, and the disk has {bytes_size(room)} free",
            where=str(target),
            hint="free some, or name a folder on another disk; nothing was written",
        )


def _write(target: Path, copies: Mapping[Path, str], texts: Mapping[str, bytes]) -> None:
    """Copy and write into a hidden neighbour, then give it its name."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.partial")
    shutil.rmtree(part, ignore_errors=True)
    try:
        for source, name in copies.items():
            (part / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, part / name)
        for name, content in texts.items():
            (part / name).parent.mkdir(parents=True, exist_ok=True)
            (part / name).write_bytes(content)
        if target.exists():
            target.rmdir()
        os.replace(part, target)  # noqa: PTH105  atomic, and fails where something is there
    finally:
        shutil.rmtree(part, ignore_errors=True)


# --- the base model's licence ------------------------------------------------------------------


def _base_folder(model: ModelSpec) -> Path | None:
    """Where the base model lies on this machine; None where it does not."""
    if model.path == BUNDLED:
        from babelbits.bundled import find_bundled_model

        return find_bundled_model()
    if model.folder is not None:
        return model.folder if model.folder.is_dir() else model.folder.parent
    hub = libraries.load("huggingface_hub", of="huggingface-hub", what="export")
    found = hub.try_to_load_from_cache(model.path, "README.md", revision=model.revision)
    return Path(found).parent if isinstance(found, str) else None


def read_licence(folder: Path | None) -> Licence:
    """What the model card in a folder says of the licence; nothing where there is no card."""
    card = None if folder is None else folder / "README.md"
    if card is None or not card.is_file():
        return Licence()
    hub = libraries.load("huggingface_hub", of="huggingface-hub", what="export")
    try:
        data = hub.ModelCard.load(card, ignore_metadata_errors=True).data
    except (OSError, ValueError):
        return Licence()
    values = [getattr(data, name, None) for name in ("license", "license_name", "license_link")]
    known = [one if isinstance(one, str) and one else None for one in values]
    return Licence(id=known[0], name=known[1], link=known[2])


# --- what was measured -------------------------------------------------------------------------


def _comparisons(results: Results | None, label: str) -> dict[str, bytes]:
    """The variant's comparisons as CSV, and those on hub datasets in the hub's format."""
    if results is None:
        return {}
    ours = [one for one in results.analysis.effects if one.variant == label]
    analysis = dataclasses.replace(results.analysis, effects=tuple(ours))
    table = exports.to_csv(dataclasses.replace(results, analysis=analysis)).encode()
    entries = make_hub_results(results, label)
    more = {HUB_RESULTS: _yaml(entries)} if entries else {}
    return {"babelbits/comparisons.csv": table, **more}


def make_hub_results(results: Results, label: str) -> list[dict[str, Any]]:
    """Scores of a variant on datasets of the hub, as `.eval_results/*.yaml` has them.

    What came from a local folder or ships here has no dataset on the hub, and is left out. The note
    of each says the change to the unquantized model, its interval and its verdict.
    """
    hub = libraries.load("huggingface_hub", of="huggingface-hub", what="export")
    metrics = map_primary_metrics(results)
    origins = {(c.meta.task.suite, c.meta.task.language): c.meta.task for c in results.cells}
    entries = []
    for effect in results.analysis.effects:
        task = origins.get((effect.task, effect.language or ""))
        about = effect.variant == label and effect.scope == "language"
        if task is None or not about or metrics.get(effect.task) != effect.metric:
            continue
        place = _HUB_ORIGIN.match(task.origin)
        if place is None:
            continue
        entries.append(
            hub.EvalResultEntry(
                dataset_id=place["id"],
                task_id=task.name,
                value=round(effect.arms.variant_score, 6),
                dataset_revision=place["commit"],
                notes=_note(effect),
            )
        )
    made: list[dict[str, Any]] = hub.eval_result_entries_to_yaml(entries)
    return made


def _note(effect: Effect) -> str:
    from babelbits.analysis.tables import make_effect_row

    row = make_effect_row(effect)
    return (
        f"{effect.metric} on {plural(effect.counts.n_items, 'item')}; change to the unquantized "
        f"model {row['delta_text']} ({row['interval_text']}), {row['verdict_text']}"
    )


def _yaml(entries: list[dict[str, Any]]) -> bytes:
    yaml = libraries.load("yaml", of="pyyaml", what="export")
    text: str = yaml.safe_dump(entries, allow_unicode=True, sort_keys=False)
    return text.encode()


# --- to the hub --------------------------------------------------------------------------------


def push(exported: ExportedVariant, repository: str, *, private: bool) -> str:
    """Upload an export to the hub; returns the repository's address.

    Raises
    ------
    StudyError
        If the name is none, or the hub refuses; what is on this machine stays.
    """
    hub = libraries.load("huggingface_hub", of="huggingface-hub", what="--push")
    faults = libraries.load("huggingface_hub.errors", of="huggingface-hub", what="--push")
    if repository.count("/") != 1 or not all(repository.split("/")):
        raise StudyError(f"--push {repository!r} is no repository", hint="e.g. --push me/model-q4")
    api = hub.HfApi()
    try:
        api.create_repo(repository, repo_type="model", private=private, exist_ok=True)
        api.upload_folder(
            repo_id=repository,
            folder_path=str(exported.folder),
            commit_message="Upload a variant exported by Babelbits",
        )
    except (faults.HfHubHTTPError, faults.HFValidationError, OSError) as error:
        raise StudyError(
            f"the hub did not take it: {str(error).strip().splitlines()[0]}",
            where=repository,
            hint=f"log in with `hf auth login`, or HF_TOKEN; the export is in {exported.folder}",
        ) from error
    return f"{api.endpoint}/{repository}"

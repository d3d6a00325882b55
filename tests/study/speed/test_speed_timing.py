"""Times of an engine whose speed is known, prompts, and tokens by language."""

import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import Any, cast

import pytest

from babelbits.engines.base import Engine, EngineSettings
from babelbits.engines.transformers import ENGINE as TRANSFORMERS
from babelbits.errors import EngineError
from babelbits.records import GenerateRequest
from babelbits.study.speed.arm_process import ArmProcess
from babelbits.study.speed.parallel_sentences import count_tokens, make_prompts, read_sentences
from babelbits.study.speed.timing import find_peak_memory, time_batch
from babelbits.tasks.identity import list_request_fields
from fake_arms import ClockedEngine


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux says what others hold")
def test_memory_of_a_process_that_was_started_counts() -> None:
    """A child holds 200 MB, as vLLM's holds its model."""
    before = find_peak_memory()
    program = "held = bytearray(b'1' * 200_000_000); print('there', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        during = find_peak_memory()
        child.communicate(b"\n")
    assert during - before > 200_000_000


def test_speeds_of_an_engine_that_takes_known_times() -> None:
    """1 ms a prompt token is 1000 tokens/s; 20 ms a step of 4 rows is 200 tokens/s."""
    engine = ClockedEngine(prefill=0.001, step=0.02)
    texts = iter(["a b c d e"] * 8)
    times = time_batch(
        cast("Engine", engine), texts, batch=4, new_tokens=11, clock=lambda: engine.now
    )
    assert (times.prompt_tokens, times.output_tokens) == (20, 44)
    assert times.first_seconds == pytest.approx(0.020)
    assert times.prefill == pytest.approx(1000)
    assert times.decode == pytest.approx(200)
    assert all(one.ignore_end for one in engine.asked)


def test_no_speed_where_noise_left_no_time() -> None:
    engine = ClockedEngine(prefill=0.001, step=0.0)
    times = time_batch(
        cast("Engine", engine), iter("ab"), batch=1, new_tokens=3, clock=lambda: engine.now
    )
    assert times.decode is None


def test_prompts_are_of_the_length_asked_and_begin_differently() -> None:
    found = list(islice(make_prompts(lambda text: len(text.split()), tokens=50), 64))
    assert {len(text.split()) for text in found} == {50}
    assert len({" ".join(text.split()[:3]) for text in found}) == 64
    assert len(next(make_prompts(lambda text: len(text.split()), tokens=9000)).split()) == 9000


def test_prompts_go_on_where_the_last_call_stopped() -> None:
    def count(text: str) -> int:
        return len(text.split())

    first = list(islice(make_prompts(count, tokens=9), 6))
    assert list(islice(make_prompts(count, tokens=9, skip=4), 2)) == first[4:]


def test_fertility_of_a_tokenizer_of_bytes() -> None:
    """Tokens are bytes, and one is added to every text: what is left is the bytes of the files."""
    found = count_tokens(lambda text: len(text.encode()) + 1)
    assert len(found) == 13
    assert {len(texts) for texts in read_sentences().values()} == {160}
    assert found["ml"] == sum(len(one.encode()) for one in read_sentences()["ml"])
    assert found["ml"] > 2 * found["en"]  # three bytes a letter


def test_a_format_that_transformers_only_imitates_is_said() -> None:
    """compressed-tensors are unpacked before they are multiplied; bitsandbytes has kernels."""
    assert TRANSFORMERS.emulates("compressed-tensors")
    assert not TRANSFORMERS.emulates("hf")
    assert not TRANSFORMERS.emulates("bitsandbytes")


def test_ids_of_requests_are_what_they_were() -> None:
    fields = list_request_fields(GenerateRequest(prompt="a", max_new_tokens=1))
    assert "ignore_end" not in fields
    endless = GenerateRequest(prompt="a", max_new_tokens=1, ignore_end=True)
    assert list_request_fields(endless)["ignore_end"] is True


# --- a real process ---


def test_a_real_process_writes_all_that_is_asked() -> None:
    """The bundled model ends most texts after a sentence; here every row goes to its limit."""
    pytest.importorskip("torch")
    from babelbits.bundled import find_bundled_model

    settings = EngineSettings(device="cpu", dtype="float32", batch="many")
    with ArmProcess(find_bundled_model(), engine="transformers", settings=settings) as child:
        times, memory = child.time(batch=3, prompt_tokens=24, new_tokens=40)
        counted = child.count()
    assert times.output_tokens == 3 * 40
    assert 3 * 16 < times.prompt_tokens <= 3 * 24
    assert 0 < times.first_seconds < times.whole_seconds < child.seconds + 60
    assert memory["peak_memory"] >= child.loaded["peak_memory"] > child.loaded["libraries_memory"]
    assert memory["gpu_memory"] is None
    assert counted["tokens"]["ml"] > counted["tokens"]["en"]


def test_a_process_that_cannot_load_says_why(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    with pytest.raises(EngineError, match=r"config|folder|model"):
        ArmProcess(tmp_path, engine="transformers", settings=EngineSettings(device="cpu"))


def test_a_process_that_dies_is_an_error_with_its_last_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import babelbits.study.speed.arm_process as arm_process

    monkeypatch.setattr(arm_process, "_MODULE", "babelbits.no_such_module")
    settings: Any = EngineSettings(device="cpu")
    with pytest.raises(EngineError, match="no_such_module"):
        ArmProcess(tmp_path, engine="transformers", settings=settings)

"""One loaded engine, timed through what every engine offers: `generate` and `count_tokens`.

What is timed is a whole call, text in and text out: tokenization, the forward passes, choosing
tokens, and the engine's own bookkeeping. The first token is a call that asks for one token;
decoding is what a call for many tokens takes longer than that. Both are greedy, ignore the end of
the text, and see new prompts, so that nothing is remembered.

Seconds; memory in bytes, of the whole process and those that it has started.
"""

import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

from babelbits.engines.base import Engine
from babelbits.errors import EngineError
from babelbits.records import Failure, GenerateRequest, Generation
from babelbits.study.speed.speed_records import BatchTimes

_KILOBYTE = 1024


def time_batch(
    engine: Engine,
    prompts: Iterator[str],
    *,
    batch: int,
    new_tokens: int,
    clock: Callable[[], float] = time.perf_counter,
) -> BatchTimes:
    """Time a batch's first tokens, then the same size of batch to `new_tokens` each.

    Parameters
    ----------
    prompts : iterator of str
        Prompts of one length; two batches are taken.
    clock : callable
        Seconds.

    Raises
    ------
    EngineError
        If a prompt gets no answer.
    """
    first, asked, _ = _timed(engine, list(islice(prompts, batch)), new_tokens=1, clock=clock)
    whole, _, written = _timed(
        engine, list(islice(prompts, batch)), new_tokens=new_tokens, clock=clock
    )
    return BatchTimes(
        batch=batch,
        first_seconds=first,
        whole_seconds=whole,
        prompt_tokens=asked,
        output_tokens=written,
    )


def _timed(
    engine: Engine, texts: Sequence[str], *, new_tokens: int, clock: Callable[[], float]
) -> tuple[float, int, int]:
    """Seconds of a call, tokens of its prompts, tokens that were written."""
    requests = [
        GenerateRequest(prompt=text, max_new_tokens=new_tokens, ignore_end=True) for text in texts
    ]
    started = clock()
    replies = engine.generate(requests)
    seconds = clock() - started
    done: list[Generation] = []
    for one in replies:
        if isinstance(one, Failure):
            raise EngineError(f"a prompt got no answer: {one.message}")
        done.append(one)
    return (
        seconds,
        sum(one.prompt_tokens for one in done),
        sum(sum(one.output_tokens) for one in done),
    )


def find_peak_memory() -> int:
    """The most that this process has held in memory, bytes; mapped files that were read count.

    Linux keeps it from the start of the program on (`VmHWM`); what `getrusage` says may be the
    parent's. There the processes that it has started, and that live, are added: an engine may have
    its model in one.
    """
    own = _peak_of("self")
    if own is not None:
        return own + sum(_peak_of(pid) or 0 for pid in _descendants("self"))
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * _KILOBYTE


def _peak_of(pid: str) -> int | None:
    """The most that a process has held, bytes; None where the system does not say."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return int(found[0]) * _KILOBYTE if found else None


def _descendants(pid: str) -> list[str]:
    """Processes that a process has started, and those that these have."""
    found: list[str] = []
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in file.read_text().split():
                found += [child, *_descendants(child)]
    return found


def find_gpu_memory(device: str) -> int | None:
    """Bytes in use on a GPU, by whatever process; None on a CPU."""
    if not device.startswith("cuda"):
        return None
    import torch

    free, total = torch.cuda.mem_get_info(torch.device(device))
    return int(total - free)

"""llama.cpp: the text that `llama-perplexity --kl-divergence` prints, captured in a file.

It compares a quantized model with the base's logits token by token and prints means with standard
errors of its own; there are no items, so nothing here is tested again and the numbers stay the
tool's. `±` is one standard error, not an interval. A log of the base model alone has only a final
perplexity and is read too.

Format: the statements that print in llama.cpp's tools/perplexity/perplexity.cpp.
"""

import re
from pathlib import Path

from babelbits.compare.readers import files
from babelbits.compare.readers.record import Divergence, ForeignRun, Quantity
from babelbits.errors import TaskError

_NUMBER = r"(-?(?:\d+\.?\d*(?:e[+-]?\d+)?|nan|inf))"
_VALUE = rf"\s*{_NUMBER}\s*%?(?:\s*±\s*{_NUMBER}\s*%?)?\s*$"

QUANTITIES: tuple[tuple[str, str], ...] = (
    ("mean KLD", r"Mean\s+KLD:"),
    ("median KLD", r"Median\s+KLD:"),
    ("90 % KLD", r"90\.0%\s+KLD:"),
    ("95 % KLD", r"95\.0%\s+KLD:"),
    ("99 % KLD", r"99\.0%\s+KLD:"),
    ("99.9 % KLD", r"99\.9%\s+KLD:"),
    ("maximum KLD", r"Maximum\s+KLD:"),
    ("PPL", r"Mean\s+PPL\(Q\)\s*:"),
    ("PPL of the base", r"Mean\s+PPL\(base\)\s*:"),
    ("PPL ratio", r"Mean\s+PPL\(Q\)/PPL\(base\)\s*:"),
    ("ln PPL ratio", r"Mean\s+ln\(PPL\(Q\)/PPL\(base\)\)\s*:"),
    ("PPL difference", r"Mean\s+PPL\(Q\)-PPL\(base\)\s*:"),
    ("mean Δp, %", r"Mean\s+Δp:"),
    ("RMS Δp, %", r"RMS\s+Δp\s*:"),
    ("same top p, %", r"Same top p:"),
)
"""Our name and how the tool's line begins. KLD in nats; Δp and same top p in percent."""

_FINAL = re.compile(rf"Final estimate: PPL = {_NUMBER} \+/- {_NUMBER}")
_SIGNS = ("KL divergence statistics", "Final estimate: PPL")
_LOGS = (".log", ".txt", ".out", ".stdout")


def looks_like(path: Path) -> bool:
    """A text with the tool's summary, or a folder with such logs and nothing else of ours."""
    if path.is_dir():
        return any(looks_like(file) for file in sorted(path.iterdir()) if file.suffix in _LOGS)
    if path.suffix in (".parquet", ".eval", ".json", ".jsonl", ".csv"):
        return False
    text = path.read_bytes().decode("utf-8", errors="replace")
    return any(sign in text for sign in _SIGNS)


def read(path: Path) -> ForeignRun:
    """Every log of a folder, or one."""
    logs = (
        [path]
        if path.is_file()
        else [f for f in sorted(path.iterdir()) if f.suffix in _LOGS and looks_like(f)]
    )
    return ForeignRun(
        path=path, tool="llama-perplexity", divergences=tuple(_divergence(log) for log in logs)
    )


def _divergence(log: Path) -> Divergence:
    text = files.read_bytes(log).decode("utf-8", errors="replace")
    lines = [line.strip() for line in text.split("\n")]
    found: dict[str, Quantity] = {}
    for name, start in QUANTITIES:
        pattern = re.compile(start + _VALUE)
        # The summary comes last; running values before it have other beginnings.
        match = next((m for line in reversed(lines) if (m := pattern.match(line))), None)
        if match:
            quantity = _quantity(match[1], match[2])
            found |= {name: quantity} if quantity else {}
    final = _FINAL.search(text)
    if "PPL" not in found and final:
        quantity = _quantity(final[1], final[2])
        found |= {"PPL": quantity} if quantity else {}
    if "KL divergence statistics" in text and "mean KLD" not in found:
        raise TaskError(
            "the log ends before its KL divergence statistics, or they are no numbers",
            where=str(log),
            hint="run llama-perplexity to its end; NaN says that the two models' logits differ "
            "in kind",
        )
    if not found:
        raise TaskError("no perplexity in the log: it was stopped, or gave NaN", where=str(log))
    return Divergence(name=log.stem, where=str(log), quantities=found)


def _quantity(value: str, error: str | None) -> Quantity | None:
    number = files.number(value)
    return None if number is None else Quantity(value=number, error=files.number(error))

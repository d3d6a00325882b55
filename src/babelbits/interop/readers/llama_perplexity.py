"""llama.cpp: the text that `llama-perplexity --kl-divergence` prints, captured in a file.

It compares a quantized model with the base's logits token by token and prints means with standard
errors of its own; there are no items, so nothing here is tested again and the numbers stay the
tool's. `±` is one standard error, not an interval. A log of the base model alone has only a final
perplexity and is read too. Logs of its choice tests (`--hellaswag`, `--winogrande`,
`--multiple-choice`) are totals: named, and left out.

Format: the statements that print in llama.cpp's tools/perplexity/perplexity.cpp; until April 2024
the summary had other words (`Average:`, `KLD_99 :`) and no perplexities, which stand in the line of
the last chunk. A shell of Windows writes UTF-16, or spoils the letters that are not ASCII: whatever
stands where `±` and `Δ` belong passes for them.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from babelbits.errors import TaskError
from babelbits.interop.readers import files
from babelbits.interop.readers.record import (
    DivergenceLog,
    ForeignRun,
    Quantity,
    Reader,
)

_NUMBER = r"(-?(?:\d{1,300}\.?\d{0,300}(?:e[+-]?\d{1,4})?|nan|inf))"
_SIGN = r"(?:\+/-|[^\s\d.%\-]{1,6})"
"""`±`, or what a wrong code page makes of its two bytes."""
_VALUE = rf"\s*{_NUMBER}\s*%?(?:\s*{_SIGN}\s*{_NUMBER}\s*%?)?\s*$"
_DELTA_P = r"(?!KLD|PPL|ln)[^\s\d:]{1,6}\s*:"
"""`Δp:`, or what a wrong code page makes of it."""

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
    ("mean Δp, %", rf"Mean\s+{_DELTA_P}"),
    ("RMS Δp, %", rf"RMS\s+{_DELTA_P}"),
    ("same top p, %", r"Same top p:"),
)
"""Our name and how the tool's line begins. KLD in nats; Δp and same top p in percent."""

_EARLY: tuple[tuple[str, str], ...] = (
    ("mean KLD", r"Average\s*:"),
    ("median KLD", r"Median\s*:"),
    ("90 % KLD", r"KLD_90\s*:"),
    ("95 % KLD", r"KLD_95\s*:"),
    ("99 % KLD", r"KLD_99\s*:"),
    ("maximum KLD", r"Maximum\s*:"),
)
"""The same in the logs of January to April 2024."""
_LAST_CHUNK = re.compile(
    rf"\d+\s+{_NUMBER}\s+{_NUMBER}\s*{_SIGN}\s*{_NUMBER}\s+{_NUMBER}\s*{_SIGN}\s*{_NUMBER}"
    rf"\s+{_NUMBER}\s*{_SIGN}\s*{_NUMBER}"
)
"""Chunk, perplexity, ln of the ratio, KLD, same top token (a fraction)."""

_WINDOWS = re.compile(r" over (\d{1,9}) chunks, n_ctx=(\d{1,9})")
_FINAL = re.compile(rf"Final estimate: PPL = {_NUMBER}\s*{_SIGN}\s*{_NUMBER}")
_SUMMARY, _EARLY_SUMMARY = "KL divergence statistics", "KL-divergence statistics"
_SIGNS = (_SUMMARY, _EARLY_SUMMARY, "Final estimate: PPL")
_CHOICES = (
    ("--hellaswag", "task\tacc_norm"),
    ("--hellaswag", "hellaswag_score"),
    ("--winogrande", "Final Winogrande score"),
    ("--winogrande", "winogrande_score"),
    ("--multiple-choice", "Random chance:"),
    ("--multiple-choice", "multiple_choice_score"),
)
"""Option and a text of its log."""
_LOG = re.compile(r".*\.(?:log|txt|out|stdout)", re.IGNORECASE)
_LONGEST_LINE = 500
"""Characters; the tool's own lines have a hundred."""
_NOT_LOGS = (".parquet", ".eval", ".json", ".jsonl", ".csv")


def looks_like(path: Path) -> bool:
    """A text with the tool's summary or choices, or a folder with such logs."""
    if path.is_dir():
        return any(looks_like(file) for file in files.find_below(path, _LOG, deep=False).files)
    if path.suffix in _NOT_LOGS or not path.is_file():
        return False
    try:
        text = _text(path)
    except TaskError:
        return False
    return any(sign in text for sign in _SIGNS) or _choice_test(text) is not None


def read(path: Path) -> ForeignRun:
    """Every log of a folder, or one; logs of choice tests are left out by name."""
    inside = None if path.is_file() else files.find_below(path, _LOG, deep=False)
    logs = [path] if inside is None else [file for file in inside.files if looks_like(file)]
    summaries, choices = [], []
    for log in logs:
        text = _text(log)
        if any(sign in text for sign in _SIGNS):
            summaries.append(_divergence(log, text))
        else:
            choices.append((log, _choice_test(text)))
    if not summaries:
        log, option = choices[0]
        raise TaskError(
            f"a log of llama-perplexity {option}: a total over all questions, with nothing to pair",
            where=str(log),
            hint="compare such tasks with lm-eval's samples (--log_samples), or compare logs of "
            "--kl-divergence",
        )
    notes = [f"left out, a total of {option} without items: {log.name}" for log, option in choices]
    return ForeignRun(
        path=path,
        tool="llama-perplexity",
        divergences=tuple(summaries),
        notes=(*notes, *(inside.notes if inside else ())),
    )


def _text(log: Path) -> str:
    """The text of a log in UTF-8 or UTF-16, with or without a mark; what is neither is replaced."""
    raw = files.read_bytes(log)
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16", errors="replace")
    head = raw[:4096]
    if head.count(0) > len(head) // 4:
        big = head[::2].count(0) > head[1::2].count(0)
        return raw.decode("utf-16-be" if big else "utf-16-le", errors="replace")
    return raw.decode("utf-8", errors="replace").removeprefix("\ufeff")


def _choice_test(text: str) -> str | None:
    """The option of a choice test that a log is of; None if it is of none."""
    return next((option for option, sign in _CHOICES if sign in text), None)


def _divergence(log: Path, text: str) -> DivergenceLog:
    lines = [line.strip() for line in text.split("\n") if len(line) <= _LONGEST_LINE]
    quantities = dict(_quantities(lines, QUANTITIES))
    if _EARLY_SUMMARY in text:
        quantities = {**dict(_last_chunk(lines)), **dict(_quantities(lines, _EARLY))}
    final = _FINAL.search(text)
    if "PPL" not in quantities and final:
        quantity = _quantity(final[1], final[2])
        quantities |= {"PPL": quantity} if quantity else {}
    if any(sign in text for sign in (_SUMMARY, _EARLY_SUMMARY)) and "mean KLD" not in quantities:
        raise TaskError(
            "the log ends before its KL divergence statistics, or they are no numbers",
            where=str(log),
            hint="run llama-perplexity to its end; NaN says that the two models' logits differ "
            "in kind",
        )
    if not quantities:
        raise TaskError("no perplexity in the log: it was stopped, or gave NaN", where=str(log))
    ordered = {name: quantities[name] for name, _ in QUANTITIES if name in quantities}
    windows = _WINDOWS.search(text)
    return DivergenceLog(
        name=log.stem,
        where=str(log),
        circumstances={} if windows is None else {"chunks": windows[1], "n_ctx": windows[2]},
        quantities=ordered,
    )


def _quantities(
    lines: list[str], starts: tuple[tuple[str, str], ...]
) -> Iterator[tuple[str, Quantity]]:
    for name, start in starts:
        pattern = re.compile(start + _VALUE)
        # The summary comes last; running values before it have other beginnings.
        match = next((m for line in reversed(lines) if (m := pattern.match(line))), None)
        quantity = _quantity(match[1], match[2]) if match else None
        if quantity is not None:
            yield name, quantity


def _last_chunk(lines: list[str]) -> Iterator[tuple[str, Quantity]]:
    """What an early log says of perplexity and the top token: the running values of its end."""
    match = next((m for line in reversed(lines) if (m := _LAST_CHUNK.fullmatch(line))), None)
    if match is None:
        return
    values = [files.as_number(one) for one in match.groups()]
    perplexity, ratio, ratio_error, _, _, top, top_error = values
    if perplexity is not None:
        yield "PPL", Quantity(value=perplexity)
    if ratio is not None:
        yield "ln PPL ratio", Quantity(value=ratio, error=ratio_error)
    if top is not None:
        error = None if top_error is None else 100 * top_error
        yield "same top p, %", Quantity(value=100 * top, error=error)


def _quantity(value: str, error: str | None) -> Quantity | None:
    number = files.as_number(value)
    return None if number is None else Quantity(value=number, error=files.as_number(error))


READER = Reader(
    name="llama-perplexity",
    sign="a text with 'KL divergence statistics' or 'Final estimate: PPL'",
    looks_like=looks_like,
    read=read,
)

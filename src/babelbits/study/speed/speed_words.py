"""A measurement in words and tables, for the terminal and the report alike.

Numbers are medians with their quartiles in brackets. Pure: nothing is measured or written here.
"""

from collections.abc import Sequence

from babelbits.languages import resolve
from babelbits.study.speed.speed_summary import (
    FEWEST_ROUNDS,
    ArmSpeed,
    BatchSpeed,
    Quartiles,
    SpeedTable,
)
from babelbits.words import bytes_size, plural

Rows = tuple[list[str], list[list[str]], int]
"""Heads, rows, and how many columns are names."""

NOTHING = "–"
HOW = (
    "first token: a call for one token, from text to text; decode: what a longer call takes beyond "
    "it, all rows together; /s beside a language: sentences a second at batch 1"
)


def format_number(value: float) -> str:
    """Three digits, thousands parted by commas: '1,240', '38.2', '0.124'."""
    if value >= 1000:
        return f"{round(value, -1):,.0f}" if value < 10_000 else f"{round(value, -2):,.0f}"
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def format_middle(found: Quartiles | None, *, times: float = 1.0) -> str:
    """'412 (398–430)': median and quartiles."""
    if found is None:
        return NOTHING
    low, median, high = (
        format_number(one * times) for one in (found.low, found.median, found.high)
    )
    return f"{median} ({low}–{high})"


def describe_floor(table: SpeedTable) -> str:
    """How far the baseline is from itself: what no difference can be told below."""
    floor = table.floor
    alone = None if floor is None else next((b for b in floor.batches if b.ratio), None)
    if floor is None or alone is None or alone.ratio is None:
        return "noise floor: not measured yet; no difference can be told from noise"
    return (
        f"noise floor: the baseline against itself decodes {alone.ratio.median:.2f} × as fast "
        f"at batch {alone.batch} (quartiles {alone.ratio.low:.2f} to {alone.ratio.high:.2f}, "
        f"{plural(alone.ratio.n, 'round')}); "
        + (
            "a variant is told apart only where its median is further from 1 than every round "
            "of this"
            if alone.ratio.n >= FEWEST_ROUNDS
            else f"fewer than {FEWEST_ROUNDS} rounds tell nothing apart"
        )
    )


def make_size_rows(table: SpeedTable) -> Rows:
    """What each arm takes: disk, memory, and time to start."""
    heads = ["variant", "engine", "on disk", "peak memory", "at batch 1", "cold start, s"]
    rows = [
        [
            arm.label,
            arm.engine,
            bytes_size(arm.bytes_on_disk),
            _memory(arm.memory, arm),
            _memory(arm.memory_alone, arm),
            format_middle(arm.cold_start),
        ]
        for arm in table.arms
        if not arm.again
    ]
    return heads, rows, 2


def _memory(found: int | None, arm: ArmSpeed) -> str:
    if found is None:
        return NOTHING
    return bytes_size(found) + (" of GPU" if arm.on_gpu else "")


def make_speed_rows(table: SpeedTable) -> Rows:
    """How fast each arm is, a row an arm and batch size; the noise floor first."""
    heads = [
        "variant", "batch", "first token, ms", "prefill, tokens/s", "decode, tokens/s",
        "× baseline", "",
    ]  # fmt: skip
    floor = [arm for arm in table.arms if arm.again]
    rows = []
    for arm in (*floor, *(arm for arm in table.arms if not arm.again)):
        label = "baseline again (noise floor)" if arm.again else arm.label
        if arm.not_measured is not None:
            rows.append([label, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, _short_reason(arm)])
        rows += [_speed_row(label, one) for one in arm.batches]
    return heads, rows, 1


def _speed_row(label: str, one: BatchSpeed) -> list[str]:
    return [
        label,
        str(one.batch),
        format_middle(one.first, times=1000),
        format_middle(one.prefill),
        format_middle(one.decode),
        NOTHING if one.ratio is None else _ratio(one.ratio),
        one.failed or one.told or "",
    ]


def _ratio(found: Quartiles) -> str:
    return f"{found.median:.2f} ({found.low:.2f}–{found.high:.2f})"


def _short_reason(arm: ArmSpeed) -> str:
    return (arm.not_measured or "").partition(":")[0]


def make_language_rows(table: SpeedTable) -> Rows:
    """Tokens a parallel sentence by language, and each arm's sentences a second at batch 1."""
    base = table.arms[0].fertility if table.arms else None
    if base is None:
        return [], [], 1
    shown = [arm for arm in table.arms if not arm.again and arm.decode is not None]
    others = _other_tokenizers(table)
    heads = ["language", "tokens a sentence", "× English", "sentences in the context"]
    heads += [f"tokens, {arm.label}" for arm in others]
    heads += [f"{arm.label}, /s" for arm in shown]
    rows = []
    for code in sorted(base.tokens, key=lambda one: base.tokens[one]):
        tokens, relative = base.tokens[code], base.relative(code)
        context = table.arms[0].context_length
        rows.append(
            [
                resolve(code).name,
                f"{tokens:.1f}",
                NOTHING if relative is None else f"{relative:.2f}",
                NOTHING if context is None else f"{context / tokens:,.0f}",
                *(f"{arm.fertility.tokens[code]:.1f}" for arm in others if arm.fertility),
                *(_middle_of(arm.sentences(code)) for arm in shown),
            ]
        )
    return heads, rows, 1


def _middle_of(found: Quartiles | None) -> str:
    return NOTHING if found is None else format_number(found.median)


def _other_tokenizers(table: SpeedTable) -> list[ArmSpeed]:
    """Arms whose tokens differ from the baseline's, one of each tokenizer."""
    seen, found = [table.arms[0].fertility], []
    for arm in table.arms:
        if arm.fertility is not None and arm.fertility not in seen:
            seen.append(arm.fertility)
            found.append(arm)
    return found


def describe_languages(table: SpeedTable) -> list[str]:
    """What tokens make of speed: '… 12 sentences a second in English, 3 in Malayalam'."""
    found = []
    for arm in table.arms:
        fertility = arm.fertility
        if arm.again or fertility is None or arm.decode is None:
            continue
        codes = sorted(fertility.tokens, key=lambda one: fertility.tokens[one])
        best, worst = codes[0], codes[-1]
        named = list(dict.fromkeys(["en", worst] if "en" in codes else [best, worst]))
        said = []
        for position, code in enumerate(named):
            rate = arm.sentences(code)
            assert rate is not None  # noqa: S101  its tokens are counted and its speed is measured
            words = " sentences a second" if position == 0 else ""
            said.append(f"{format_number(rate.median)}{words} in {resolve(code).name}")
        found.append(f"{arm.label} writes {', '.join(said)} (batch 1)")
    return found


def describe_host(table: SpeedTable) -> str:
    """The machine, and how busy it was."""
    host = table.host
    parts = [host.processor, plural(host.cores, "core")]
    parts += [host.gpu] if host.gpu else []
    parts += [bytes_size(host.memory)] if host.memory else []
    parts += [host.system, f"Python {host.python}"]
    busy = ""
    if table.load_average is not None:
        busy = f"; {table.load_average.median:.1f} processes wanted to run when turns began"
    return f"measured on {', '.join(parts)}{busy}"


def list_notes(table: SpeedTable) -> list[str]:
    """What limits the numbers, a sentence each."""
    asked = f"{plural(table.prompt_tokens, 'token')}, {table.new_tokens} written after each"
    lines = [f"prompts of {asked}, {plural(table.rounds, 'round')}; medians with quartiles", HOW]
    load = table.load_average
    if load is not None and load.median > table.host.cores:
        lines.append(
            "the machine was busy with other work: times are longer and more scattered than on "
            "one that is free; ratios to the baseline suffer less"
        )
    lines += [
        f"{arm.label}: {arm.not_measured}"
        for arm in table.arms
        if arm.not_measured is not None and not arm.again
    ]
    if len(_engines(table.arms)) > 1:
        lines.append(
            "the ratio of a variant in another engine than the baseline's "
            f"({table.arms[0].engine}) is of engine and format together"
        )
    if table.kept_loaded is False:
        lines.append("engines were loaded anew for each turn: memory might not have held them all")
    return lines


def _engines(arms: Sequence[ArmSpeed]) -> list[str]:
    return list(dict.fromkeys(arm.engine for arm in arms if arm.not_measured is None))


def describe_arm(arm: ArmSpeed, base: str) -> str | None:
    """An arm's decoding against the baseline in a sentence; None where nothing is told."""
    alone = arm.at(1)
    if arm.not_measured is not None or alone is None or alone.ratio is None or alone.told is None:
        return None
    if alone.ratio.n < FEWEST_ROUNDS:
        return None
    if alone.told == "not told apart":
        return f"{arm.label} is not told apart from {base} in speed: inside the noise floor"
    return (
        f"{arm.label} decodes {alone.ratio.median:.2f} × as fast as {base} "
        f"({alone.ratio.low:.2f} to {alone.ratio.high:.2f})"
    )

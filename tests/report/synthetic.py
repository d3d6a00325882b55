"""A realistic study without a model: rows drawn by hash, with hostile texts among the outputs."""

from collections.abc import Sequence
from functools import cache

from babelbits.analysis import AnalysisSettings, CellResult
from babelbits.analysis.analyse import analyse
from babelbits.languages import group_languages, resolve
from babelbits.records import (
    CalibrationRecord,
    CellMeta,
    Failure,
    ItemRow,
    Manifest,
    Metric,
    TaskInfo,
    TensorRecord,
    digest,
)
from babelbits.results.results import OpenCell, Results, StudySummary

LANGUAGES = ("en", "nb", "de", "fr", "es", "ru", "ar", "hi", "ml", "ja", "zh", "ko", "sw")
MORE_LANGUAGES = (*LANGUAGES, "th", "ta", "he", "fa", "tr", "vi", "el")
VARIANTS = {"w8": 8.1, "w8a8": 8.1, "w4-g@en": 4.6, "w4-g@sw": 4.6, "nf4": 4.5, "w4@en": 4.25}
MORE_VARIANTS = {**VARIANTS, "awq@en": 4.6, "fp8": 8.1}
SENTENCES = {
    "en": "Amina has seven baskets and each basket holds six mangoes. How many mangoes are there?",
    "nb": "Amina har sju kurver, og hver kurv rommer seks mangoer. Hvor mange mangoer er det?",
    "de": "Amina hat sieben Körbe, und in jedem liegen sechs Mangos. Wie viele Mangos sind es?",
    "fr": "Amina a sept paniers et chaque panier contient six mangues. Combien de mangues ?",
    "es": "Amina tiene siete cestas y cada cesta tiene seis mangos. ¿Cuántos mangos hay?",
    "ru": "У Амины семь корзин, в каждой шесть манго. Сколько всего манго?",
    "ar": "لدى أمينة سبع سلال، وفي كل سلة ست حبات مانجو. كم عدد حبات المانجو؟",
    "hi": "अमीना के पास सात टोकरियाँ हैं और हर टोकरी में छह आम हैं। कुल कितने आम हैं?",
    "ml": "അമീനയുടെ പക്കൽ ഏഴ് കുട്ടകളുണ്ട്, ഓരോന്നിലും ആറ് മാമ്പഴം. ആകെ എത്ര മാമ്പഴം?",
    "ja": "アミナは七つのかごを持っていて、それぞれにマンゴーが六個あります。全部で何個ですか。",
    "zh": "阿米娜有七个篮子,每个篮子里有六个芒果。一共有多少个芒果?",
    "ko": "아미나는 바구니가 일곱 개 있고 바구니마다 망고가 여섯 개 있습니다. 모두 몇 개입니까?",
    "sw": "Amina ana vikapu saba na kila kikapu kina maembe sita. Kuna maembe mangapi?",
}
HOSTILE = (
    "<script>window.pwned = true</script>",
    "</script><script>window.pwned = 2</script>",
    '"\'><img src=x onerror="window.pwned=3"> & &lt; &amp;',
    "\x1b[31mred\x1b[0m \x1b]0;title\x07 bell",
    "line\u2028separator\u2029paragraph",
    "user\u202etxt.exe\u202c end \u2066isolate\u2069",
    "{{ 7 * 7 }} {% raw %} ${7*7} `x`",
    '=HYPERLINK("http://x")',
    "| pipe | \\textbf{x} _a_ %_$#~^ **b**",
)
ACCURACY = Metric(name="acc", kind="binary", chance=0.5)
EXACT = Metric(name="exact_match", kind="binary")
BITS = Metric(name="bits_per_byte", kind="real", higher_is_better=False, unit="bits/byte")
SUITES = {
    "math": (EXACT, "generation", 0.62),
    "pairs": (ACCURACY, "choice", 0.80),
    "text": (BITS, "text", 1.9),
    "xcopa": (ACCURACY, "choice", 0.58),
}
HARM = {"w8": 0.0, "w8a8": 0.015, "w4-g@en": 0.06, "w4-g@sw": 0.05, "nf4": 0.05, "w4@en": 0.16}


def uniform(*words: object) -> float:
    """A number in [0, 1) that only the words decide."""
    return int(digest(list(map(str, words))), 16) / 2**64


def task_info(suite: str, language: str) -> TaskInfo:
    metric, kind, _ = SUITES[suite]
    return TaskInfo(
        name=f"{suite}_{language}", suite=suite, language=language, metrics=(metric,),
        primary=metric.name, output_type=kind, parallel=True, scorer_version="1",
        origin="bundled", licence="CC0-1.0",
    )  # fmt: skip


@cache
def harm_of(variant: str, language: str) -> float:
    far = {"Latn": 0.5}.get(resolve(language).script, 1.2)
    return HARM.get(variant, 0.02) * far * (0.1 if variant.endswith(f"@{language}") else 1.0)


def row(variant: str, suite: str, language: str, number: int, replicate: int) -> ItemRow:
    metric, kind, level = SUITES[suite]
    base, noise = (
        uniform(suite, language, number),
        uniform(variant, replicate, suite, language, number),
    )
    broke = variant != "baseline" and noise < harm_of(variant, language) * 1.8
    fixed = variant != "baseline" and noise > 0.97
    text = SENTENCES.get(language, SENTENCES["en"])
    shots = "".join(f"Q: {text}\nA: {n}\n\n" for n in (42, 17, 9))
    right = (base < level and not broke) or fixed
    score, target, lp = float(right), str(number * 3 + 6), None
    if suite == "math" and language == "ml":
        right, score = number < 2, float(number < 2)
    output = f"{text.split()[0]} … {number * 3 + 6 if right else number * 3 + (7 if broke else 5)}"
    if suite == "text":
        score = level + base * 0.2 + harm_of(variant, language) * 0.15 * (0.5 + noise)
        output, target = "", text
    if kind == "choice":
        lp = (-12.3 + score, -12.1 - noise * 0.2)
        output, target = text.split()[0 if right else -1], text.split()[0]
    if number % 17 == 3 and language in ("en", "ar") and suite == "math":
        right = variant == "baseline"  # so that every hostile text is among the flips
        score = float(right)
        output = f"{HOSTILE[(number // 17) % len(HOSTILE)]} {target if right else 'wrong'}"
    failed = number == 5 and variant == "w4@en" and language == "hi" and suite == "math"
    return ItemRow(
        item_id=digest([suite, language, number]), source_id=f"{suite}-{number:04d}",
        task=f"{suite}_{language}", language=language, variant=variant, target=target,
        output="" if failed else output, scores={metric.name: None if failed else score},
        choice_logprobs=lp, prompt_hash=digest([suite, number]),
        prompt=f"{shots}Q: {text} ({number})\nA:", prompt_tokens=120, output_tokens=8,
        finish_reason="length" if number % 50 == 7 and suite == "math" else "stop",
        truncated_tokens=12 if number % 40 == 9 and language == "ml" else 0,
        failure=Failure(kind="nan_logits", message="NaN in the logits") if failed else None,
    )  # fmt: skip


def cell(variant: str, suite: str, language: str, items: int, replicate: int = 0) -> CellResult:
    info = task_info(suite, language)
    identity = {"variant": variant, "task": info.name, "replicate": replicate}
    meta = CellMeta(
        cell_id=digest(identity), identity=identity, variant=variant, variant_id=digest(variant),
        replicate=replicate, task=info, n_items=items, chunk=64, smoke=False,
    )  # fmt: skip
    rows = tuple(row(variant, suite, language, number, replicate) for number in range(items))
    return CellResult(meta=meta, rows=rows)


def manifest(variant: str, bits: float) -> Manifest:
    recipe, _, language = variant.partition("@")
    calibration = CalibrationRecord(
        language=language, source="bundled", text_hash=digest([language]), n_samples=128,
        tokens_per_sample=512, n_tokens=65536, seed=0,
    )  # fmt: skip
    return Manifest(
        variant_id=digest(variant), recipe=recipe,
        parameters={} if recipe == "baseline" else {"group_size": 128},
        calibration=calibration if language else None, base_model="bundled",
        base_hash=digest("base"), weights_hash=digest([variant, "weights"]), bits_per_weight=bits,
        quantized_bits_per_weight=None if recipe == "baseline" else bits - 0.4,
        n_weights=7_000_000, bytes_on_disk=int(7e6 * bits / 8),
        tensors=(TensorRecord(name="model.embed", shape=(8192, 256), dtype="bf16", bytes=4194304),),
        seconds=12.5, library_versions={"llmcompressor": "0.14.0.1", "torch": "2.13.0"},
        files={"model.safetensors": digest([variant, "file"])}, format="compressed-tensors",
    )  # fmt: skip


def make(
    *, languages: Sequence[str] = LANGUAGES, variants: dict[str, float] | None = None,
    suites: Sequence[str] = tuple(SUITES), items: int = 120, smoke: bool = False,
) -> Results:  # fmt: skip
    """A finished study with an A/A cell and one cell missing."""
    variants = VARIANTS if variants is None else variants
    cells = [cell("baseline", s, lang, items) for s in suites for lang in languages]
    cells += [cell("baseline", s, lang, items, 1) for s in suites for lang in languages]
    cells += [cell(v, s, lang, items) for v in variants for s in suites for lang in languages]
    cells = [c for c in cells if (c.meta.variant, c.meta.task.name) != ("nf4", "xcopa_ko")]
    gap = OpenCell(
        variant="nf4",
        suite="xcopa",
        language="ko",
        state="partial",
        reason="37 of 120 items recorded",
    )
    margins = {"fraction": 0.02, "bits/byte": 0.01}
    settings = AnalysisSettings(
        margins=margins, groups=group_languages(languages), reference="en", resamples=500
    )
    study = StudySummary(
        name="which-quant", model="bundled", study_file="study.toml", folder="study.run",
        engine={"name": "transformers", "version": "5.17.0", "device": "cpu", "dtype": "float32",
                "long prompts": "truncate-left"},
        seed=0, margins=margins, alpha=0.05, smoke=smoke, bundled=True,
        loss_caps=dict(settings.loss_caps),
        versions={"babelbits": "0.1.0", "numpy": "2.4.6"},
    )  # fmt: skip
    return Results(
        study=study,
        analysis=analyse(cells, settings),
        cells=tuple(cells),
        manifests={"baseline": manifest("baseline", 16.0)}
        | {label: manifest(label, bits) for label, bits in variants.items()},
        languages={code: resolve(code) for code in languages},
        open_cells=(gap,),
    )

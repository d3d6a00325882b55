"""The model card of a variant: what it is, what quantization did to it, how to measure that again.

What is said of harm comes from the one decision function, through `make_first_screen`, with the
intervals of the report. What was not measured is said to be so. The metadata are the hub's own
(`huggingface_hub.ModelCardData`). Nothing is read or written here. Harm is negative.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from babelbits import libraries
from babelbits.analysis import format as numbers
from babelbits.analysis.tables import make_effect_row
from babelbits.languages import resolve
from babelbits.records import CalibrationRecord, Manifest
from babelbits.report import verdicts, views
from babelbits.report.exports import escape_markdown
from babelbits.report.first_screen import make_first_screen
from babelbits.report.item_pairs import list_axes
from babelbits.results.results import OpenCell, Results
from babelbits.words import bytes_size, listed, plural

HEADS = ("task", "language", "items", "baseline", "change", "interval", "verdict")
_LIBRARIES = {"gguf": "gguf"}
"""The hub's name of the library that opens a format; transformers opens the others."""
NOTHING = (
    "Nothing was measured: no language of any task has a result of this variant. That it was made "
    "says nothing of how good it is."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Licence:
    """What the base model's own card says of its licence."""

    id: str | None = None
    """As the hub knows it, e.g. 'apache-2.0'; 'other' for one with a name; None: none is named."""
    name: str | None = None
    link: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantCard:
    """What a card is made of."""

    label: str
    """What the study calls the variant."""
    manifest: Manifest
    results: Results | None
    """The study's results; None where no cell is finished."""
    licence: Licence = Licence()
    study: str = "babelbits/study.toml"
    """The study file in the exported folder."""
    version: str = "0"
    """Of Babelbits."""
    model_file: str | None = None
    """The one file of the model, of formats that have one."""
    notes: Sequence[str] = field(default_factory=tuple)

    @property
    def hub_id(self) -> str | None:
        """The base model on the hub; None where it came from elsewhere."""
        name = self.manifest.base_model.partition("@")[0]
        return name if "@" in self.manifest.base_model and name.count("/") == 1 else None


def write_model_card(card: VariantCard) -> str:
    """The text of a README.md, metadata first.

    Raises
    ------
    MissingExtraError
        If huggingface_hub is not installed.
    """
    lines = [f"# {escape_markdown(make_title(card))}", "", *_about(card), ""]
    lines += ["## What quantization did, language by language", "", *_measured(card), ""]
    lines += ["## How it was made", "", *_making(card), ""]
    lines += ["## Measuring it again", "", *_again(card), ""]
    lines += ["## Licence", "", _licence(card.licence)]
    return f"---\n{_metadata(card)}\n---\n\n" + "\n".join(lines) + "\n"


def make_title(card: VariantCard) -> str:
    """'owner/model, quantized: w4-g@en'."""
    base = card.hub_id or card.manifest.base_model
    return f"{base}, quantized: {card.label}"


def _metadata(card: VariantCard) -> str:
    hub = libraries.load("huggingface_hub", of="huggingface-hub", what="a model card")
    made = card.manifest
    told = [code for code in _languages(card) if len(code) <= 3]  # the hub takes ISO 639 codes
    values: dict[str, Any] = {
        "language": told or None,
        "license": card.licence.id,
        "license_name": card.licence.name,
        "license_link": card.licence.link,
        "library_name": _LIBRARIES.get(made.format, "transformers"),
        "pipeline_tag": "text-generation",
        "base_model": card.hub_id,
        "tags": ["babelbits", "quantized", made.format, made.recipe],
    }
    if card.hub_id is not None:
        values["base_model_relation"] = "quantized"
    given = {name: value for name, value in values.items() if value is not None}
    text: str = hub.ModelCardData(**given).to_yaml()
    return text.strip()


def _languages(card: VariantCard) -> tuple[str, ...]:
    return () if card.results is None else tuple(card.results.languages)


# --- what it is --------------------------------------------------------------------------------


def _about(card: VariantCard) -> Iterator[str]:
    made = card.manifest
    base = escape_markdown(made.base_model)
    if card.hub_id is not None:
        base = f"[{base}](https://huggingface.co/{card.hub_id})"
    yield (
        f"{base} quantized with the recipe `{made.recipe}`: {made.bits_per_weight:.2f} bits per "
        f"weight, scales and unquantized tensors included; "
        f"{bytes_size(made.bytes_on_disk, decimals=1)}{_smaller(card)}."
    )
    if card.model_file is not None:
        yield from ("", "```sh", f"llama-cli -m {card.model_file}", "```")
    else:
        loading = 'AutoModelForCausalLM.from_pretrained("THIS FOLDER OR REPOSITORY")'
        yield from ("", "```python", "from transformers import AutoModelForCausalLM", "")
        yield from (f"model = {loading}", "```")


def _smaller(card: VariantCard) -> str:
    before = None if card.results is None else card.results.manifests.get("baseline")
    if before is None or not before.bytes_on_disk:
        return ""
    share = card.manifest.bytes_on_disk / before.bytes_on_disk
    return (
        f", {share:.0%} of the unquantized model's {bytes_size(before.bytes_on_disk, decimals=1)}"
    )


# --- what was measured -------------------------------------------------------------------------


def _measured(card: VariantCard) -> Iterator[str]:
    results = card.results
    board = None if results is None else _board(results)
    effects = (
        []
        if board is None
        else [e for suite in board.axes.suites for e in board.row(card.label, suite)]
    )
    if results is None or board is None or not effects:
        yield NOTHING
        return
    said = {one.variant: one for one in make_first_screen(results, board).verdicts}
    for number, part in enumerate(said[card.label].parts):
        text = escape_markdown(f"{part[:1].upper()}{part[1:]}.")
        yield f"- **{text}**" if number == 0 else f"- {text}"
    yield ""
    yield _legend(results)
    if results.study.bundled:
        yield "Results of this tiny model do not carry over to large models."
    yield ""
    yield f"| {' | '.join(HEADS)} |"
    yield f"|{'---|' * len(HEADS)}"
    for effect in effects:
        row = make_effect_row(effect)
        name = results.languages[effect.language or ""].name
        shown = (
            *(effect.task, name, f"{effect.counts.n_items:,}", row["baseline_text"]),
            *(row["delta_text"], row["interval_text"], numbers.verdict_word(effect)),
        )
        yield f"| {' | '.join(escape_markdown(str(one)) for one in shown)} |"
    missing = _missing(results.open_cells, card.label)
    if missing:
        yield from ("", f"No result: {escape_markdown(missing)}.")


def _board(results: Results) -> verdicts.Board:
    return verdicts.make_board(
        results.analysis.effects, views.map_primary_metrics(results), list_axes(results)
    )


def _legend(results: Results) -> str:
    level = 100 * (1 - results.study.alpha)
    margins = [
        numbers.size(one.decision.margin, one.unit)
        for one in results.analysis.effects
        if one.decision.margin is not None and one.inference.family is not None
    ]
    margin = listed(list(dict.fromkeys(margins))) or "the margin"
    return (
        "Each item was asked of this variant and of the unquantized model. Change is this variant "
        f"minus that; intervals are of {level:g} %. Worse and better: the change is shown, "
        "adjusted for the number of languages asked. Equivalent: shown to be smaller than "
        f"{margin}. Undecided: the data cannot tell, which is not the same as no harm."
    )


def _missing(cells: Sequence[OpenCell], label: str) -> str:
    """'mgsm in sw (missing)', of this variant or of the baseline that it is compared with."""
    ours = [one for one in cells if one.variant in (label, "baseline")]
    places = dict.fromkeys(f"{one.suite} in {one.language} ({one.state})" for one in ours)
    return listed(list(places)) if places else ""


# --- how it was made, and what holds -----------------------------------------------------------


def _making(card: VariantCard) -> Iterator[str]:
    made = card.manifest
    yield f"- Recipe: `{made.recipe}`{_parameters(made.parameters)}."
    yield f"- {_calibration(made.calibration)}"
    if made.device is not None:
        threads = "" if made.n_threads is None else f", {plural(made.n_threads, 'thread')}"
        yield f"- Made on {made.device}{threads}."
    versions = [f"{name} {version}" for name, version in sorted(made.library_versions.items())]
    if versions:
        yield f"- Versions: {escape_markdown(listed(versions))}."
    for note in (*made.notes, *card.notes):
        yield f"- {escape_markdown(note)}"


def _parameters(found: Mapping[str, Any]) -> str:
    told = ", ".join(f"`{name} = {value!r}`" for name, value in found.items() if value != "")
    return f" with {told}" if told else ""


def _calibration(seen: CalibrationRecord | None) -> str:
    if seen is None:
        return "No calibration text was used."
    where = {"bundled": "the text that ships with Babelbits"}.get(seen.source, seen.source)
    size = f"{plural(seen.n_samples, 'sample')} of {plural(seen.tokens_per_sample, 'token')}"
    language = escape_markdown(_language(seen.language))
    return (
        f"Calibration text: {size} in {language}, from {escape_markdown(where)}, drawn with seed "
        f"{seen.seed}."
    )


def _language(codes: str) -> str:
    """'English (en)', or a mixture's languages; what is no code stays as it is."""
    named = []
    for code in codes.split("+"):
        try:
            named.append(f"{resolve(code).name} ({code})")
        except ValueError:
            named.append(code)
    return listed(named)


def _again(card: VariantCard) -> Iterator[str]:
    extra = "gguf" if card.manifest.format == "gguf" else "run"
    yield "```sh"
    yield f"pip install 'babelbits[{extra}]=={card.version}'"
    yield f"babelbits run {card.study}"
    yield "```"
    yield ""
    yield "`babelbits/` holds the study, the record of how this was made, and every comparison."


def _licence(found: Licence) -> str:
    if found.id is None:
        return (
            "The base model's files name no licence. Look it up, and what it asks of derived "
            "models, before this is shared."
        )
    name = f"`{found.id}`" if found.name is None else f"{escape_markdown(found.name)}"
    link = "" if found.link is None else f" ({escape_markdown(found.link)})"
    return (
        f"The base model's card says {name}{link}. Look there for what it asks of derived models."
    )

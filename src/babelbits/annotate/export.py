"""What a campaign has collected, in files that other people can read. Blinded.

    events.jsonl     everything that happened, in order
    judgments.csv    one row a judgment, tidy
    codebook.md      what the columns mean

Units and raters have names that say nothing. The key is not among these files.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, select

from babelbits.annotate.folder import Campaign
from babelbits.annotate.judgments import Judgment, read_judgments
from babelbits.annotate.models import event, rater, showing
from babelbits.annotate.progress import list_excluded
from babelbits.annotate.secrets import derive_id
from babelbits.records import JSON, canonical_json
from babelbits.store.atomic import write_atomically
from babelbits.words import agreeing, plural

COLUMNS: Mapping[str, str] = {
    "unit": "A prompt with two texts, a and b. Opaque.",
    "language": "Code of the prompt and of the answer that was wanted.",
    "rater": "Pseudonym.",
    "kind": "pair: counts. identical, shuffled, language: checks made by rule (twice the same text;"
    " one side with its words shuffled; one side in another language). screen: checks before the"
    " first pair of a language.",
    "round": "0; 1 where a rater saw a pair again, sides swapped.",
    "first": "The text that came first: on the left, or on the right in an interface that runs from"
    " right to left; above on a phone.",
    "preference": "-2: a is much better; -1: a is better; 0: about the same; 1: b is better; 2: b"
    " is much better. Empty where only 'both are unusable' was said.",
    "both_unusable": "1 if the rater said so: a flag of its own beside the preference.",
    "reasons_a": "What is wrong with text a, of wrong_language, broken_script, factual, fluency,"
    " truncated; joined by spaces.",
    "reasons_b": "The same for text b.",
    "comment": "As written. A comment that a spreadsheet would run as a formula has an apostrophe"
    " in front; events.jsonl has it as it is.",
    "revisions": "How often the rater answered; the last answer is the one here.",
    "counted": "1: fills one of the judgments wanted of the unit. 0: check, repeat or surplus.",
    "surplus": "1: came after its lease had run out and another rater had the place.",
    "right": "Checks: 1 if the answer is what the rule says. Empty for pairs.",
    "seconds_active": "Time with the page in sight, capped by the length of the texts.",
    "seconds_raw": "Time from the page shown to the first answer, nothing taken off.",
    "answered_at": "Of the first answer, UTC, by the server's clock.",
    "rater_excluded": "1 if the rule that was declared beforehand leaves this rater out.",
}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was written."""

    folder: Path
    files: tuple[str, ...]
    n_events: int
    n_judgments: int


def export(campaign: Campaign, folder: Path) -> Exported:
    """Write events, judgments and codebook to `folder`, each whole or not at all.

    Raises
    ------
    StoreError
        If the folder cannot be written.
    """
    with campaign.database.reading() as connection:
        judgments = read_judgments(connection)
        events = _events(connection, campaign.secret)
    files = {
        "events.jsonl": "".join(f"{canonical_json(one)}\n" for one in events),
        "judgments.csv": format_judgments(judgments, campaign),
        "codebook.md": write_codebook(campaign),
    }
    for name, content in files.items():
        write_atomically(folder / name, content.encode())
    return Exported(
        folder=folder, files=tuple(files), n_events=len(events), n_judgments=len(judgments)
    )


def name_unit(secret: bytes, unit_id: int) -> str:
    """What a unit is called outside of the database."""
    return derive_id(secret, "unit", unit_id)[:12]


def find_excluded_raters(judgments: Sequence[Judgment], campaign: Campaign) -> frozenset[str]:
    """Raters whom the rule that was declared beforehand leaves out."""
    names = {one.rater for one in judgments}
    return frozenset(
        name
        for name in names
        if list_excluded([one for one in judgments if one.rater == name], campaign.settings)
    )


def format_judgments(judgments: Sequence[Judgment], campaign: Campaign) -> str:
    """One row a judgment."""
    left_out = find_excluded_raters(judgments, campaign)
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for one in judgments:
        time = one.duration
        writer.writerow(
            {
                "unit": name_unit(campaign.secret, one.unit_id),
                "language": one.language,
                "rater": one.rater,
                "kind": one.kind,
                "round": one.round,
                "first": "a" if one.a_first else "b",
                "preference": one.preference,
                "both_unusable": int(one.unusable),
                "reasons_a": " ".join(one.a_reasons),
                "reasons_b": " ".join(one.b_reasons),
                "comment": _unformula(one.comment),
                "revisions": one.revisions,
                "counted": int(one.counted),
                "surplus": int(one.surplus),
                "right": None if one.right is None else int(one.right),
                "seconds_active": None if time is None else f"{time.active:.1f}",
                "seconds_raw": None if time is None else f"{time.raw:.1f}",
                "answered_at": _utc(one.answered_at),
                "rater_excluded": int(one.rater in left_out),
            }
        )
    return out.getvalue()


def write_codebook(campaign: Campaign) -> str:
    """What the columns of `judgments.csv` mean, and the design."""
    settings = campaign.settings
    lines = ["# Codebook", "", "`judgments.csv`: one row a judgment.", ""]
    lines += ["| column | meaning |", "|---|---|"]
    lines += [f"| `{name}` | {meaning} |" for name, meaning in COLUMNS.items()]
    lines += [
        "",
        (
            "`events.jsonl`: one JSON object a line, in the order in which the server recorded"
            " them: what was shown, first key, page hidden and visible, answers (the last one"
            " counts), and showings opened again."
        ),
        "",
        (
            f"Design: {plural(settings.overlap, 'judgment')} of a declared share of"
            f" {settings.overlap_share:g} of the pairs, 1 of the others; a check after every"
            f" {plural(settings.check_every, 'pair')}; leases of "
            f"{settings.lease_minutes:g} "
            f"{agreeing(settings.lease_minutes, 'minute', 'minutes')}. Declared"
            f" beforehand: a rater with fewer than {settings.exclude_below:.0%} of at least"
            f" {plural(settings.exclude_min_checks, 'check')} right is left out "
            "of the second of two results;"
            " both are to be shown."
        ),
        "",
    ]
    return "\n".join(lines)


def _events(connection: Connection, secret: bytes) -> list[JSON]:
    query = (
        select(event, rater.c.name, showing.c.unit_id, showing.c.round, showing.c.a_first)
        .join(showing, showing.c.id == event.c.showing_id)
        .join(rater, rater.c.id == event.c.rater_id)
        .order_by(event.c.id)
    )
    return [
        {
            "number": row.id,
            "rater": row.name,
            "unit": name_unit(secret, row.unit_id),
            "round": row.round,
            "first": "a" if row.a_first else "b",
            "kind": row.kind,
            "revision": row.revision,
            "received_at": _utc(row.received_at),
            "elapsed_ms": row.elapsed_ms,
            "body": row.body,
        }
        for row in connection.execute(query)
    ]


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def _unformula(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text

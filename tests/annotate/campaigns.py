"""Pairs and campaigns for tests: real sentences of the bundled benchmark, damaged by hand."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from babelbits.annotate import auth
from babelbits.annotate.campaign_settings import Settings
from babelbits.annotate.create import draft_campaign, hash_pairs
from babelbits.annotate.folder import Campaign, write_campaign
from babelbits.preferences.answer_pairs import AnswerPair
from babelbits.preferences.pair_files import write_pairs

SECRET = bytes(range(32))
PASSWORD = "correct-horse-battery-staple"  # noqa: S105  of a test
NOW = 1_800_000_000.0
VARIANT = "w4-g@en-SENTINEL"
TASK = "openprompts-SENTINEL"

SENTENCES = {
    "en": "The old harbour town lies between two hills and is known for the fish market that people"
    " from all over the country visit on Sundays",
    "nb": "Den gamle havnebyen ligger mellom to åser og er kjent for fisketorget som folk fra hele"
    " landet besøker hver eneste søndag",
    "ar": "تقع المدينة القديمة على شاطئ البحر بين جبلين كبيرين وهي معروفة منذ القدم"
    " بسوق السمك الذي يزوره الناس من كل البلاد",
    "ja": "古い港町は二つの丘の間にあり、日曜日に全国から人々が訪れる魚市場で知られています",
    "ur": "یہ پرانا شہر سمندر کے کنارے دو پہاڑوں کے درمیان واقع ہے"
    " اور اپنی مچھلی منڈی کے لیے مشہور ہے",
}
PROMPTS = {
    "en": "Tell me about the town.",
    "nb": "Fortell om byen.",
    "ar": "حدثني عن المدينة.",
    "ja": "町について教えてください。",
    "ur": "شہر کے بارے میں بتائیں۔",
}


def pair(language: str, number: int, *, variant: str = VARIANT, same: bool = False) -> AnswerPair:
    """Answer pair `number` of a language: the variant's answer is cut short unless `same`."""
    whole = f"{SENTENCES[language]} {number}."
    return AnswerPair(
        source_id=f"source-{number}",
        item_id=f"item-{language}-{number}",
        task=TASK,
        language=language,
        variant=variant,
        prompt=f"{PROMPTS[language]} {number}",
        baseline_answer=f"{whole}\n",
        variant_answer=f"\n{whole}" if same else f"{whole[: 3 * len(whole) // 4]} …{variant[:1]}",
    )


def pairs(
    languages: Sequence[str],
    count: int,
    *,
    identical: int = 0,
    variants: Sequence[str] = (VARIANT,),
) -> list[AnswerPair]:
    """`count` pairs that differ and `identical` that do not, for each language and variant."""
    return [
        pair(language, number, variant=variant, same=number >= count)
        for language in languages
        for variant in variants
        for number in range(count + identical)
    ]


def plain(**changes: Any) -> Settings:
    """Settings without checks and screens."""
    bare = Settings(
        title="", overlap=1, overlap_share=0, check_every=0, gold=0, identical=0,
        repeats=False, screen=0, screen_pass=0,
    )  # fmt: skip
    return replace(bare, **changes)


def make(
    folder: Path,
    outputs: Sequence[AnswerPair],
    settings: Settings,
    *,
    database_url: str | None = None,
    secret: bytes = SECRET,
) -> Campaign:
    """A campaign in `folder`, with its file of pairs beside it."""
    file = folder.with_name(f"{folder.name}-pairs.jsonl")
    write_pairs(file, outputs)
    return write_campaign(
        folder,
        draft_campaign(outputs, settings, secret=secret),
        settings,
        secret=secret,
        database_url=database_url,
        owner_password=PASSWORD,
        pairs_file=file,
        pairs_digest=hash_pairs(outputs),
        now=NOW,
    )


def invite(
    campaign: Campaign, languages: Sequence[str], *, interface: str = "en", now: float = NOW
) -> tuple[str, str]:
    """A new rater's name and invitation token."""
    with campaign.database.writing() as connection:
        name = auth.add_rater(connection, languages, interface=interface, now=now)
        return name, auth.invite_rater(connection, name, days=30, now=now)


def rater_id(campaign: Campaign, name: str) -> int:
    """A rater's number."""
    with campaign.database.reading() as connection:
        return auth.find_rater(connection, name)

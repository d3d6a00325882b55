"""Texts in many scripts, from the package's own passages, to train tiny tokenizers on."""

import json
from functools import cache

from babelbits.bundled import find_mini_folder

_MORE = (
    "สุนัขจิ้งจอกสีน้ำตาลที่ว่องไวกระโดดข้ามสุนัขขี้เกียจ วันนี้อากาศดีมาก",
    "দ্রুত বাদামী শিয়ালটি অলস কুকুরের উপর দিয়ে লাফ দেয়।",
    "Con cáo nâu nhanh nhẹn nhảy qua con chó lười biếng.",
)
"""Scripts with combining marks that the passages lack."""


@cache
def sentences() -> tuple[str, ...]:
    """Some thousand sentences in 13 languages, and one each in Thai, Bengali and Vietnamese."""
    found: list[str] = []
    for path in sorted((find_mini_folder() / "passages").glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            found.extend(json.loads(line)["sentences"])
    return (*found, *_MORE)

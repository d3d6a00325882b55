"""Nothing in a campaign's database says which text is the baseline's.

Both sides of every pair come from the same generator, so that only bookkeeping could tell them
apart. A classifier is trained on half of the campaigns, with everything that a reader of the file
has: all columns, parities, neighbours, places in the file and in its log. On the other half it must
do as well as a coin. BABELBITS_CAMPAIGNS=200 makes as many campaigns.
"""

import os
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select

from annotate.campaigns import make, plain
from babelbits.annotate.folder import Campaign, read_key
from babelbits.annotate.models import unit
from babelbits.preferences.answer_pairs import AnswerPair
from babelbits.stats.binary import wilson

CAMPAIGNS = int(os.environ.get("BABELBITS_CAMPAIGNS", "20"))
WORDS = [
    "the",
    "old",
    "harbour",
    "town",
    "lies",
    "between",
    "two",
    "hills",
    "and",
    "a",
    "market",
    "by",
    "the",
    "sea",
    "draws",
    "many",
]


def outputs(rng: np.random.Generator) -> list[AnswerPair]:
    """Pairs of two languages and variants; both answers are drawn alike."""

    def answer() -> str:
        return " ".join(rng.choice(WORDS, size=int(rng.integers(8, 20))))

    return [
        AnswerPair(
            source_id=f"q{number}",
            item_id=f"q{number}",
            task="open-prompts",
            language=language,
            variant=variant,
            prompt=f"Question {number}?",
            baseline_answer=answer(),
            variant_answer=answer(),
        )
        for language in ("en", "nb")
        for variant in ("w4", "nf4")
        for number in range(20)
    ]


def seen(campaign: Campaign) -> tuple[list[list[float]], list[bool]]:
    """What a reader of the database sees of each unit, and whether text a is the baseline's."""
    content = b"".join(p.read_bytes() for p in sorted(campaign.folder.glob("votes.sqlite*")))
    baseline = {entry.unit: entry.baseline == "a" for entry in read_key(campaign.folder)}
    with campaign.database.reading() as connection:
        rows = connection.execute(select(unit).where(unit.c.kind == "pair")).all()
    features = [
        [
            *(row.id % n for n in (2, 3, 4, 5, 8)),
            row.id / len(rows),
            *(row.rank % n for n in (2, 3, 4)),
            row.rank / len(rows),
            row.stratum,
            row.wanted,
            row.language == "en",
            place,
            place % 2,
            content.find(row.text_a.encode()) / len(content),
            content.rfind(row.text_a.encode()) / len(content),
            content.find(row.text_b.encode()) - content.find(row.text_a.encode()),
            content.find(row.prompt.encode()) / len(content),
            row.text_a < row.text_b,
            len(row.text_a) - len(row.text_b),
        ]
        for place, row in enumerate(rows)
    ]
    return features, [baseline[row.id] for row in rows]


def test_no_column_order_or_place_predicts_the_key(tmp_path: Path) -> None:
    ensemble = pytest.importorskip("sklearn.ensemble")
    rng = np.random.default_rng(0)
    known: list[tuple[list[list[float]], list[bool]]] = []
    for number in range(CAMPAIGNS):
        settings = plain(overlap=3, overlap_share=0.3)
        campaign = make(tmp_path / str(number), outputs(rng), settings, secret=rng.bytes(32))
        known.append(seen(campaign))
        campaign.close()
    half = CAMPAIGNS // 2
    learnt, held = known[:half], known[half:]
    classifier = ensemble.RandomForestClassifier(
        n_estimators=100, min_samples_leaf=5, random_state=0
    )
    classifier.fit([x for xs, _ in learnt for x in xs], [y for _, ys in learnt for y in ys])
    truth = np.array([y for _, ys in held for y in ys])
    hits = int((classifier.predict([x for xs, _ in held for x in xs]) == truth).sum())
    interval = wilson(hits, len(truth))
    assert interval.low <= 0.5 <= interval.high, f"{hits} of {len(truth)}"


def test_the_classifier_finds_sides_that_take_turns(tmp_path: Path) -> None:
    """The same reader, where numbers were given in the order of the draw: parity tells all."""
    ensemble = pytest.importorskip("sklearn.ensemble")
    rng = np.random.default_rng(0)
    features = [[float(n % 2), float(n)] for n in range(200)]
    truth = [n % 2 == 0 for n in range(200)]
    classifier = ensemble.RandomForestClassifier(n_estimators=20, random_state=0)
    order = rng.permutation(200)
    classifier.fit([features[n] for n in order[:100]], [truth[n] for n in order[:100]])
    found = classifier.predict([features[n] for n in order[100:]])
    assert wilson(int((found == [truth[n] for n in order[100:]]).sum()), 100).low > 0.5

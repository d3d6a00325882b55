"""Published numbers of questions against the files themselves."""

import json
from collections import Counter
from pathlib import Path

import pytest

from babelbits.tasks.published_sizes import find_published_size


def test_nothing_is_known_of_what_was_not_published() -> None:
    assert find_published_size("math", "en") is None
    assert find_published_size("xwinograd", "zh") is None, (
        "16 in the original, more in later versions"
    )
    assert find_published_size("belebele", "nb") == 900


@pytest.mark.shared_data
def test_mgsm_and_xcopa_have_as_many_lines(shared_data: Path) -> None:
    for file in (shared_data / "mgsm").glob("mgsm_*.tsv"):
        lines = file.read_text("utf-8").strip("\n").split("\n")
        assert len(lines) == find_published_size("mgsm", file.stem.removeprefix("mgsm_"))
    files = sorted((shared_data / "xcopa" / "data").glob("*/test.*.jsonl"))
    assert files
    for file in files:
        rows = [json.loads(line) for line in file.read_text("utf-8").strip("\n").split("\n")]
        assert len(rows) == find_published_size("xcopa", file.parent.name)


@pytest.mark.shared_data
def test_xwinograd_has_as_many_schemas(shared_data: Path) -> None:
    import lzma

    text = lzma.decompress((shared_data / "xwinograd" / "dataset.tsv.xz").read_bytes()).decode()
    found = Counter(line.split("\t")[0] for line in text.strip("\n").split("\n"))
    for code, upstream in {"en": "en", "ja": "jp", "ru": "ru", "pt": "pt", "fr": "fr"}.items():
        assert found[upstream] == find_published_size("xwinograd", code)

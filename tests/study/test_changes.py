"""Two identities to words."""

import pytest

from babelbits.study.planning.identity_diff import describe_changes


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ({"a": 1}, {"a": 1}, None),
        ({"p": {"group_size": 64}}, {"p": {"group_size": 128}}, "group_size 64 → 128"),
        ({"calibration": None}, {"calibration": {"language": "nb"}}, "language none → nb"),
        ({"base": "x", "seed": 0}, {"base": "y", "seed": 1}, "the base model's files changed"),
        ({"task": "f"}, {"task": "g"}, "the items or prompts changed"),
        (dict.fromkeys("abcde", 0), dict.fromkeys("abcde", 1), "a 0 → 1, b 0 → 1, c 0 → 1, and 2"),
    ],
)
def test_words(before: dict[str, object], after: dict[str, object], words: str | None) -> None:
    found = describe_changes(before, after)
    assert found is None if words is None else str(found).startswith(words)

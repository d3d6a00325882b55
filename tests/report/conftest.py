"""One small study and its page, made once."""

import os
from collections.abc import Iterator

import pytest

from babelbits.report.build import build
from babelbits.results.results import Results
from report import browser, synthetic

SMALL_LANGUAGES = ("en", "ar", "hi", "ml", "ja")
SMALL_VARIANTS = {"w8": 8.1, "w4@en": 4.25}


@pytest.fixture(scope="session")
def small() -> Results:
    return synthetic.make(
        languages=SMALL_LANGUAGES,
        variants=SMALL_VARIANTS,
        suites=("math", "pairs", "text"),
        items=180,
    )


@pytest.fixture(scope="session")
def tiny() -> Results:
    return synthetic.make(
        languages=("en", "ar"), variants={"w4@en": 4.25}, suites=("math",), items=60
    )


@pytest.fixture(scope="session")
def page(small: Results) -> str:
    return build(small)


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Browser]:
    if browser.find() is None:
        if os.environ.get("BABELBITS_CI"):
            pytest.fail("CI has no Chromium: install one, the report is tested in it")
        pytest.skip("no Chromium on this machine")
    with browser.Browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened

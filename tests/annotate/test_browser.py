"""The app in a real browser: a whole campaign by keyboard, two tabs, no network, ended sessions."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from annotate import load
from annotate.campaigns import PASSWORD, invite, make, pair, pairs, plain
from babelbits.annotate import auth
from babelbits.annotate.folder import Campaign, open_campaign
from babelbits.annotate.judgments import Judgment, read_judgments
from babelbits.annotate.models import session
from babelbits.annotate.progress import measure_progress

pytestmark = [pytest.mark.chromium, pytest.mark.slow]
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
DESKTOP, PHONE = {"width": 1280, "height": 860}, {"width": 390, "height": 844}
AXE = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


@pytest.fixture(scope="module")
def chromium(chromium_path: str) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Where screenshots go; BABELBITS_SCREENSHOTS names a folder that stays."""
    folder = Path(os.environ.get("BABELBITS_SCREENSHOTS", tmp_path / "pictures"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def open_page(chromium: Any, url: str, **more: Any) -> tuple[Any, list[str]]:
    """A fresh browser profile's page, and what goes wrong on it."""
    page = chromium.new_context(viewport=DESKTOP, **more).new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: said.type in ("error", "warning") and wrong.append(said.text))
    page.goto(url)
    return page, wrong


def begin(page: Any) -> None:
    """Agree, by keyboard."""
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/rate")


def save(page: Any) -> None:
    with page.expect_navigation():
        page.keyboard.press("Enter")


def check_accessible(page: Any) -> None:
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, options=AXE).response["violations"]
    told = [(one["id"], [node["target"] for node in one["nodes"]]) for one in found]
    assert told == []


HOSTILE = "<img src=x onerror='window.pwned=1'><script>window.pwned=1</script>\u202edlrow"
SIKI = "\U00011db0\U00011db1\U00011db2\U00011db3 \U00011db4\U00011db5"
"""Letters of Unicode 17's Tolong Siki, which no font of a usual system has."""


@dataclass
class Served:
    """A campaign that several tests share, each with raters of its own."""

    campaign: Campaign
    url: str

    def invite(self, language: str, interface: str = "en") -> str:
        """A new rater's link."""
        self.name, token = invite(self.campaign, [language], interface=interface, now=time.time())
        return f"{self.url}/join/{token}"

    def judgments(self) -> list[Judgment]:
        """What the last invited rater has said."""
        with self.campaign.database.reading() as connection:
            return [one for one in read_judgments(connection) if one.rater == self.name]

    def end_session(self) -> None:
        """As if the last invited rater's session had expired."""
        with self.campaign.database.writing() as connection:
            mine = session.c.rater_id == auth.find_rater(connection, self.name)
            connection.execute(session.delete().where(mine))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    hostile = replace(
        pair("en", 1), language="sw", prompt=HOSTILE, baseline_answer=HOSTILE, variant_answer="x"
    )
    boxes = replace(
        pair("en", 1), language="kru", baseline_answer=SIKI, variant_answer=f"{SIKI}{SIKI}"
    )
    folder = tmp_path_factory.mktemp("served") / "c"
    campaign = make(folder, [*pairs(["en", "ar", "ur", "ja"], 8), hostile, boxes], plain())
    with load.serving(folder) as url:
        yield Served(campaign, url)
    campaign.close()


def test_three_raters_rate_a_campaign_in_two_languages_by_keyboard_only(
    chromium: Any, tmp_path: Path, pictures: Path
) -> None:
    """Screens, checks, repeats and all: to the last page, without touching a mouse."""
    folder = tmp_path / "c"
    settings = plain(
        overlap=3, overlap_share=1.0, screen=2, screen_pass=0, gold=2, check_every=3, repeats=True,
        identical=1, pay_per_hour=20.0, currency="EUR",
    )  # fmt: skip
    campaign = make(folder, pairs(["en", "ar"], 6, identical=1), settings)
    raters = [
        invite(campaign, ["en", "ar"], interface=code, now=time.time())
        for code in ("en", "ar", "nb")
    ]
    campaign.close()
    with load.serving(folder) as url:
        for number, (_, token) in enumerate(raters):
            page, wrong = open_page(chromium, f"{url}/join/{token}")
            check_accessible(page)
            page.screenshot(path=pictures / f"consent-{number}.png")
            begin(page)
            rated = 0
            while page.locator("#form").count():
                if rated in (0, 12):
                    check_accessible(page)
                    page.screenshot(path=pictures / f"rate-{number}-{rated}.png")
                page.keyboard.press(f"Digit{rated % 5 + 1}")
                if rated % 4 == 1:
                    page.keyboard.press("b")
                if rated == 2:  # into the comment, shortcuts asleep, and out again
                    page.locator("#comment").focus()
                    page.keyboard.type("1 b u ? ok")
                    assert page.locator("#comment").input_value() == "1 b u ? ok"
                    page.keyboard.press("Escape")
                save(page)
                rated += 1
            assert wrong == []
            page.screenshot(path=pictures / f"done-{number}.png")
            page.context.close()
    opened = open_campaign(folder)
    with opened.database.reading() as connection:
        judgments = read_judgments(connection)
    found = measure_progress(opened, now=time.time(), rng=np.random.default_rng(0))
    opened.close()
    assert (found.done, found.wanted) == (36, 36)
    counted = [one for one in judgments if one.counted]
    assert {one.language for one in counted} == {"en", "ar"}
    assert {one.rater for one in counted} == {"r01", "r02", "r03"}
    assert {one.comment for one in judgments} == {"", "1 b u ? ok"}
    assert any(one.unusable for one in counted)
    assert all(one.duration is not None and one.duration.raw > 0 for one in judgments)
    assert {one.preference for one in counted} == {-2, -1, 0, 1, 2}


def test_undo_and_help_by_keyboard(chromium: Any, served: Served) -> None:
    page, wrong = open_page(chromium, served.invite("en"))
    begin(page)
    page.keyboard.press("Shift+Slash")
    assert page.locator("#help").is_visible()
    check_accessible(page)
    page.keyboard.press("2")  # not for the form while help is open
    page.keyboard.press("Escape")
    assert page.locator("[name=choice]:checked").count() == 0
    page.keyboard.press("Enter")  # nothing chosen: told, not sent
    assert "Choose one of the five" in page.locator("#status").inner_text()
    page.keyboard.press("1")
    save(page)
    with page.expect_navigation():
        page.keyboard.press("u")
    assert "changing an earlier answer" in page.content()
    assert page.locator("[name=choice]:checked").get_attribute("value") == "-2"
    page.keyboard.press("5")
    save(page)
    assert wrong == []
    page.context.close()
    (judgment,) = served.judgments()
    assert judgment.revisions == 2
    assert judgment.chose_first is False


def test_keys_go_by_place_and_sleep_while_composing(chromium: Any, served: Served) -> None:
    press = """(init) => document.body.dispatchEvent(
      new KeyboardEvent("keydown", { bubbles: true, cancelable: true, ...init }))"""
    page, _ = open_page(chromium, served.invite("ar", "ar"))
    begin(page)
    page.evaluate(press, {"code": "Digit2", "key": "٢"})  # an Arabic keyboard
    assert page.locator("[name=choice]:checked").get_attribute("value") == "-1"
    page.evaluate(press, {"code": "KeyB", "key": "لا"})
    assert page.locator("[name=unusable]").is_checked()
    page.evaluate(press, {"code": "Digit5", "key": "5", "isComposing": True})
    page.evaluate(press, {"code": "Digit5", "key": "5", "ctrlKey": True})
    assert page.locator("[name=choice]:checked").get_attribute("value") == "-1"
    page.context.close()


def test_two_tabs(chromium: Any, served: Served) -> None:
    first, _ = open_page(chromium, served.invite("en"))
    begin(first)
    second = first.context.new_page()
    second.goto(f"{served.url}/rate")
    first.keyboard.press("1")
    save(first)
    second.bring_to_front()
    second.keyboard.press("5")
    second.keyboard.press("Enter")
    second.locator("#status.alarm").wait_for()
    assert "another tab" in second.locator("#status").inner_text()
    save(second)
    first.context.close()
    (judgment,) = served.judgments()
    assert (judgment.revisions, judgment.chose_first) == (1, True)


def test_no_network_keeps_the_answer_and_sends_it_later(chromium: Any, served: Served) -> None:
    page, _ = open_page(chromium, served.invite("en"))
    begin(page)
    page.context.set_offline(True)
    page.keyboard.press("4")
    page.keyboard.press("Enter")
    page.get_by_text("No connection").wait_for()
    with page.expect_navigation(timeout=30_000):
        page.context.set_offline(False)
    page.context.close()
    assert len(served.judgments()) == 1


def test_a_reload_keeps_what_was_written_even_without_a_server(
    chromium: Any, served: Served
) -> None:
    page, _ = open_page(chromium, served.invite("en"))
    begin(page)
    page.route("**/api/draft", lambda route: route.abort())
    page.keyboard.press("2")
    page.locator("#comment").fill("half a thought")
    page.reload()
    assert page.locator("#comment").input_value() == "half a thought"
    assert page.locator("[name=choice]:checked").get_attribute("value") == "-1"
    page.context.close()


def test_an_ended_session_keeps_the_form(chromium: Any, served: Served) -> None:
    link = served.invite("en")
    page, _ = open_page(chromium, link)
    begin(page)
    served.end_session()
    page.keyboard.press("5")
    page.keyboard.press("Enter")
    page.locator("#ended").wait_for()
    check_accessible(page)
    page.locator("#link").fill("nonsense")
    page.locator("#renew").click()
    page.get_by_text("not valid, or has expired").wait_for()
    page.locator("#link").fill(link)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.locator("#ended").wait_for(state="hidden")
    assert page.locator("[name=choice]:checked").get_attribute("value") == "2"
    page.locator("[name=choice]:checked").focus()
    save(page)
    page.context.close()
    (judgment,) = served.judgments()
    assert judgment.chose_first is False


@pytest.mark.parametrize(
    ("code", "spoken", "scheme"), [("ur", "en", "dark"), ("ja", "ja", "light")]
)
def test_phone(
    chromium: Any, served: Served, pictures: Path, code: str, spoken: str, scheme: str
) -> None:
    context = chromium.new_context(
        viewport=PHONE, color_scheme=scheme, has_touch=True, is_mobile=True
    )
    page = context.new_page()
    page.goto(served.invite(code, spoken))
    page.locator("button.main").tap()
    page.wait_for_url("**/rate")
    check_accessible(page)
    page.screenshot(path=pictures / f"phone-{code}-{scheme}.png")
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
    first, second = (page.locator(f"#{side}").bounding_box() for side in ("first", "second"))
    assert first["y"] + first["height"] <= second["y"]  # stacked
    if code == "ur":  # Nastaliq descends and needs room
        style = page.locator("#first").evaluate(
            "e => (({ lineHeight, fontSize, fontFamily }) => [lineHeight, fontSize, fontFamily])"
            "(getComputedStyle(e))"
        )
        assert float(style[0][:-2]) / float(style[1][:-2]) >= 2.2
        assert "Nastaliq" in style[2]
    page.locator(".step").nth(3).tap()
    with page.expect_navigation():
        page.locator("#form button.main").tap()
    context.close()
    assert len(served.judgments()) == 1


@pytest.mark.parametrize(("language", "lacking"), [("kru", True), ("ar", False)])
def test_letters_without_a_font_are_pointed_out(
    chromium: Any, served: Served, language: str, lacking: bool
) -> None:
    page, _ = open_page(chromium, served.invite(language))
    begin(page)
    assert page.locator("#no-font").is_visible() == lacking
    page.context.close()


def test_hostile_texts_do_not_run(chromium: Any, served: Served) -> None:
    page, wrong = open_page(chromium, served.invite("sw"))
    begin(page)
    assert page.locator("#request").inner_text() == HOSTILE
    assert page.evaluate("typeof window.pwned") == "undefined"
    page.locator("#comment").fill(HOSTILE)
    page.keyboard.press("Escape")
    page.keyboard.press("3")
    save(page)
    assert wrong == []
    page.context.close()
    (judgment,) = served.judgments()
    assert judgment.comment == HOSTILE


def test_the_owner_sees_progress(chromium: Any, served: Served, pictures: Path) -> None:
    page, wrong = open_page(chromium, f"{served.url}/owner")
    check_accessible(page)
    page.keyboard.type(PASSWORD)
    save(page)
    check_accessible(page)
    before = int(page.locator("h1").inner_text().split()[0])
    rater, _ = open_page(chromium, served.invite("ja", "ja"))
    begin(rater)
    rater.keyboard.press("1")
    save(rater)
    page.get_by_text(f"{before + 1} of 34 judgments").wait_for(timeout=60_000)
    page.screenshot(path=pictures / "owner.png", full_page=True)
    assert wrong == []
    page.context.close()
    rater.context.close()

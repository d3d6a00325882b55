"""The page in a real browser: hostile texts stay text, directions are right, controls work."""

import json
from pathlib import Path

import pytest

from report.browser import Browser
from report.synthetic import HOSTILE

pytestmark = pytest.mark.chromium


@pytest.fixture(scope="module")
def opened(chromium: Browser, page: str, tmp_path_factory: pytest.TempPathFactory) -> Browser:
    file = tmp_path_factory.mktemp("page") / "report.html"
    file.write_bytes(page.encode())
    chromium.open(file)
    return chromium


def choose(browser: Browser, variant: str, suite: str, language: str) -> None:
    """Pick a cell in the item browser, and all of its items."""
    picks = json.dumps({"variant": variant, "suite": suite, "language": language})
    browser.ask(
        f"""(() => {{
          for (const [key, value] of Object.entries({picks})) {{
            const control = document.querySelector(`#pick select[data-key=${{key}}]`);
            control.value = value;
            control.dispatchEvent(new Event("change", {{ bubbles: true }}));
          }}
          [...document.querySelectorAll("#pick button")].at(-1).click();
        }})()"""
    )


def texts_of_all_pages(browser: Browser) -> list[str]:
    """Texts of every item of the chosen cell."""
    found: list[str] = browser.ask(
        """(() => {
          const texts = [];
          for (;;) {
            for (const e of document.querySelectorAll("#browser .text")) texts.push(e.textContent);
            const next = [...document.querySelectorAll("#browser .pager button")].at(-1);
            if (!next || next.disabled) return texts;
            next.click();
          }
        })()"""
    )
    return found


def test_no_script_of_an_output_runs_and_nothing_is_logged(opened: Browser) -> None:
    choose(opened, "w4@en", "math", "en")
    texts_of_all_pages(opened)
    assert opened.ask("typeof window.pwned") == "undefined"
    assert opened.errors == []


def test_nothing_but_the_file_is_asked_for(opened: Browser) -> None:
    assert opened.requests
    assert all(url.startswith("file:") and url.endswith("report.html") for url in opened.requests)


def test_an_injected_script_is_stopped_by_the_policy(
    chromium: Browser, page: str, tmp_path: Path
) -> None:
    """The second wall: even markup that got in could not run."""
    file = tmp_path / "report.html"
    evil = "<script>window.pwned = 4</script><img src=x onerror='window.pwned = 5'>"
    file.write_bytes(page.replace("<main>", f"<main>{evil}").encode())
    chromium.open(file)
    assert chromium.ask("typeof window.pwned") == "undefined"
    assert any("Content Security Policy" in error for error in chromium.errors)
    chromium.errors.clear()
    chromium.requests.clear()


def test_hostile_texts_are_shown_literally(chromium: Browser, page: str, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_bytes(page.encode())
    chromium.open(file)
    choose(chromium, "w4@en", "math", "en")
    shown = "\n".join(texts_of_all_pages(chromium))
    for text in HOSTILE:
        for control in "\x1b\x07\u2028\u2029\u202e\u202c\u2066\u2069":
            text = text.replace(control, f"U+{ord(control):04X}")
        assert text in shown


def test_right_to_left_texts_say_so(opened: Browser) -> None:
    choose(opened, "w4@en", "math", "ar")
    assert opened.ask("document.querySelectorAll('#browser .item').length") > 0
    kinds = opened.ask(
        "[...new Set([...document.querySelectorAll('#browser .text')]"
        ".map(e => `${e.tagName} ${e.dir} ${e.lang}`))]"
    )
    assert kinds == ["BDI rtl ar"]
    align = "getComputedStyle(document.querySelector('#browser .text')).direction"
    assert opened.ask(align) == "rtl"


def test_a_heat_map_cell_leads_to_its_items(opened: Browser) -> None:
    opened.ask("document.querySelector('.heat a[href*=\"w4-en--math--hi\"]').click()")
    opened.ask("new Promise(done => setTimeout(done, 200))")
    picked = "[...document.querySelectorAll('#pick select')].map(s => s.value)"
    assert opened.ask(picked) == ["w4@en", "math", "hi"]


def test_a_link_in_a_forest_plot_leads_to_its_items(opened: Browser) -> None:
    opened.ask(
        "document.querySelector('#forests a[href*=\"w8--pairs--ja\"]')"
        ".dispatchEvent(new MouseEvent('click', {bubbles: true}))"
    )
    opened.ask("new Promise(done => setTimeout(done, 200))")
    picked = "[...document.querySelectorAll('#pick select')].map(s => s.value)"
    assert opened.ask(picked) == ["w8", "pairs", "ja"]


def test_the_table_sorts_and_filters(opened: Browser) -> None:
    rows = "[...document.querySelectorAll('#effects tbody tr:not([hidden])')]"
    deltas = f"{rows}.map(r => Number(r.cells[7].dataset.v))"
    opened.ask("document.querySelectorAll('#effects th button')[7].click()")
    found = opened.ask(deltas)
    assert len(found) > 10
    assert found == sorted(found)
    opened.ask("document.querySelectorAll('#effects th button')[7].click()")
    assert opened.ask(deltas) == sorted(found, reverse=True)
    opened.ask(
        "(() => { const s = document.querySelector('#filters [data-key=variant]');"
        " s.value = 'w8'; s.dispatchEvent(new Event('input', {bubbles: true})); })()"
    )
    assert opened.ask(f"[...new Set({rows}.map(r => r.dataset.variant))]") == ["w8"]


@pytest.mark.parametrize("width", [1400, 420])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_sticks_out_sideways(
    chromium: Browser, page: str, tmp_path: Path, width: int, scheme: str
) -> None:
    file = tmp_path / "report.html"
    file.write_bytes(page.encode())
    chromium.open(file, width=width, scheme=scheme)
    assert chromium.ask("document.documentElement.scrollWidth") == width


def test_changed_words_are_marked_in_both_outputs(opened: Browser) -> None:
    choose(opened, "w4@en", "math", "ja")
    marks = "[...document.querySelectorAll('#browser .item')].slice(0, 1)"
    before, after = opened.ask(
        f"{marks}.flatMap(i => ['before', 'after']"
        ".map(s => [...i.querySelectorAll(`.side.${s} mark`)].map(m => m.textContent).join('')))"
    )
    assert before.isdigit()
    assert after.isdigit()
    assert before != after

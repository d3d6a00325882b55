"""The app over HTTP: links, sessions, CSRF, hostile texts, wrong requests, blindness in bytes."""

import html
import json
import logging
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select

from annotate.campaigns import NOW, PASSWORD, TASK, VARIANT, invite, make, pair, pairs, plain
from annotate.conftest import Clock
from babelbits.annotate import auth
from babelbits.annotate.folder import Campaign, read_key
from babelbits.annotate.interface import list_languages, load_interface
from babelbits.annotate.models import event, session
from babelbits.annotate.models import invite as invites
from babelbits.annotate.unblinding import unblind
from babelbits.annotate.web.app import make_app
from babelbits.annotate.web.protection import HEADERS

HOSTILE = "<script>window.pwned=1</script> & \"' {{ 7*7 }} \u202e</div><img src=x onerror=pwned>"
MULTIPART = {"content-type": "multipart/form-data"}
PAGE = re.compile(r'data-pair="([^"]+)" data-revision="(\d+)" data-csrf="([^"]+)"')


@pytest.fixture
def campaign(tmp_path: Path) -> Iterator[Campaign]:
    made = make(tmp_path / "run-SENTINEL", pairs(["en", "ar"], 6, identical=1), plain())
    yield made
    made.close()


class Rater:
    """A browser of a rater without a screen."""

    def __init__(self, campaign: Campaign, clock: Clock, token: str) -> None:
        self.client = TestClient(make_app(campaign, clock=clock), follow_redirects=False)
        self.token = token

    def agree(self) -> None:
        assert self.client.post(f"/join/{self.token}").status_code == 303

    def page(self, path: str = "/rate") -> str:
        reply = self.client.get(path)
        assert reply.status_code == 200, reply.text
        self.pair, self.revision, self.csrf = PAGE.search(reply.text).groups()  # type: ignore[union-attr]
        return reply.text

    def post(self, path: str, body: dict[str, Any], **headers: str) -> Any:
        return self.client.post(path, json=body, headers={"x-csrf-token": self.csrf, **headers})

    def answer(self, choice: int | None = 1, **form: Any) -> Any:
        body = {"pair": self.pair, "revision": int(self.revision), "elapsed_ms": 10.5}
        return self.post("/api/answer", {**body, "form": {"choice": choice, **form}})


@pytest.fixture
def rater(campaign: Campaign, clock: Clock) -> Rater:
    _, token = invite(campaign, ["en"])
    made = Rater(campaign, clock, token)
    made.agree()
    return made


def count(campaign: Campaign, kind: str = "answer") -> int:
    with campaign.database.reading() as connection:
        return connection.scalar(select(func.count()).where(event.c.kind == kind)) or 0


# --- coming in ---------------------------------------------------------------------------------


def test_opening_a_link_changes_nothing_and_agreeing_begins(
    campaign: Campaign, clock: Clock
) -> None:
    _, token = invite(campaign, ["en"])
    client = TestClient(make_app(campaign, clock=clock), follow_redirects=False)
    for _ in range(2):  # mail programs open links
        assert client.get(f"/join/{token}").status_code == 200
    with campaign.database.reading() as connection:
        assert connection.scalar(select(func.count()).select_from(session)) == 0
    reply = client.post(f"/join/{token}")
    assert (reply.status_code, reply.headers["location"]) == (303, "/rate")
    cookie = reply.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "secure" not in cookie


def test_cookies_are_secure_behind_https(campaign: Campaign, clock: Clock) -> None:
    _, token = invite(campaign, ["en"])
    app = make_app(campaign, clock=clock, public_url="https://rate.example.org")
    client = TestClient(app, base_url="https://rate.example.org", follow_redirects=False)
    own = {"origin": "https://rate.example.org"}
    reply = client.post(f"/join/{token}", headers=own)
    assert "secure" in reply.headers["set-cookie"].lower()
    assert "max-age=31536000" in reply.headers["strict-transport-security"]


def test_a_link_is_a_secret_that_is_kept_as_a_hash(campaign: Campaign) -> None:
    _, token = invite(campaign, ["en"])
    with campaign.database.reading() as connection:
        (kept,) = connection.scalars(select(invites.c.token_hash)).all()
    assert token not in kept
    assert len(token) >= 32


@pytest.mark.parametrize("why", ["forged", "expired", "revoked"])
def test_a_link_that_does_not_hold_opens_nothing(
    campaign: Campaign, clock: Clock, why: str
) -> None:
    name, token = invite(campaign, ["en"])
    if why == "forged":
        token = f"{token[:-1]}{'A' if token[-1] != 'A' else 'B'}"
    elif why == "expired":
        clock.now += 31 * 86400
    else:
        with campaign.database.writing() as connection:
            auth.revoke(connection, name, now=NOW)
    client = TestClient(make_app(campaign, clock=clock), follow_redirects=False)
    for reply in (client.get(f"/join/{token}"), client.post(f"/join/{token}")):
        assert reply.status_code == 403
        assert "not valid, or has expired" in reply.text
        assert "set-cookie" not in reply.headers
    assert client.post("/api/renew", json={"link": token}).status_code == 403


def test_wrong_links_are_limited_and_lock_nobody_out(campaign: Campaign, clock: Clock) -> None:
    """A classroom behind one address: what others mistype does not close a right link."""
    client = TestClient(make_app(campaign, clock=clock))
    _, token = invite(campaign, ["en"])
    assert [client.get("/join/typo").status_code for _ in range(21)] == [403] * 20 + [429]
    codes = [client.get(f"/join/x{n}").status_code for n in range(600)]
    assert codes == [403] * 579 + [429] * 21  # 21 tries of the link before them
    assert client.get(f"/join/{token}").status_code == 200
    clock.now += 601
    assert client.get("/join/typo").status_code == 403


def test_wrong_passwords_are_limited_for_the_account_and_right_ones_do_not_count(
    campaign: Campaign, clock: Clock
) -> None:
    client = TestClient(make_app(campaign, clock=clock), follow_redirects=False)

    def login(password: str) -> int:
        return int(client.post("/owner/login", data={"password": password}).status_code)

    assert [login(PASSWORD) for _ in range(25)] == [303] * 25
    assert [login("guess") for _ in range(21)] == [403] * 20 + [429]
    assert login(PASSWORD) == 429  # or guessing would go on
    clock.now += 601
    assert login(PASSWORD) == 303


def test_two_campaigns_on_one_host_keep_their_sessions_apart(tmp_path: Path, clock: Clock) -> None:
    one = make(tmp_path / "one", pairs(["en"], 3), plain(), secret=b"1" * 32)
    two = make(tmp_path / "two", pairs(["en"], 3), plain(), secret=b"2" * 32)
    raters = [Rater(campaign, clock, invite(campaign, ["en"])[1]) for campaign in (one, two)]
    raters[1].client.cookies = raters[0].client.cookies  # one browser
    for rater in raters:
        rater.agree()
    for rater in raters:
        rater.page()
        assert rater.answer().status_code == 200
    one.close()
    two.close()


def test_after_unblinding_nothing_is_recorded(campaign: Campaign, rater: Rater) -> None:
    rater.page()
    unblind(campaign, reason="test", now=NOW)
    before = {kind: count(campaign, kind) for kind in ("answer", "shown", "hidden", "back")}
    assert rater.answer().status_code == 423
    assert rater.post("/api/event", {"pair": rater.pair, "kind": "hidden"}).status_code == 423
    assert rater.post("/api/draft", {"pair": rater.pair, "form": {}}).status_code == 423
    assert rater.post("/api/back", {"pair": rater.pair}).status_code == 423
    assert before == {kind: count(campaign, kind) for kind in before}


@pytest.mark.parametrize(
    ("method", "path", "more"),
    [
        ("GET", "/join/%00", {}),
        ("GET", "/join/" + "x" * 5000, {}),
        ("GET", "/rate/%ff%fe", {}),
        ("GET", "/rate", {"headers": {"cookie": "rater=\\x00; a=b; =; ;"}}),
        ("GET", "/owner", {"headers": {"cookie": "owner=" + "y" * 3000}}),
        ("GET", "/", {"headers": {"accept-language": ",;q=,--" * 200}}),
        ("POST", "/api/answer", {"content": b"\xff\xfe{"}),
        ("POST", "/api/answer", {"content": b'{"pair": "\\ud800"}'}),
        ("POST", "/api/renew", {"json": {"link": "\x00"}}),
        ("POST", "/api/renew", {"content": b"["}),
        (
            "POST",
            "/owner/login",
            {"content": b"%", "headers": {"content-type": "multipart/form-data"}},
        ),
        ("POST", "/owner/login", {"data": {"password": "\x00\ud7ff"}}),
        ("POST", "/interface", {"content": b"x" * 70_000}),
        ("POST", "/interface", {"content": iter([b"y" * 40_000] * 3)}),
        ("PUT", "/rate", {}),
        ("GET", "/static/../../key.json", {}),
        ("GET", "/static/%00", {}),
    ],
)
def test_strangers_errors_are_never_the_servers(
    campaign: Campaign, clock: Clock, method: str, path: str, more: dict[str, Any]
) -> None:
    client = TestClient(make_app(campaign, clock=clock), raise_server_exceptions=False)
    assert client.request(method, path, **more).status_code < 500


def test_revoking_ends_sessions_at_once(campaign: Campaign, rater: Rater) -> None:
    rater.page()
    with campaign.database.writing() as connection:
        auth.revoke(connection, "r01", now=NOW)
    assert rater.answer().status_code == 401
    assert rater.client.get("/rate").headers["location"] == "/"
    assert count(campaign) == 0


def test_an_ended_session_is_renewed_in_place_and_the_answer_sent(
    campaign: Campaign, rater: Rater, clock: Clock
) -> None:
    rater.page()
    clock.now += auth.SESSION_SECONDS + 1
    ended = rater.answer(2)
    assert (ended.status_code, ended.json()["error"]) == (401, "session_ended")
    link = f"http://testserver/join/{rater.token}/"
    renewed = rater.client.post("/api/renew", json={"link": link})
    assert renewed.status_code == 200
    rater.csrf = renewed.json()["csrf"]
    assert rater.answer(2).status_code == 200
    assert count(campaign) == 1


def test_a_stranger_sees_no_pair(campaign: Campaign, clock: Clock) -> None:
    client = TestClient(make_app(campaign, clock=clock), follow_redirects=False)
    assert client.get("/rate").headers["location"] == "/"
    assert client.get("/rate/x").headers["location"] == "/"
    assert client.post("/api/answer", json={}).status_code == 401


def test_a_rater_cannot_reach_anothers_pair(campaign: Campaign, rater: Rater, clock: Clock) -> None:
    _, token = invite(campaign, ["en"])
    other = Rater(campaign, clock, token)
    other.agree()
    rater.page()
    theirs = rater.pair
    other.page()
    other.pair = theirs
    assert other.answer().status_code == 404
    assert other.client.get(f"/rate/{theirs}").headers["location"] == "/rate"


# --- what may write ----------------------------------------------------------------------------


def test_a_foreign_csrf_token_is_refused(campaign: Campaign, rater: Rater, clock: Clock) -> None:
    _, token = invite(campaign, ["en"])
    other = Rater(campaign, clock, token)
    other.agree()
    other.page()
    rater.page()
    rater.csrf = other.csrf
    refused = rater.answer()
    assert (refused.status_code, refused.json()["error"]) == (403, "bad_csrf")
    bare = rater.client.post("/api/answer", json={})
    assert bare.status_code == 403
    assert count(campaign) == 0


@pytest.mark.parametrize(
    "headers",
    [{"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}],
)
def test_a_foreign_origin_is_refused(
    campaign: Campaign, rater: Rater, headers: dict[str, str]
) -> None:
    rater.page()
    body = {"pair": rater.pair, "revision": 1, "form": {"choice": 0}}
    assert rater.post("/api/answer", body, **headers).status_code == 403
    _, token = invite(campaign, ["en"])
    assert rater.client.post(f"/join/{token}", headers=headers).status_code == 403
    assert count(campaign) == 0


def test_every_reply_has_the_security_headers(rater: Rater) -> None:
    paths = ("/", "/rate", "/static/app.js", "/static/no.js", "/nothing", "/owner", "/join/x")
    for path in paths:
        headers = rater.client.get(path).headers
        for name, value in HEADERS.items():
            assert headers[name] == value, path
        assert "server" not in headers
        assert headers["cache-control"] == ("no-cache" if "/static/" in path else "no-store")
    assert "unsafe" not in HEADERS["content-security-policy"]


def test_too_much_is_refused_before_it_is_read(campaign: Campaign, rater: Rater) -> None:
    rater.page()
    assert rater.answer(comment="x" * 70_000).status_code == 413
    long = rater.answer(comment="x" * 2001)
    assert (long.status_code, long.json()["error"]) == (413, "comment_too_long")
    assert "2000" in long.json()["message"]
    assert rater.answer(comment="x" * 2000).status_code == 200


def test_too_much_without_a_stated_length_is_refused(campaign: Campaign, rater: Rater) -> None:
    rater.page()
    chunks = (b"x" * 8192 for _ in range(12))
    headers = {"x-csrf-token": rater.csrf, "content-type": "application/json"}
    assert rater.client.post("/api/answer", content=chunks, headers=headers).status_code == 400
    assert count(campaign) == 0


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"pair": "x" * 65, "revision": 1, "form": {"choice": 1}},
        {"pair": None, "revision": 1, "form": {"choice": 1}},
        {"revision": "<script>", "pair": "x", "form": {}},
        {"pair": "x", "revision": 1, "form": {"choice": 1, "extra": "<script>"}},
        {"pair": "x", "revision": 1, "form": {"choice": 7}},
        {"pair": "x", "revision": 0, "form": {"choice": 1}},
    ],
)
def test_what_cannot_be_read_is_not_sent_back(rater: Rater, body: dict[str, Any]) -> None:
    rater.page()
    reply = rater.post("/api/answer", body)
    assert reply.status_code == 422
    assert reply.json().keys() == {"error", "message"}
    assert "script" not in reply.text


@pytest.mark.slow
def test_a_rater_who_is_a_machine_is_slowed_down(rater: Rater, clock: Clock) -> None:
    rater.page()
    happening = {"pair": rater.pair, "kind": "visible"}
    codes = [rater.post("/api/event", happening).status_code for _ in range(601)]
    assert codes == [200] * 600 + [429]
    clock.now += 61
    assert rater.answer().status_code == 200


# --- rating ------------------------------------------------------------------------------------


def test_a_double_click_is_one_vote(campaign: Campaign, rater: Rater) -> None:
    rater.page()
    first, second = rater.answer(1), rater.answer(1)
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json() == second.json()
    assert count(campaign) == 1


def test_of_two_tabs_the_first_stands_and_the_second_is_told(
    campaign: Campaign, rater: Rater
) -> None:
    rater.page()
    assert rater.answer(2).status_code == 200
    late = rater.answer(-2)
    assert late.status_code == 409
    assert late.json()["form"]["choice"] == 2
    assert late.json()["yours"] is False
    assert count(campaign) == 1


def test_back_and_change_keeps_both_answers(campaign: Campaign, rater: Rater) -> None:
    rater.page()
    first = rater.pair
    rater.answer(-1, comment="first thought")
    rater.page()
    assert rater.pair != first
    reply = rater.post("/api/back", {"pair": rater.pair})
    assert reply.json() == {"pair": first}
    shown = rater.page(f"/rate/{first}")
    assert "first thought" in shown
    assert (rater.pair, rater.revision) == (first, "2")
    assert rater.answer(2).json()["revision"] == 2
    assert count(campaign) == 2
    assert count(campaign, "back") == 1


def test_nothing_before_the_first(rater: Rater) -> None:
    rater.page()
    reply = rater.post("/api/back", {"pair": rater.pair})
    assert (reply.status_code, reply.json()["error"]) == (422, "nothing_before")


def test_a_draft_comes_back(rater: Rater) -> None:
    rater.page()
    form = {"choice": -2, "first_reasons": ["fluency"], "comment": "half a thou"}
    assert rater.post("/api/draft", {"pair": rater.pair, "form": form}).status_code == 200
    page = rater.page()
    assert "half a thou" in page
    assert 'value="-2" checked' in page
    assert re.search(r'name="first_reasons" value="fluency" checked', page)


def test_after_unblinding_no_vote_is_taken(campaign: Campaign, rater: Rater) -> None:
    rater.page()
    unblind(campaign, reason="done", now=NOW)
    reply = rater.answer()
    assert (reply.status_code, reply.json()["error"]) == (423, "closed")
    assert count(campaign) == 0
    assert "The study is closed" in rater.client.get("/rate").text


def test_to_the_end(rater: Rater) -> None:
    seen = set()
    for _ in range(6):
        rater.page()
        seen.add(rater.pair)
        assert rater.answer(0).status_code == 200
    assert len(seen) == 6
    assert "There is nothing more to rate" in rater.client.get("/rate").text


def test_hostile_texts_stay_texts(tmp_path: Path, clock: Clock) -> None:
    outputs = [
        replace(pair("en", 1), prompt=HOSTILE, baseline_answer=HOSTILE, variant_answer="}}]]>")
    ]
    campaign = make(tmp_path / "c", outputs, plain())
    rater = Rater(campaign, clock, invite(campaign, ["en"])[1])
    rater.agree()
    page = rater.page()
    assert "<script>window" not in page
    assert "<img" not in page
    assert "49" not in re.findall(r'id="request">(.*?)</div>', page, re.DOTALL)[0]
    assert HOSTILE in html.unescape(page)
    rater.answer(0, comment=HOSTILE)
    rater.page(f"/rate/{rater.pair}")
    campaign.close()


def test_each_text_has_its_own_language_and_direction(campaign: Campaign, clock: Clock) -> None:
    rater = Rater(campaign, clock, invite(campaign, ["ar"], interface="nb")[1])
    rater.agree()
    page = rater.page()
    assert '<html lang="nb" dir="ltr">' in page
    assert page.count('class="text" lang="ar" dir="rtl"') == 3
    assert "Hvilket svar er best?" in page
    form = {"language": "ar", "csrf": rater.csrf}
    assert rater.client.post("/interface", data=form).status_code == 303
    assert '<html lang="ar" dir="rtl">' in rater.page()


def test_a_language_that_no_table_of_fonts_knows_still_has_its_code(
    tmp_path: Path, clock: Clock
) -> None:
    outputs = [
        replace(pair("en", 1), language="nqo", baseline_answer="ߒߞߏ ߦߋ߫", variant_answer="ߒߞߏ")
    ]
    campaign = make(tmp_path / "c", outputs, plain())
    rater = Rater(campaign, clock, invite(campaign, ["nqo"])[1])
    rater.agree()
    assert 'lang="nqo" dir="rtl"' in rater.page()
    campaign.close()


@pytest.mark.parametrize("code", list_languages())
def test_every_page_can_be_said_in_every_language(
    campaign: Campaign, clock: Clock, code: str
) -> None:
    rater = Rater(campaign, clock, invite(campaign, ["en"], interface=code)[1])
    consent = rater.client.get(f"/join/{rater.token}").text
    assert html.escape(load_interface(code).say("agree"), quote=False) in html.unescape(consent)
    rater.agree()
    page = html.unescape(rater.page())
    assert load_interface(code).say("save") in page
    answered = rater.answer(None)
    assert answered.json()["message"] == load_interface(code).say("choose_first")


# --- the owner ---------------------------------------------------------------------------------


def test_the_owner_needs_the_password(campaign: Campaign, clock: Clock, rater: Rater) -> None:
    client = TestClient(make_app(campaign, clock=clock), follow_redirects=False)
    assert client.get("/owner").headers["location"] == "/owner/login"
    assert client.get("/owner/live").status_code == 401
    wrong = client.post("/owner/login", data={"password": "guess"})
    assert wrong.status_code == 403
    assert rater.client.get("/owner").headers["location"] == "/owner/login"
    right = client.post("/owner/login", data={"password": PASSWORD})
    assert right.headers["location"] == "/owner"
    assert "0 of 12 judgments" in client.get("/owner").text
    assert "2 identical pairs" in client.get("/owner/live").text
    assert client.get("/rate").headers["location"] == "/"  # the owner is no rater


def test_guessing_the_password_ends_soon(campaign: Campaign, clock: Clock) -> None:
    client = TestClient(make_app(campaign, clock=clock), follow_redirects=False)
    for _ in range(20):
        assert client.post("/owner/login", data={"password": "guess"}).status_code == 403
    assert client.post("/owner/login", data={"password": PASSWORD}).status_code == 429


# --- blindness is a property of the bytes --------------------------------------------------------


@pytest.mark.slow
def test_no_byte_of_a_campaign_says_which_is_which(
    tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """Every page, reply, header, asset and log line of a campaign, searched for every secret."""
    settings = plain(gold=2, identical=1, check_every=3, repeats=True, screen=2, screen_pass=0)
    outputs = pairs(["en", "ar"], 12, identical=2, variants=(VARIANT, "q8_0@ml-SENTINEL"))
    campaign = make(tmp_path / "run-SENTINEL", outputs, settings)
    caplog.set_level(logging.DEBUG)
    sent: list[bytes] = []

    def keep(reply: Any) -> Any:
        sent.extend([reply.content, json.dumps(dict(reply.headers)).encode()])
        return reply

    for language in ("en", "ar"):
        rater = Rater(campaign, clock, invite(campaign, [language])[1])
        request = rater.client.request
        rater.client.request = lambda *a, ask=request, **k: keep(ask(*a, **k))  # type: ignore[method-assign]
        rater.client.get("/")
        rater.client.get(f"/join/{rater.token}")
        rater.agree()
        while PAGE.search(rater.client.get("/rate").text):
            rater.page()
            for kind in ("shown", "first_key", "hidden", "visible"):
                rater.post("/api/event", {"pair": rater.pair, "kind": kind, "elapsed_ms": 5})
            rater.post("/api/draft", {"pair": rater.pair, "form": {"choice": 1}})
            rater.answer(1)
            rater.answer(-1)
            rater.answer(None)
            rater.post("/api/back", {"pair": rater.pair})
            rater.client.get(f"/rate/{rater.pair}")
        for path in ("app.css", "app.js", "owner.js", "icon.svg", "none.js"):
            rater.client.get(f"/static/{path}")
        rater.post("/api/answer", {"wrong": True})
        rater.client.get("/nothing")
        rater.client.post("/leave", data={"csrf": rater.csrf})
    owner = TestClient(make_app(campaign, clock=clock))
    keep(owner.post("/owner/login", data={"password": PASSWORD}))
    keep(owner.get("/owner/live"))
    unblind(campaign, reason="done", now=NOW)
    keep(owner.get("/owner"))
    assert len(sent) > 500

    everything = b"\n".join(sent) + caplog.text.encode()
    everything = everything.replace(b"font-variant-numeric", b"")
    secrets = {"SENTINEL", VARIANT, TASK, "q8_0@ml", str(tmp_path), "votes.sqlite", "key.json"}
    secrets |= {campaign.secret.hex(), "quantiz", "variant", "baseline"}
    for entry in read_key(campaign.folder):
        secrets |= {entry.pair_id, f'"{entry.source_id}"', entry.item_id}
    found = sorted(secret for secret in secrets if secret.encode() in everything)
    assert found == []
    for kind in ("shuffled", '"screen"', "identical"):  # nor which pairs are checks
        pages = [text for text in sent if b"data-pair" in text or text.startswith(b'{"pair"')]
        assert not any(kind.encode() in text for text in pages)
    campaign.close()


def test_the_log_names_no_invitation(
    campaign: Campaign, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="babelbits.annotate")
    rater = Rater(campaign, clock, invite(campaign, ["en"])[1])
    rater.client.get(f"/join/{rater.token}")
    rater.agree()
    assert "GET /join/{token} 200" in caplog.text
    ours = "\n".join(r.getMessage() for r in caplog.records if r.name == "babelbits.annotate")
    assert rater.token not in ours

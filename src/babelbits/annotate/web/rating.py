"""The pair on the screen, and everything that its page sends back.

A page and every reply hold opaque ids, texts in the order in which they are shown, and the rater's
own answers: nothing that says which text is whose, or whether a pair is a check.
"""

from dataclasses import asdict
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection, func, select
from starlette.responses import JSONResponse, RedirectResponse, Response

from babelbits.annotate import events
from babelbits.annotate.assignment import (
    Nothing,
    Showing,
    choose_next_showing,
    find_showing,
    open_showing,
)
from babelbits.annotate.auth import Visitor
from babelbits.annotate.events import MAX_COMMENT, REASONS, RatingAnswer, RefusedError
from babelbits.annotate.folder import find_frozen_at
from babelbits.annotate.models import showing as showing_table
from babelbits.annotate.texts import prepare_text
from babelbits.annotate.web.site import (
    AppContext,
    TheSite,
    find_interface,
    find_rater,
    require_writing_rater,
)

router = APIRouter()
Reader = Annotated[Visitor | None, Depends(find_rater)]
Writer = Annotated[Visitor, Depends(require_writing_rater)]
Id = Annotated[str, Field(max_length=64)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Form(_Strict):
    """What is on the form."""

    choice: Literal[-2, -1, 0, 1, 2] | None = None
    unusable: bool = False
    first_reasons: list[str] = Field(default=[], max_length=len(REASONS))
    second_reasons: list[str] = Field(default=[], max_length=len(REASONS))
    comment: str = Field(default="", max_length=20_000)

    def answer(self) -> RatingAnswer:
        """The same as a record."""
        return RatingAnswer(
            choice=self.choice,
            unusable=self.unusable,
            first_reasons=tuple(self.first_reasons),
            second_reasons=tuple(self.second_reasons),
            comment=self.comment,
        )


class Submission(_Strict):
    """An answer to a pair."""

    pair: Id
    revision: int = Field(ge=1, le=10_000)
    elapsed_ms: float | None = None
    form: Form


class RecordedRating(_Strict):
    """A draft."""

    pair: Id
    revision: int = Field(default=1, ge=1, le=10_000)
    form: Form


class Happening(_Strict):
    """Something that the page saw."""

    pair: Id
    kind: Literal["shown", "first_key", "hidden", "visible"]
    elapsed_ms: float | None = None


class Back(_Strict):
    """A wish to change an earlier answer."""

    pair: Id | None = None


@router.get("/rate")
def rate(request: Request, site: TheSite, rater: Reader) -> Response:
    """The next pair."""
    if rater is None:
        return RedirectResponse("/", status_code=303)
    rater_id = _id(rater)
    with site.campaign.database.reading() as connection:
        closed = find_frozen_at(connection) is not None
        showing: Showing | Nothing | None = None if closed else open_showing(connection, rater_id)
    if closed:
        return _message(request, site, rater, "closed")
    if showing is None:
        with site.campaign.database.writing() as connection:
            showing = choose_next_showing(
                connection,
                rater_id,
                site.campaign.settings,
                secret=site.campaign.secret,
                now=site.clock(),
            )
    if isinstance(showing, Nothing):
        return _message(request, site, rater, showing.reason)
    return _pair_page(request, site, rater, showing)


@router.get("/rate/{pair}")
def rate_again(pair: str, request: Request, site: TheSite, rater: Reader) -> Response:
    """A pair that this rater was shown before."""
    if rater is None:
        return RedirectResponse("/", status_code=303)
    with site.campaign.database.reading() as connection:
        found = find_showing(connection, _id(rater), pair)
    if found is None or (found.kind == "screen" and found.answered_at is not None):
        return RedirectResponse("/rate", status_code=303)
    return _pair_page(request, site, rater, found)


@router.post("/api/answer")
def answer(body: Submission, site: TheSite, rater: Writer) -> Response:
    """Record an answer and hand out the next pair; both or neither."""
    now = site.clock()
    with site.campaign.database.writing() as connection:
        _open(connection)
        stored = events.record_answer(
            connection,
            _shown(connection, rater, body.pair),
            body.form.answer(),
            site.campaign.settings,
            revision=body.revision,
            elapsed_ms=body.elapsed_ms,
            now=now,
        )
        choose_next_showing(
            connection, _id(rater), site.campaign.settings, secret=site.campaign.secret, now=now
        )
    reply = {
        "pair": body.pair,
        "revision": stored.revision,
        "form": asdict(stored.answer),
        "yours": stored.is_yours,
    }
    return JSONResponse(reply, status_code=200 if stored.is_yours else 409)


@router.post("/api/draft")
def draft(body: RecordedRating, site: TheSite, rater: Writer) -> Response:
    """Keep what is on the form."""
    with site.campaign.database.writing() as connection:
        _open(connection)
        events.save_draft(
            connection,
            _shown(connection, rater, body.pair),
            body.form.answer(),
            site.campaign.settings,
            revision=body.revision,
            now=site.clock(),
        )
    return JSONResponse({"pair": body.pair})


@router.post("/api/event")
def happening(body: Happening, site: TheSite, rater: Writer) -> Response:
    """Record what the page saw: when, never what."""
    with site.campaign.database.writing() as connection:
        _open(connection)
        events.record_event(
            connection,
            _shown(connection, rater, body.pair),
            body.kind,
            site.campaign.settings,
            elapsed_ms=body.elapsed_ms,
            now=site.clock(),
        )
    return JSONResponse({"pair": body.pair})


@router.post("/api/back")
def back(body: Back, site: TheSite, rater: Writer) -> Response:
    """The pair answered last, to change it; what was said stands until it is."""
    with site.campaign.database.writing() as connection:
        _open(connection)
        current = None if body.pair is None else find_showing(connection, _id(rater), body.pair)
        earlier = events.find_showing_before(connection, _id(rater), current)
        if earlier is None:
            raise RefusedError("nothing_before")
        events.record_event(
            connection,
            _shown(connection, rater, earlier),
            "back",
            site.campaign.settings,
            elapsed_ms=None,
            now=site.clock(),
        )
    return JSONResponse({"pair": earlier})


def _id(rater: Visitor) -> int:
    if rater.rater_id is None:
        raise HTTPException(403, "bad_request")
    return rater.rater_id


def _shown(connection: Connection, rater: Visitor, public_id: str) -> Showing:
    found = find_showing(connection, _id(rater), public_id)
    if found is None:
        raise HTTPException(404, "bad_request")
    return found


def _open(connection: Connection) -> None:
    if find_frozen_at(connection) is not None:
        raise RefusedError("closed")


def _pair_page(request: Request, site: AppContext, rater: Visitor, pair: Showing) -> Response:
    with site.campaign.database.reading() as connection:
        revisions, form = events.find_current_answer(connection, pair.id)
        form = events.read_draft(connection, pair) or form
        answered = connection.scalar(
            select(func.count()).where(
                showing_table.c.rater_id == pair.rater_id,
                showing_table.c.answered_at.is_not(None),
            )
        )
    return site.page(
        "rate.html.j2",
        find_interface(request, rater),
        pair=pair.public_id,
        revision=revisions + 1,
        request=prepare_text(pair.prompt, pair.language),
        answers=[prepare_text(pair.first, pair.language), prepare_text(pair.second, pair.language)],
        form=form or RatingAnswer(choice=None),
        answered=answered or 0,
        reasons=REASONS,
        max_comment=MAX_COMMENT,
        csrf=rater.csrf,
    )


def _message(request: Request, site: AppContext, rater: Visitor, name: str) -> Response:
    words = find_interface(request, rater)
    return site.page(
        "message.html.j2",
        words,
        heading=words.say(f"{name}_title"),
        text=words.say(name),
        csrf=rater.csrf,
    )

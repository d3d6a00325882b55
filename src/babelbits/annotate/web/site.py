"""What the routes share: the campaign, the clock, pages, limits; and who is asking."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import Depends, Header, HTTPException, Request
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from babelbits.annotate import auth
from babelbits.annotate.auth import Visitor
from babelbits.annotate.folder import Campaign
from babelbits.annotate.interface import FALLBACK, Interface, list_languages, load_interface
from babelbits.annotate.secrets import derive_id
from babelbits.annotate.web.protection import Limiter
from babelbits.words import plural

Role = Literal["rater", "owner"]
RATER: Role = "rater"
OWNER: Role = "owner"


@dataclass(frozen=True)
class AppContext:
    """One campaign as it is served."""

    campaign: Campaign
    clock: Callable[[], float]
    """Seconds since 1970."""
    templates: Environment
    https: bool
    wrong_tries: Limiter
    """Of one link, and of the owner's password: by account, and by account and address."""
    wrong_links: Limiter
    """Of links by address: far more, for many raters may share one."""
    requests: Limiter
    """Of writing requests, by rater."""

    def page(
        self,
        name: str,
        words: Interface,
        *,
        status: int = 200,
        **values: object,  # what the template shows
    ) -> HTMLResponse:
        """A page in the visitor's interface."""
        html = self.templates.get_template(name).render(
            ui=words.language,
            say=words.say,
            words=words.words,
            study=self.campaign.settings.title,
            title=self.campaign.settings.title or words.say("title"),
            interfaces=[load_interface(code).language for code in list_languages()],
            **values,
        )
        return HTMLResponse(html, status_code=status)

    def cookie(self, role: Role) -> str:
        """Name of a cookie: campaigns on one host keep their sessions apart."""
        return f"{role}-{derive_id(self.campaign.secret, 'cookie')[:10]}"

    def token(self, request: Request, role: Role) -> str | None:
        """The session that a request carries."""
        return request.cookies.get(self.cookie(role))

    def set_cookie(self, response: Response, role: Role, token: str, seconds: float) -> None:
        """Give a session to the browser; no script can read it."""
        response.set_cookie(
            self.cookie(role),
            token,
            max_age=int(seconds),
            httponly=True,
            secure=self.https,
            samesite="lax",
            path="/",
        )


def make_templates() -> Environment:
    """Templates of the app; everything is escaped, and a missing value is an error."""
    environment = Environment(
        loader=PackageLoader("babelbits.annotate", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["plural"] = plural
    return environment


def get_site(request: Request) -> AppContext:
    """The campaign that this app serves."""
    found: AppContext = request.app.state.site
    return found


TheSite = Annotated[AppContext, Depends(get_site)]


def _visitor(request: Request, site: AppContext, role: Role) -> Visitor | None:
    token = site.token(request, role)
    with site.campaign.database.reading() as connection:
        found = auth.find_visitor(connection, token, secret=site.campaign.secret, now=site.clock())
    if found is not None and (found.rater_id is None) == (role == OWNER):
        return found
    return None


def find_rater(request: Request, site: TheSite) -> Visitor | None:
    """The rater who asks, if it is one."""
    return _visitor(request, site, RATER)


def find_owner(request: Request, site: TheSite) -> Visitor | None:
    """The owner, if it is the owner who asks."""
    return _visitor(request, site, OWNER)


def require_writing_rater(
    site: TheSite,
    rater: Annotated[Visitor | None, Depends(find_rater)],
    x_csrf_token: Annotated[str | None, Header()] = None,
) -> Visitor:
    """The rater who may write: signed in, with the session's CSRF token, not too fast."""
    if rater is None:
        raise HTTPException(401, "session_ended")
    if not auth.is_csrf_token(x_csrf_token, rater.csrf):
        raise HTTPException(403, "bad_csrf")
    if not site.requests.count(rater.name):
        raise HTTPException(429, "too_many")
    return rater


def find_interface(request: Request, visitor: Visitor | None) -> Interface:
    """The interface of a visitor; a stranger's by what the browser asks for."""
    if visitor is not None:
        return load_interface(visitor.interface)
    wished = request.headers.get("accept-language", FALLBACK)
    codes = [part.split(";")[0].strip().split("-")[0].lower() for part in wished.split(",")]
    codes = ["nb" if code == "no" else code for code in codes]
    return load_interface(next((code for code in codes if code in list_languages()), FALLBACK))


def read_address(request: Request) -> str:
    """Where a request comes from; kept in memory only, for limits."""
    return request.client.host if request.client else "?"

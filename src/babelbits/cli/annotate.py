"""`babelbits annotate`: a blinded rating campaign, from pairs to votes.

What is a secret (links, the owner's password) goes to stdout once and is kept nowhere.
"""

import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from babelbits.annotate.rater_invitations import (
    check_languages,
    invite_raters,
    parse_wanted_raters,
)
from babelbits.cli.campaign_status import make_standing_object, print_standing
from babelbits.cli.console import print_data, print_json, say
from babelbits.errors import MissingExtraError, NothingThereError, StudyError
from babelbits.words import plural

if TYPE_CHECKING:
    from babelbits.annotate.campaign_settings import Settings
    from babelbits.annotate.folder import Campaign

SCHEMA = "babelbits.annotate/1"
_DEFAULT_URL = "http://127.0.0.1:8000"
_FOLDER = click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
_URL = click.option(
    "--url", default=_DEFAULT_URL, show_default=True, help="Where raters reach the app."
)
_DAYS = click.option(
    "--days",
    type=click.FloatRange(min=0, min_open=True),
    default=30.0,
    show_default=True,
    help="Days until an invitation expires.",
)


@click.group()
def annotate() -> None:
    """Let people compare baseline and variant, blinded, in a web app.

    \b
    babelbits annotate create pairs.jsonl --folder c --raters ar=3,sw=3
    babelbits annotate serve c           the app; raters open their links
    babelbits annotate status c          progress, agreement, time
    babelbits annotate export c          events, judgments, codebook: blinded
    babelbits annotate unblind c --reason "all 600 judgments are in"

    \b
    babelbits annotate invite c --languages ar,en    one more rater, or --rater r02: a new link
    babelbits annotate revoke c r02                  end a rater's links and sessions
    babelbits annotate forget c r02                  delete all that a rater gave
    babelbits annotate backup c votes.backup         a copy while people rate; `restore` reads it
    """
    missing = [name for name in ("fastapi", "sqlalchemy", "uvicorn") if find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"the rating app needs {missing[0]}", hint="pip install 'babelbits[annotate]'"
        )


@annotate.command(short_help="Make a campaign of a file of pairs.")
@click.argument("pairs", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--folder",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the new campaign.",
)
@click.option("--title", default="", help="Shown to raters; says nothing about models.")
@click.option(
    "--raters", "wanted", default="", help="Raters to invite in each language, e.g. ar=3,sw=3."
)
@click.option(
    "--database",
    envvar="BABELBITS_DATABASE",
    show_envvar=True,
    help="URL; SQLite in the folder if left out. One with a password belongs in the variable.",
)
@click.option("--overlap", default=3, show_default=True, help="Judgments wanted of a shared pair.")
@click.option(
    "--overlap-share", default=0.3, show_default=True, help="Share of the pairs that are shared."
)
@click.option(
    "--check-every", default=10, show_default=True, help="One check in so many pairs; 0: no checks."
)
@click.option("--gold", default=6, show_default=True, help="Checks made by rule in each language.")
@click.option(
    "--identical", default=2, show_default=True, help="Pairs with identical answers to show."
)
@click.option("--repeats/--no-repeats", default=True, help="Show pairs again, sides swapped.")
@click.option(
    "--screen",
    default=4,
    show_default=True,
    help="Checks that a rater takes before a language opens.",
)
@click.option(
    "--screen-pass", default=3, show_default=True, help="Correct checks that open the language."
)
@click.option(
    "--lease",
    default=15.0,
    show_default=True,
    help="Minutes for which a pair is reserved for a rater.",
)
@click.option(
    "--pay-per-hour", type=float, help="Shown on the consent page, and used for the estimate."
)
@click.option("--currency", default="", help="Of the pay, e.g. EUR.")
@_DAYS
@_URL
@_JSON
def create(
    pairs: Path,
    *,
    folder: Path,
    title: str,
    wanted: str,
    database: str | None,
    overlap: int,
    overlap_share: float,
    check_every: int,
    gold: int,
    identical: int,
    repeats: bool,
    screen: int,
    screen_pass: int,
    lease: float,
    pay_per_hour: float | None,
    currency: str,
    days: float,
    url: str,
    as_json: bool,
) -> None:
    """Make a campaign of the pairs in PAIRS.

    PAIRS is JSON Lines as `babelbits pairs` writes it. The owner's password and the raters' links
    are printed once.
    """
    from babelbits.annotate.campaign_settings import Settings

    settings = Settings(
        title=title.strip(),
        overlap=overlap,
        overlap_share=overlap_share,
        check_every=check_every,
        gold=gold,
        identical=identical,
        repeats=repeats,
        screen=screen,
        screen_pass=min(screen_pass, screen),
        lease_minutes=lease,
        pay_per_hour=pay_per_hour,
        currency=currency,
    )
    _create(pairs, folder, settings, wanted, database, days=days, url=url, as_json=as_json)


def _create(
    pairs: Path,
    folder: Path,
    settings: "Settings",
    wanted: str,
    database: str | None,
    *,
    days: float,
    url: str,
    as_json: bool,
) -> None:
    from babelbits.annotate import folder as folders
    from babelbits.annotate.create import draft_campaign, hash_pairs
    from babelbits.annotate.secrets import make_password, make_secret
    from babelbits.preferences.pair_files import read_pairs

    raters = parse_wanted_raters(wanted)
    outputs = read_pairs(pairs)
    if folders.has_campaign(folder):
        if folders.has_same_outputs(folder, hash_pairs(outputs)):
            say(f"the campaign is there already: babelbits annotate serve {folder}")
            return
        raise NothingThereError(
            "the campaign in this folder is about other outputs",
            where=str(folder),
            hint="votes on changed outputs cannot be mixed: name another folder",
        )
    secret, password = make_secret(), make_password()
    draft = draft_campaign(outputs, settings, secret=secret)
    check_languages(raters, {unit.language for unit in draft.units})
    campaign = folders.write_campaign(
        folder,
        draft,
        settings,
        secret=secret,
        database_url=database,
        owner_password=password,
        pairs_file=pairs,
        pairs_digest=hash_pairs(outputs),
        now=time.time(),
    )
    links = [
        invite_raters(campaign, [language], None, days=days, url=url)
        for language, count in raters.items()
        for _ in range(count)
    ]
    judgments = sum(unit.wanted for unit in draft.units)
    if as_json:
        counts = {
            "pairs": len(outputs),
            "identical": draft.n_identical,
            "units": sum(unit.kind == "pair" for unit in draft.units),
            "judgments": judgments,
        }
        secrets = {"owner_password": password, "invitations": links}
        print_json({"schema": SCHEMA, **counts, **secrets, "notes": list(draft.notes)})
        return
    say(
        f"{plural(len(outputs), 'pair')}: {draft.n_identical} with identical "
        "answers (ties by construction,"
        f" not shown), {sum(unit.kind == 'pair' for unit in draft.units)} to rate,"
        f" {plural(judgments, 'judgment')} wanted"
    )
    for note in draft.notes:
        say(f"note: {note}")
    say("stored nowhere else; save them now:")
    print_data(f"owner password  {password}")
    _print_links(links)
    say(f"next: babelbits annotate serve {folder}")


@annotate.command()
@_FOLDER
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option("--port", default=8000, show_default=True, help="Port to listen at.")
@click.option("--url", help="Where raters reach it behind a proxy, e.g. https://rate.example.org.")
@click.option(
    "--trusted-proxy",
    "proxies",
    multiple=True,
    metavar="ADDRESS",
    help="A proxy in front: its X-Forwarded-For says where a rater is.",
)
@click.option("--verbose", is_flag=True, help="Log requests: route, status, time; no addresses.")
def serve(
    folder: Path, *, host: str, port: int, url: str | None, proxies: tuple[str, ...], verbose: bool
) -> None:
    """Serve the campaign in FOLDER until Ctrl-C."""
    from babelbits.annotate import folder as folders
    from babelbits.annotate.web.app import serve as serve_app

    note = folders.check_outputs(folder)
    if note is not None:
        say(f"note: {note}")
    campaign = folders.open_campaign(folder)
    shown = url or f"http://{host}:{port}"
    say(f"raters: {shown}/join/…   owner: {shown}/owner   Ctrl-C stops; votes are safe at any time")
    if url is None and host not in ("127.0.0.1", "localhost", "::1"):
        say("warning: no --url with https: links, passwords and votes travel in clear")
    try:
        serve_app(campaign, host=host, port=port, public_url=url, proxies=proxies, verbose=verbose)
    finally:
        campaign.close()


@annotate.command()
@_FOLDER
@click.option("--languages", default="", help="Of a new rater, in order, e.g. ar,en.")
@click.option("--rater", help="A new link for this rater instead.")
@click.option("--interface", "spoken", help="Language of the pages; the rater's first by default.")
@_DAYS
@_URL
@_JSON
def invite(
    folder: Path,
    *,
    languages: str,
    rater: str | None,
    spoken: str | None,
    days: float,
    url: str,
    as_json: bool,
) -> None:
    """Invite one more rater, or send a rater a new link."""
    from babelbits.languages import resolve

    if bool(languages) == bool(rater):
        raise click.UsageError("name the --languages of a new rater, or a --rater")
    codes = [resolve(code).code for code in languages.split(",") if code.strip()]
    campaign = _open(folder)
    link = invite_raters(campaign, codes, spoken, days=days, url=url, name=rater)
    if as_json:
        print_json({"schema": SCHEMA, "invitations": [link]})
        return
    _print_links([link])


@annotate.command()
@_FOLDER
@click.argument("rater")
def revoke(folder: Path, rater: str) -> None:
    """End the links and sessions of RATER; what was said stays."""
    from babelbits.annotate import auth
    from babelbits.annotate.folder import log_act

    with _open(folder).database.writing() as connection:
        auth.revoke(connection, rater, now=time.time())
        log_act(connection, "revoke", now=time.time(), detail={"rater": rater})
    say(f"{rater}: links and sessions ended; `annotate invite --rater {rater}` lets them in again")


@annotate.command()
@_FOLDER
@click.argument("rater")
def forget(folder: Path, rater: str) -> None:
    """Delete everything that RATER gave: the right to be forgotten."""
    from babelbits.annotate.auth import forget as delete

    with _open(folder).database.writing() as connection:
        judgments = delete(connection, rater, now=time.time())
    say(
        f"{rater}: {plural(judgments, 'judgment')}, links and sessions deleted; "
        "others may fill the places"
    )
    say("exported and unblinded files still hold them: write those again, and tell who has copies")


@annotate.command()
@_FOLDER
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
def backup(folder: Path, out: Path) -> None:
    """Copy all votes to the file OUT, also while people rate; blinded."""
    from babelbits.annotate.backup import write_backup

    campaign = _open(folder)
    answers = write_backup(campaign, out)
    say(f"answers in the backup: {answers:,}; it needs the campaign's folder to be restored")
    print_data(str(out))


@annotate.command()
@_FOLDER
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--overwrite", is_flag=True, help="Needed where the campaign holds answers.")
def restore(folder: Path, file: Path, *, overwrite: bool) -> None:
    """Put the backup FILE in the place of the campaign's votes; stop the app first."""
    from babelbits.annotate.backup import restore as put_back

    answers = put_back(folder, file, overwrite=overwrite)
    say(f"answers restored: {answers:,}")


@annotate.command()
@_FOLDER
@click.option("--pay-per-hour", type=float, help="For the estimate, if not named at the start.")
@_JSON
def status(folder: Path, *, pay_per_hour: float | None, as_json: bool) -> None:
    """Progress, agreement and measured time; blinded."""
    import numpy as np

    from babelbits.annotate.progress import measure_progress

    campaign = _open(folder)
    found = measure_progress(campaign, now=time.time(), rng=np.random.default_rng(0))
    pay = campaign.settings.pay_per_hour if pay_per_hour is None else pay_per_hour
    if as_json:
        print_json({"schema": SCHEMA, **make_standing_object(found, pay)})
        return
    print_standing(found, pay, campaign.settings.currency)


@annotate.command()
@_FOLDER
@click.option("--out", type=click.Path(path_type=Path), help="FOLDER/export if left out.")
def export(folder: Path, *, out: Path | None) -> None:
    """Write events, judgments and a codebook; blinded."""
    from babelbits.annotate.export import export as write

    written = write(_open(folder), out or folder / "export")
    say(f"{plural(written.n_events, 'event')}, {plural(written.n_judgments, 'judgment')}")
    for name in written.files:
        print_data(str(written.folder / name))


@annotate.command()
@_FOLDER
@click.option("--reason", required=True, help="Kept in the campaign's log.")
def unblind(folder: Path, *, reason: str) -> None:
    """Say which answer was whose. Logged; no vote is taken after it."""
    from babelbits.annotate.unblinding import unblind as open_key

    if not reason.strip():
        raise StudyError("no reason given", where="--reason", hint="say why the study ends now")
    done = open_key(_open(folder), reason=reason.strip(), now=time.time())
    if done.note is not None:
        say(f"note: {done.note}")
    say(
        f"frozen; {plural(done.n_votes, 'vote')}, {done.n_after_rule} after the "
        "rule declared beforehand"
        f" (left out: {', '.join(done.excluded) or 'nobody'}), "
        f"{plural(done.n_identical, 'identical pair')}"
    )
    for name in ("votes.jsonl", "votes_after_rule.jsonl", "identical.jsonl", "key.csv"):
        print_data(str(done.folder / name))


# --- parts -----------------------------------------------------------------------------------


def _open(folder: Path) -> "Campaign":
    from babelbits.annotate.folder import open_campaign

    return open_campaign(folder)


def _print_links(links: Sequence[dict[str, Any]]) -> None:
    """One line a rater, to stdout."""
    for link in links:
        print_data(
            f"{link['rater']}  {','.join(link['languages'])}  {link['link']}".replace("    ", "  ")
        )

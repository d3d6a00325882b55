"""`babelbits translate`: a benchmark or a calibration text in another language."""

import shlex
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from babelbits.cli.console import print_data, print_json, say
from babelbits.errors import ExitCode, Interrupted, StudyError
from babelbits.words import agreeing, plural

if TYPE_CHECKING:
    from babelbits.engines.chat import ChatModel
    from babelbits.tasks.language_id import Identifier
    from babelbits.translate.source import TranslationSource
    from babelbits.translate.translate_file import Order
    from babelbits.translate.translate_units import Result

_QUIET_SECONDS = 60.0
_SHOWN = 3
"""Failures that are shown; all are in failed.jsonl."""


@click.command()
@click.argument("source", metavar="INPUT", type=click.Path(path_type=Path))
@click.option("--to", "target", help="Language to translate into, e.g. nb.")
@click.option("--from", "origin", default="en", show_default=True, help="Language of INPUT.")
@click.option("--columns", help="Columns of rows, with commas; default: those of a known layout.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Folder for what comes out.")
@click.option("--endpoint", metavar="URL", help="OpenAI-compatible: http://127.0.0.1:8080/v1")
@click.option("--model", help="The model's name at the endpoint.")
@click.option("--local", help="A chat model's folder here, or bundled.")
@click.option("--key-env", help="Environment variable of the API key. [BABELBITS_API_KEY]")
@click.option("--price", nargs=2, type=float, metavar="IN OUT", help="Of a million tokens.")
@click.option("--max-cost", type=float, help="Stop before this is spent, in the price's currency.")
@click.option("--requests-per-minute", type=click.IntRange(min=1))
@click.option("--concurrency", type=int, default=4, show_default=True, help="Requests at once.")
@click.option("--timeout", type=float, default=120.0, show_default=True, help="Seconds a request.")
@click.option("--allow-network", is_flag=True, help="Use the network though HF_HUB_OFFLINE is set.")
@click.option(
    "--back-translation",
    type=float,
    default=None,
    help="Least chrF of the translation translated back, 0 to 100. [40]",
)
@click.option("--no-back-translation", is_flag=True, help="Half the requests, one check less.")
@click.option("--limit", type=click.IntRange(min=1), help="First N rows or paragraphs only.")
@click.option("--estimate", "only_estimate", is_flag=True, help="Say what it takes; send nothing.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def translate(
    source: Path,
    *,
    target: str | None,
    origin: str,
    columns: str | None,
    output: Path | None,
    endpoint: str | None,
    model: str | None,
    local: str | None,
    key_env: str | None,
    price: tuple[float, float] | None,
    max_cost: float | None,
    requests_per_minute: int | None,
    concurrency: int,
    timeout: float,
    allow_network: bool,
    back_translation: float | None,
    no_back_translation: bool,
    limit: int | None,
    only_estimate: bool,
    as_json: bool,
) -> int:
    """Translate INPUT with a chat model, check every row, and keep what passes.

    INPUT is rows (.jsonl, or a release of MixEval), a text (.txt), or a translate.toml that holds
    all options. The same command again resumes; nothing is paid twice.

    \b
    babelbits translate items.jsonl --to nb --columns question,options \\
        --endpoint http://127.0.0.1:8080/v1 --model local -o items-nb
    babelbits translate wiki.txt --to nb --endpoint https://… --model big \\
        --key-env MY_KEY --price 0.15 0.60 --max-cost 5 -o calibration-nb
    """
    if source.suffix == ".toml":
        from babelbits.translate.translate_file import read_order

        order = read_order(source)
    else:
        order = _order(
            source,
            target=target,
            origin=origin,
            columns=columns,
            output=output,
            back_translation=None if no_back_translation else back_translation,
            checks_back=not no_back_translation,
            url=endpoint,
            model=model,
            local=local,
            settings={
                "key_variable": key_env,
                "price": _price(price),
                "max_cost": max_cost,
                "requests_per_minute": requests_per_minute,
                "concurrency": concurrency,
                "timeout": timeout,
            },
        )
    if limit is not None:
        order = replace(order, job=replace(order.job, limit=limit))
    return _run(order, allow_network=allow_network, only_estimate=only_estimate, as_json=as_json)


def _order(
    source: Path,
    *,
    target: str | None,
    origin: str,
    columns: str | None,
    output: Path | None,
    back_translation: float | None,
    checks_back: bool,
    url: str | None,
    model: str | None,
    local: str | None,
    settings: dict[str, Any],
) -> "Order":
    """The order that the options make."""
    from babelbits.engines.endpoint import EndpointSettings
    from babelbits.languages import resolve
    from babelbits.translate.job import BACK_TRANSLATION, TranslationJob
    from babelbits.translate.translate_file import ANSWERS, Order

    for name, value in (("--to", target), ("--output", output)):
        if not value:
            raise StudyError("the option is missing", where=name, hint="babelbits translate --help")
    if (url is None) == (local is None) or (url is None) != (model is None):
        raise StudyError(
            "which model translates is not clear",
            where="--endpoint",
            hint="name one: --endpoint URL --model NAME, or --local FOLDER",
        )
    least = BACK_TRANSLATION if back_translation is None else back_translation
    job = TranslationJob(
        source=source,
        output=output or Path(),
        target_language=resolve(target or "").code,
        source_language=resolve(origin).code,
        columns=tuple(name.strip() for name in columns.split(",")) if columns else (),
        back_translation=least if checks_back else None,
    )
    if url is None:
        given = [name for name in ("price", "max_cost", "key_variable") if settings[name]]
        if given:
            raise StudyError(
                f"{', '.join(given)} {agreeing(len(given), 'is', 'are')} of "
                "endpoints, and none is named",
                where="--endpoint",
                hint="for example --endpoint http://127.0.0.1:8080/v1",
            )
        return Order(job=job, folder=local)
    chosen = EndpointSettings(url=url, model=model or "", cache=job.work / ANSWERS, **settings)
    return Order(job=job, endpoint=chosen)


def _price(given: tuple[float, float] | None) -> Any:
    from babelbits.engines.endpoint import Price

    return None if given is None else Price(input=given[0], output=given[1])


# --- doing it ------------------------------------------------------------------------------------


def _run(order: "Order", *, allow_network: bool, only_estimate: bool, as_json: bool) -> int:
    from babelbits.translate.output import write
    from babelbits.translate.source import read_source
    from babelbits.translate.translate_units import Translator

    job = order.job
    source = read_source(job)
    identifier = _identifier(job.target_language)
    if job.back_translation is not None:
        from babelbits.translate.backward import read_signature

        read_signature()  # before anything is paid
    if only_estimate:
        return _say_estimate(order, source, only=True, as_json=as_json)
    model = _connect(order, allow_network=allow_network)
    try:
        progress = _Progress(len(source.units))
        translator = Translator(job, model, identifier=identifier, on_result=progress.tell)
        known = translator.finished()
        todo = [unit for unit in source.units if not translator.is_finished(unit, known)]
        if todo:
            left = replace(source, units=tuple(todo))
            _say_estimate(order, left, only=False, as_json=as_json)
        results = translator.run(source.units)
        summary = write(
            job,
            source,
            results,
            model=model.identity,
            checked_by=None if identifier is None else identifier.recipe,
        )
        summary["spending"] = _spending(order, model)
    except KeyboardInterrupt:
        raise Interrupted("what is paid is kept", hint=_again(sys.argv[1:])) from None
    finally:
        model.close()
    _report(summary, results, n_done_before=len(source.units) - len(todo), as_json=as_json)
    return int(ExitCode.DONE if summary["passed"] == summary["units"] else ExitCode.INCOMPLETE)


def _connect(order: "Order", *, allow_network: bool) -> "ChatModel":
    """The model, ready to be asked."""
    if order.endpoint is not None:
        from babelbits.engines.endpoint import connect

        def tell() -> None:
            say("waiting for requests under way; Ctrl-C again stops now")

        return connect(order.endpoint, allow_network=allow_network, on_interrupt=tell)
    from babelbits.cli.chat_judge import open_local
    from babelbits.translate.translate_file import ANSWERS

    return open_local(Path(order.folder or ""), cache=order.job.work / ANSWERS)


def _identifier(target: str) -> "Identifier | None":
    """A language identifier, opened so that a missing library is known at once."""
    from babelbits.tasks.language_id import open_identifier
    from babelbits.translate.language import explain_doubt

    identifier = open_identifier()
    reason = explain_doubt(identifier, target)
    if reason is None:
        return identifier
    say(f"the language of translations is not checked: {reason}")
    return None


def _say_estimate(order: "Order", source: "TranslationSource", *, only: bool, as_json: bool) -> int:
    """Say what it takes; refuse what would not fit the limit."""
    from dataclasses import asdict

    from babelbits.translate.units import estimate

    endpoint = order.endpoint
    price = endpoint.price if endpoint is not None else None
    about = estimate(source.units, order.job, price=price)
    if only and as_json:
        print_json({"schema": "babelbits.translate.job/1", **asdict(about)})
        return int(ExitCode.DONE)
    if about.cost is not None:
        cost = f"about {about.cost:.3g} at your price"
    else:
        cost = "no price given (--price)" if endpoint is not None else "on this machine"
    say(
        f"{plural(about.units, 'unit')} from {order.job.source_language} to "
        f"{order.job.target_language}: "
        f"about {plural(about.requests, 'request')}, {plural(about.prompt_tokens, 'token')} in, "
        f"{about.output_tokens:,} out; {cost}"
    )
    limit = endpoint.max_cost if endpoint is not None else None
    if limit is not None and about.cost is not None and about.cost > limit:
        raise StudyError(
            f"that is more than the limit of {limit:g}",
            where="--max-cost",
            hint=f"allow it with --max-cost {about.cost * 1.5:.2g}, or do a part with --limit N",
        )
    return int(ExitCode.DONE)


def _spending(order: "Order", model: Any) -> dict[str, float] | None:
    if order.endpoint is None or order.endpoint.price is None:
        return None
    spent = model.spending
    return {"known": spent.known, "possible": spent.possible}


def _again(arguments: Sequence[str]) -> str:
    return f"go on with: babelbits {shlex.join(arguments)}"


class _Progress:
    """A line every tenth of the units, or every minute."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = self._failed = 0
        self._last = time.monotonic()

    def tell(self, result: "Result") -> None:
        """A unit is finished, or has no answer."""
        before = 10 * self._done // self._total
        self._done += 1
        self._failed += not getattr(result, "passed", False)
        now = time.monotonic()
        if self._done == self._total:
            return
        if 10 * self._done // self._total > before or now - self._last > _QUIET_SECONDS:
            self._last = now
            say(f"{self._done}/{plural(self._total, 'unit')}, {self._failed} failed")


def _report(
    summary: dict[str, Any], results: Sequence["Result"], *, n_done_before: int, as_json: bool
) -> None:
    """What came out and, loudly, what did not."""
    from babelbits.translate.translate_units import Translation

    if n_done_before:
        say(
            f"{n_done_before} of {plural(summary['units'], 'unit')} "
            f"{agreeing(n_done_before, 'was', 'were')} done before"
        )
    median = summary["back_translation"]["median_chrf"]
    back = f", back-translation chrF {median:.0f} (median)" if median is not None else ""
    say(f"{summary['passed']} of {plural(summary['units'], 'unit')} passed every check{back}")
    if summary["spending"] is not None:
        spent = summary["spending"]
        unsure = f", and {spent['possible']:.4g} at most" if spent["possible"] else ""
        say(f"spent so far: {spent['known']:.4g}{unsure}")
    failed = [result for result in results if not getattr(result, "passed", False)]
    if failed:
        _report_failed(summary, failed)
    if as_json:
        print_json(summary)
    elif any(isinstance(result, Translation) and result.passed for result in results):
        print_data(summary["data"])


def _report_failed(summary: dict[str, Any], failed: Sequence["Result"]) -> None:
    from babelbits.translate.translate_units import Translation

    counts = Counter(summary["findings"]) + Counter(summary["unanswered"])
    kinds = ", ".join(f"{name} {count}" for name, count in counts.most_common())
    say(f"{len(failed)} failed and left out: {kinds}")
    for result in failed[:_SHOWN]:
        why = (
            "; ".join(finding.message for finding in result.findings)
            if isinstance(result, Translation)
            else f"no answer: {result.message}"
        )
        say(f"  {result.unit_id}: {why:.200}")
    say(f"  all of them: {summary['failed']}")
    if summary["unanswered"]:
        say("  the same command asks again what got no answer")

"""Served variants in a plan: where a server's record lies, what it cannot do, what it costs.

A served variant has no weights here. In their place stands a record of who was met
(`engines.endpoint.likeness`), in the run folder:

    served/ID/server.json     the server as it was last met; its hash is the weights hash of cells
    served/ID.sqlite          its answers and what they cost
    served/former/ID-HASH.json    servers that were met at that address before

Reads the folder; asks a server only where `refuse_unable` is told to.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from babelbits.engines.endpoint.abilities import Abilities, find_abilities
from babelbits.engines.endpoint.likeness import read_record
from babelbits.engines.endpoint.server import Server
from babelbits.engines.endpoint.settings import EndpointSettings, ServedBy
from babelbits.engines.served import RECORD, find_answers_file, load_tokenizer, make_encoder
from babelbits.errors import EngineError, MissingExtraError, StudyError
from babelbits.recipes.base_loading import find_context_length
from babelbits.recipes.manifests import hash_files, hash_weights
from babelbits.records import GenerateRequest, Request, ScoreRequest, TextRequest
from babelbits.study.config.spec import VariantSpec
from babelbits.study.planning.base_model import BaseModel
from babelbits.study.planning.plan_types import CellStep, Plan, VariantStep
from babelbits.words import plural

_ANSWERED_BYTES = 4
"""Bytes that a token stands for, about, where no tokenizer counts."""
_TRIES = 2
"""Of a request that only looks whether somebody is there."""


def record_folder(root: Path, variant_id: str) -> Path:
    """Where a served variant's record is, or will be."""
    return root / "served" / variant_id


def read_recorded_hash(root: Path, variant_id: str) -> str | None:
    """What stands in place of the weights hash; None before the server was met."""
    folder = record_folder(root, variant_id)
    if not (folder / RECORD).is_file():
        return None
    return hash_weights(hash_files(folder))


def find_server(
    spec: VariantSpec, base: BaseModel, *, allow_network: bool = False, workers: int = 1
) -> ServedBy | None:
    """Who serves a variant, as an engine is told; None where it is run here.

    Parameters
    ----------
    workers : int
        Processes that ask at the same time: together they keep to the limits.
    """
    if spec.endpoint is None:
        return None
    folder = base.folder if base.folder.is_dir() else None
    return ServedBy(
        endpoint=divided(spec.endpoint, workers),
        tokenizer=folder,
        context=find_context_length(base.config) if base.config else None,
        allow_network=allow_network,
    )


def divided(settings: EndpointSettings, workers: int) -> EndpointSettings:
    """The settings of one of several processes, at least one request each."""

    def part(number: int | None) -> int | None:
        return None if number is None else max(1, number // workers)

    return replace(
        settings,
        concurrency=part(settings.concurrency) or 1,
        requests_per_minute=part(settings.requests_per_minute),
        tokens_per_minute=part(settings.tokens_per_minute),
    )


# --- what it cannot do ---------------------------------------------------------------------------


def refuse_unable(plan: Plan, *, tell: Callable[[str], None], allow_network: bool = False) -> None:
    """Ask the servers of a plan what they can do, and refuse cells that they cannot run.

    A server that was met before is not asked again.

    Raises
    ------
    StudyError
        If tasks need log-likelihoods and a server gives none; says why.
    EngineError
        If a server does not answer, or has no such model.
    """
    for step in plan.variants:
        if step.spec.endpoint is None or not step.needed:
            continue
        able = read_abilities(plan, step)
        if able is None:
            tell(f"asking the server of {step.label} what it can do …")
            able = ask_abilities(step.spec, plan.base, plan.study.folder, step.variant_id,
                                 allow_network=allow_network)  # fmt: skip
        if (problem := explain_unable(plan, step, able)) is not None:
            raise problem


def list_lacks(plan: Plan) -> tuple[str, ...]:
    """What a run would stop at, as far as a look at this machine's servers shows; costs nothing.

    Servers elsewhere are asked when the study is run.
    """
    found = []
    for step in plan.variants:
        endpoint = step.spec.endpoint
        if endpoint is None or not step.needed:
            continue
        able = read_abilities(plan, step)
        if able is None and endpoint.loopback:
            try:
                able = ask_abilities(
                    step.spec, plan.base, plan.study.folder, step.variant_id, allow_network=False
                )
            except (EngineError, StudyError, MissingExtraError) as error:
                found.append(f"variant '{step.label}': {error}")
                continue
        if able is None:
            found.append(f"variant '{step.label}': its server is asked what it can do by the run")
        elif (problem := explain_unable(plan, step, able)) is not None:
            found.append(str(problem))
    return tuple(found)


def read_abilities(plan: Plan, step: VariantStep) -> Abilities | None:
    """Of a server that was met before."""
    file = record_folder(plan.study.folder, step.variant_id) / RECORD
    return read_record(file.read_bytes(), where=str(file)).abilities if file.is_file() else None


def ask_abilities(
    spec: VariantSpec,
    base: BaseModel,
    root: Path,
    variant_id: str,
    *,
    allow_network: bool,
) -> Abilities:
    """What a server can do, asked now; costs are counted where its answers are kept.

    Raises
    ------
    EngineError
        If it does not answer, or has no such model.
    """
    by = find_server(spec, base, allow_network=allow_network)
    assert by is not None  # noqa: S101  the caller's condition
    endpoint = replace(by.endpoint, attempts=min(by.endpoint.attempts, _TRIES))
    cache = find_answers_file(record_folder(root, variant_id)) if root.is_dir() else None
    server = Server(endpoint, cache=cache, allow_network=allow_network)
    try:
        server.check_model()
        able = find_abilities(server.ask, encode=make_encoder(load_tokenizer(by.tokenizer)))
    finally:
        server.close()
    if not able.generates:
        raise EngineError(
            f"the server answers nothing: {able.chat.why}",
            where=endpoint.url,
            hint="`babelbits serve-check URL --model NAME` says what it can do",
        )
    return able


def explain_unable(plan: Plan, step: VariantStep, able: Abilities) -> StudyError | None:
    """What of a variant's open cells its server cannot run; None where it can run all."""
    needs = _needs_whole if able.way is not None else _needs_scores
    suites = dict.fromkeys(cell.suite for cell in _open(plan, step) if needs(cell))
    if not suites or (able.way is not None and able.whole.able):
        return None
    named = ", ".join(suites)
    what = (
        f"choices and texts need log-likelihoods, and the server gives none: {able.scoring.why}"
        if able.way is None
        else f"whole texts need the log-likelihood of their first token: {able.whole.why}"
    )
    return StudyError(
        f"{named}: {what}",
        where=f"variant '{step.label}'",
        hint="leave these tasks out, or serve the model with vLLM (`prompt_logprobs`); "
        "`babelbits serve-check URL` shows what a server can do",
    )


def _open(plan: Plan, step: VariantStep) -> list[CellStep]:
    return [one for one in plan.cells if one.variant == step.label and one.state != "done"]


def _needs_scores(cell: CellStep) -> bool:
    """Whether a cell asks for log-likelihoods; one that is not built does not say."""
    return any(not isinstance(one, GenerateRequest) for one in _first(cell))


def _needs_whole(cell: CellStep) -> bool:
    """Whether a cell asks for the log-likelihood of texts that nothing stands before."""
    return any(
        isinstance(one, TextRequest) or (isinstance(one, ScoreRequest) and not one.context.strip())
        for one in _first(cell)
    )


def _first(cell: CellStep) -> Sequence[Request]:
    """What the first item of a cell asks."""
    items = () if cell.task is None else cell.task.items()[:1]
    return [one for item in items for one in item.requests]


# --- what it costs -------------------------------------------------------------------------------


def list_notes(plan: Plan) -> tuple[str, ...]:
    """What a plan's reader should know of each served variant, and what it may cost."""
    found = []
    for step in plan.variants:
        if step.spec.endpoint is not None and step.needed:
            found.append(
                f"{step.label}: served by {step.spec.endpoint.url}; what runs there cannot be "
                "verified. It is asked fixed prompts before and after every cell"
            )
            found.append(f"{step.label}: {_costs(step.spec.endpoint, _open(plan, step))}")
    return tuple(found)


def _costs(settings: EndpointSettings, cells: Sequence[CellStep]) -> str:
    """Requests and tokens that are left, and their price where it is given."""
    requests = [one for cell in cells for one in _requests(cell)]
    n_requests = sum(_times(one) for one in requests)
    put = sum(_times(one) * _tokens(one) for one in requests)
    got = sum(
        _times(one) * one.max_new_tokens if isinstance(one, GenerateRequest) else _times(one)
        for one in requests
    )
    text = (
        f"about {plural(n_requests, 'request')} with {plural(put, 'token')}, and at most "
        f"{plural(got, 'token')} of answers"
    )
    unbuilt = sum(cell.task is None for cell in cells)
    more = f", and those of {plural(unbuilt, 'cell')} that --build counts" if unbuilt else ""
    if settings.price is None:
        return f"{text}{more}; no price is given"
    limit = "" if settings.max_cost is None else f" (limit {settings.max_cost:g})"
    return f"{text}{more}; at most {settings.price.of(put, got):.4g}{limit}"


def _requests(cell: CellStep) -> Iterable[Request]:
    """Of the items of a cell that are not recorded."""
    items = () if cell.task is None else cell.task.items()[cell.n_done :]
    return (one for item in items for one in item.requests)


def _times(request: Request) -> int:
    """Requests to the server that one of ours takes."""
    if isinstance(request, GenerateRequest) and request.temperature > 0:
        return request.samples
    return 1


def _tokens(request: Request) -> int:
    """Tokens of a prompt, about."""
    match request:
        case GenerateRequest(prompt=text):
            pass
        case ScoreRequest(context=context, continuation=continuation):
            text = context + continuation
        case _:
            text = request.text
    return max(1, len(text.encode()) // _ANSWERED_BYTES)

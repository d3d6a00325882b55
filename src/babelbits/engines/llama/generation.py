"""Prompts to continuations: rounds of many sequences, decoded side by side.

What all prompts of a call begin with is the trunk, decoded once; what some of a round share is
decoded once a round. Greedy decoding is the argmax of the model's logits; of a checkpoint's
generation_config only the end-of-sequence tokens are used.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from babelbits.engines.llama.scoring import decode_pieces
from babelbits.engines.llama.session import Batch, Session
from babelbits.engines.llama.tree import Tree, find_branches
from babelbits.engines.prefix_tree import ForwardStep, grow, plan_steps
from babelbits.engines.replies import Continuation, append
from babelbits.engines.sampling import Sampler
from babelbits.engines.stopping import Stopping

_ANY = 2**31
"""No limit on a pack: a round is one."""


@dataclass(frozen=True, slots=True)
class _Row:
    """A continuation, and where its tokens are."""

    one: Continuation
    sequence: int


def generate_shared(
    session: Session, tree: Tree, grown: Sequence[Continuation], stopping: Stopping
) -> None:
    """Grow continuations to their ends, in rounds that fit the session's memory."""
    if not grown:
        return
    trunk = find_shared_prefix([one.prompt.tokens for one in grown])
    for members in _rounds(session, grown, depth=len(trunk)):
        _run_round(session, tree, members, trunk, stopping)


def find_shared_prefix(prompts: Sequence[list[int]]) -> list[int]:
    """What all prompts begin with; each keeps at least one token of its own."""
    first, last = min(prompts), max(prompts)
    longest = min(map(len, prompts)) - 1
    end = 0
    while end < longest and first[end] == last[end]:
        end += 1
    return first[:end]


def _rounds(
    session: Session, grown: Sequence[Continuation], *, depth: int
) -> Iterator[list[Continuation]]:
    """Continuations of like prompts together, as many as surely fit."""
    members: list[Continuation] = []
    room = session.cells - depth
    for one in sorted(grown, key=lambda one: one.prompt.tokens):
        size = len(one.prompt.tokens) - depth + one.prompt.max_new_tokens
        if members and (size > room or len(members) == session.sequences - 1):
            yield members
            members, room = [], session.cells - depth
        members.append(one)
        room -= size
    yield members


def _run_round(
    session: Session,
    tree: Tree,
    members: Sequence[Continuation],
    trunk: list[int],
    stopping: Stopping,
) -> None:
    depth = len(trunk)
    if trunk:
        list(tree.run(_trunk_step(trunk)))
    tree.cut(depth)
    own = [one.prompt.tokens[depth:] for one in members]
    forest = grow(own, [len(tokens) - 1 for tokens in own])
    (step,) = plan_steps(forest, pack=_ANY, block=_ANY, longest=_ANY)
    ends = {slot: row for row, slot in step.wants}
    belongs = find_branches(step, [ends[slot] for slot in range(len(members))])
    tree.give(range(1, len(members) + 1))
    rows = [_Row(one, number) for number, one in enumerate(members, start=1)]
    for wanted, logits in _prefill(session, step, belongs, depth):
        index = {row: i for i, row in enumerate(wanted)}
        begun = [row for slot, row in enumerate(rows) if ends[slot] in index]
        picked = logits[[index[ends[row.sequence - 1]] for row in begun]]
        append(choose(picked, [row.one.sampler for row in begun]), [r.one for r in begun], stopping)
    _decode(session, tree, rows, stopping)
    tree.cut(depth)


def _trunk_step(tokens: list[int]) -> ForwardStep:
    return ForwardStep(
        depth=0,
        tokens=tokens,
        positions=list(range(len(tokens))),
        parents=list(range(-1, len(tokens) - 1)),
        wants=[],
        keep=True,
    )


def _prefill(
    session: Session, step: ForwardStep, belongs: dict[int, list[int]], depth: int
) -> Iterator[tuple[list[int], NDArray[np.float32]]]:
    """Decode a round's prompts; yields rows at which prompts end, and their logits."""
    ends = {row for row, _slot in step.wants}
    for start in range(0, len(step.tokens), session.batch):
        rows = range(start, min(start + session.batch, len(step.tokens)))
        wanted = [row for row in rows if row in ends]
        logits = session.decode(
            Batch(
                tokens=[step.tokens[row] for row in rows],
                positions=[depth + step.positions[row] for row in rows],
                sequences=[belongs[row] for row in rows],
                wanted=[row - start for row in wanted],
            )
        )
        if wanted:
            yield wanted, logits


def _decode(
    session: Session,
    tree: Tree,
    rows: Sequence[_Row],
    stopping: Stopping,
    *,
    longest: int | None = None,
) -> None:
    """A token at a time for every row that is still growing; finished ones free their cells.

    Rows of more than `longest` tokens are left as they are.
    """
    while True:
        for row in rows:
            if row.one.finish is not None:
                tree.drop(row.sequence)
        rows = [row for row in rows if row.one.finish is None and _fits(row.one, longest)]
        if not rows:
            return
        logits = session.decode(
            Batch(
                tokens=[row.one.tokens[-1] for row in rows],
                positions=[len(r.one.prompt.tokens) + len(r.one.tokens) - 1 for r in rows],
                sequences=[[row.sequence] for row in rows],
                wanted=range(len(rows)),
            )
        )
        growing = [row.one for row in rows]
        append(choose(logits, [one.sampler for one in growing]), growing, stopping)


def _fits(one: Continuation, longest: int | None) -> bool:
    return longest is None or len(one.prompt.tokens) + len(one.tokens) <= longest


def generate_plain(
    session: Session,
    tree: Tree,
    grown: Sequence[Continuation],
    stopping: Stopping,
    *,
    longest: int | None = None,
) -> None:
    """Grow continuations one after the other, each in an empty memory, from where they are.

    Parameters
    ----------
    longest : int, optional
        Leave a continuation unfinished when it has more tokens, with those of its prompt.
    """
    for one in grown:
        if one.finish is not None or not _fits(one, longest):
            continue
        tree.wipe()
        tokens = [*one.prompt.tokens, *one.tokens]
        *_, (_start, logits) = decode_pieces(session, tokens, first=len(tokens) - 1)
        append(choose(logits, [one.sampler]), [one], stopping)
        _decode(session, tree, [_Row(one, 0)], stopping, longest=longest)


def choose(logits: NDArray[np.float32], samplers: Sequence[Sampler | None]) -> list[int | None]:
    """The next token of every row, None where its logits are not finite.

    Parameters
    ----------
    logits : shape (rows, vocabulary)
    samplers : one a row
        None chooses the most likely token.
    """
    best = logits.argmax(axis=1)
    highest = logits[np.arange(len(best)), best]
    return [
        (int(token) if sampler is None else sampler.draw(row)) if finite else None
        for token, finite, row, sampler in zip(
            best, np.isfinite(highest), logits, samplers, strict=True
        )
    ]

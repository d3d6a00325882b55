"""A Ray cluster's actors as a pool of workers: one engine each, rows come back, nothing is written.

The driver (this process) plans, hands out shards and is the only writer of results. Variants lie in
the run folder, which every node must see; that is looked at with a file of a random name before
anything is computed. Ray starts, watches and ends the actors; one that dies is replaced, and waits
until the cluster has room. When the driver ends, however it ends, its actors end.
"""

import logging
import os
import queue
import re
import socket
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from babelbits.errors import EngineError, MissingExtraError, StoreError
from babelbits.store.atomic import write_atomically
from babelbits.study.execution.node_check import NodeFound, look, refuse
from babelbits.study.execution.ray_resources import (
    count_workers,
    find_needs,
    make_room_error,
    select_alive,
)
from babelbits.study.execution.row_worker import DeviceLostError, RowWorker
from babelbits.study.execution.shards import Died, Idle, Member, Message, RunShard, ShardJob
from babelbits.study.execution.worker import RunContext
from babelbits.study.execution.worker_pool import Tasks, add_trace

_LOOK = 0.5
"""Seconds between looks at whether the user wants to stop."""
_START = 300.0
"""Seconds in which the first actor must be there."""
_FALSE_STARTS = 3
"""So many actors more than there are members may end before they have started."""
_TOKEN = ".ray-token"  # noqa: S105  no secret
"""File of a random word that every node must read."""
_QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS": "0"}


class _Actor:
    """What runs on a node: a `RowWorker` whose messages are a stream."""

    def __init__(self, site: RunContext, engines: tuple[str, ...]) -> None:
        self._site = site
        self._engines = engines
        self._stopping = threading.Event()
        self._messages: queue.SimpleQueue[Message | StoreError] = queue.SimpleQueue()
        self._worker = RowWorker(
            site,
            find_task=Tasks(site).find,
            tell=self._messages.put,
            stopping=self._stopping.is_set,
        )

    def look(self, file: str) -> NodeFound:
        """Where this is, and what it sees of the run folder and the model."""
        return look(self._site, file=Path(file), engines=self._engines)

    def stop(self) -> None:
        """End the job in hand after its batch."""
        self._stopping.set()

    def do(self, job: ShardJob) -> Iterator[Message | StoreError]:
        """Do a job; yields what happens, `Idle` at the end."""
        thread = threading.Thread(target=self._do, args=(job,), daemon=True)
        thread.start()
        while True:
            message = self._messages.get()
            yield message
            if isinstance(message, Idle | Died):
                return

    def _do(self, job: ShardJob) -> None:
        try:
            self._worker.do(job)
        except StoreError as error:
            self._messages.put(add_trace(error))
        except DeviceLostError as error:
            self._messages.put(Died(why=str(error)))
        finally:
            self._messages.put(Idle())


class _RayMember:
    """One actor, seen from the driver."""

    def __init__(self, actor: Any, file: Path) -> None:
        self.job: ShardJob | None = None
        self.loaded: str | None = None
        self.node = "a node"
        self._actor = actor
        self._looked: Any = self._actor.look.remote(str(file))
        self._stream: Any = None

    @property
    def ready(self) -> bool:
        """Whether the actor has started."""
        return self._looked is None

    @property
    def waits_for(self) -> Any:
        """What to wait for: its start, or the next message."""
        return self._stream if self._looked is None else self._looked

    def give(self, job: ShardJob) -> None:
        """Send a job; a cell's task stays here, the actor builds its own."""
        self._stream = self._actor.do.options(num_returns="streaming").remote(without_task(job))

    def stop(self) -> None:
        """Let it end its job after the batch in hand."""
        self._actor.stop.remote()

    def hear(self, ray: Any, *, check: Callable[[NodeFound], None]) -> Message | StoreError | None:
        """Its next message; None where it has just started.

        Parameters
        ----------
        check : callable
            Raises where what it found on its node is not what is needed.
        """
        if self._looked is not None:
            found: NodeFound = ray.get(self._looked)
            self._looked = None
            self.node = found.node
            check(found)
            return None
        assert self._stream is not None  # noqa: S101  only busy members are listened to
        message: Message | StoreError = ray.get(next(self._stream))
        if isinstance(message, Idle):
            self._stream = None
        return message

    def end(self, ray: Any) -> None:
        """Free what it holds."""
        with suppress(Exception):
            ray.kill(self._actor)


def without_task(job: ShardJob) -> ShardJob:
    """The job as it travels: tasks are large, and every worker can build them."""
    if not isinstance(job, RunShard):
        return job
    cell = replace(job.cell.cell, task=None)
    return replace(job, cell=replace(job.cell, cell=cell))


class RayPool:
    """Actors of a cluster. See `shards.Pool`.

    Parameters
    ----------
    engines : tuple of str
        Names of those that will be needed.
    file : Path
        Of the token that every node must read.
    actor : type
        What runs on a node; another in tests.
    """

    def __init__(
        self,
        ray: Any,
        site: RunContext,
        *,
        workers: int,
        engines: tuple[str, ...],
        file: Path,
        actor: type = _Actor,
    ) -> None:
        self._ray = ray
        self._file = file
        self._token = file.read_text("utf-8")
        self._model = site.base.folder
        self._site = ray.put(site)
        self._engines = engines
        self._kind = ray.remote(actor).options(
            max_restarts=0,
            max_task_retries=0,
            max_concurrency=2,
            **find_needs(site.study.engine).options(),
        )
        self._members = [self._member() for _ in range(workers)]
        self._never_started = 0

    def _member(self) -> _RayMember:
        return _RayMember(self._kind.remote(self._site, self._engines), self._file)

    def _check(self, found: NodeFound) -> None:
        refuse(found, token=self._token, model=self._model)

    @property
    def members(self) -> Sequence[Member]:
        """All actors."""
        return cast("Sequence[Member]", self._members)

    def wait(self, *, seconds: float = _START) -> None:
        """Wait until one actor has started.

        Raises
        ------
        EngineError
            If none does, or one does not see the run folder.
        """
        ready, _ = self._ray.wait([one.waits_for for one in self._members], timeout=seconds)
        if not ready:
            raise EngineError(
                f"the cluster started no worker in {seconds:.0f} seconds",
                hint="look at `ray status`: are there free CPUs or GPUs, as the study's device "
                "needs?",
            )
        self.listen()

    def listen(self) -> Sequence[tuple[Member, Message]]:
        """What has happened since."""
        waiting = {id(one.waits_for): one for one in self._members if one.waits_for is not None}
        refs = [one.waits_for for one in waiting.values()]
        ready, _ = self._ray.wait(refs, num_returns=1, timeout=_LOOK) if refs else ([], [])
        if len(ready) < len(refs) and refs:
            ready, _ = self._ray.wait(refs, num_returns=len(refs), timeout=0)
        found: list[tuple[Member, Message]] = []
        for ref in ready:
            member = waiting[id(ref)]
            message = self._heard(member)
            if message is not None:
                found.append((cast("Member", member), message))
        return found

    def _heard(self, member: _RayMember) -> Message | None:
        try:
            message = member.hear(self._ray, check=self._check)
        except (self._ray.exceptions.RayError, StopIteration) as error:
            member.end(self._ray)
            self._never_started += not member.ready
            if self._never_started > _FALSE_STARTS + len(self._members):
                raise EngineError(
                    f"workers end before they have started: {_first_line(error)}",
                    hint="see the logs of Ray, by default in /tmp/ray/session_latest/logs",
                ) from error
            self._replace(member)
            return Died(why=f"the worker on {member.node} is gone ({type(error).__name__})")
        if isinstance(message, StoreError):
            raise message
        if isinstance(message, Died):  # it says so itself: its device is lost, and it with it
            member.end(self._ray)
            self._replace(member)
            return Died(why=f"the worker on {member.node} lost its device: {message.why}")
        return message

    def _replace(self, member: _RayMember) -> None:
        self._members[self._members.index(member)] = self._member()

    def close(self) -> None:
        """End all actors."""
        for member in self._members:
            member.end(self._ray)


@contextmanager
def ray_pool(
    site: RunContext, *, address: str, workers: int | None, engines: tuple[str, ...] = ()
) -> Iterator[RayPool]:
    """Workers of the cluster at an address, all ended when the block ends.

    Parameters
    ----------
    address : str
        'auto': the cluster that this machine is part of; or 'host:port' of its head.
    workers : int, optional
        None: as many as the cluster has room for.
    engines : tuple of str
        Names of those that will be needed: each node must have them.

    Raises
    ------
    MissingExtraError
        If Ray is not installed.
    EngineError
        If there is no such cluster, it has another Ray or Python, has no room for a worker, or a
        node does not see the run folder.
    """
    try:
        ray: Any = import_module("ray")
    except ImportError as error:
        raise MissingExtraError(
            "`--ray` needs Ray", hint="pip install 'babelbits[ray]' on all nodes"
        ) from error
    os.environ.update({name: os.environ.get(name, value) for name, value in _QUIET.items()})
    _knock(address)
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        raise _not_joined(address, error) from error
    file = site.study.folder / _TOKEN
    write_atomically(file, uuid.uuid4().hex.encode())
    pool: RayPool | None = None
    try:
        nodes, needs = select_alive(ray.nodes()), find_needs(site.study.engine)
        room = count_workers(nodes, needs)
        if room < 1:
            raise make_room_error(nodes, needs)
        number = room if workers is None else min(workers, room)
        pool = RayPool(ray, site, workers=number, engines=engines, file=file)
        pool.wait()
        yield pool
    finally:
        if pool is not None:
            pool.close()
        with suppress(OSError):
            file.unlink()
        ray.shutdown()


def _not_joined(address: str, error: BaseException) -> EngineError:
    """Why a cluster cannot be used, which Ray says in several lines where versions differ."""
    told = str(error)
    if "ersion mismatch" not in told:
        return EngineError(
            f"no Ray cluster at {address!r}: {_first_line(error)}",
            hint="start one (`ray start --head`), and give its address: --ray HOST:6379",
        )
    pairs = re.findall(r"Ray: (\S+).*?Python: (\S+)", told, re.DOTALL)
    there, here = [f"Ray {ray} on Python {python}" for ray, python in pairs[:2]] or ("", "")
    return EngineError(
        f"the cluster at {address!r} has {there or 'another Ray or Python'}"
        + (f", this process {here}" if here else ""),
        hint="use the same versions of Ray and of Python on all nodes",
    )


def _knock(address: str) -> None:
    """Raise at once where nobody listens; Ray itself tries for a minute."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        return
    try:
        socket.create_connection((host.removeprefix("ray://"), int(port)), timeout=10).close()
    except OSError as error:
        raise EngineError(
            f"no Ray cluster at {address!r}: {error.strerror or 'nobody answers'}",
            hint="start one (`ray start --head`), and give its address: --ray HOST:6379",
        ) from error


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]

"""Processes that work through rows: one that hangs on a row, or dies of it, loses that row and nothing else."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Generic, Protocol, TypeVar

from repro.errors import ReproError


class Numbered(Protocol):
    """What is worked on: it has a place in the order, and a size."""

    @property
    def number(self) -> int: ...
    @property
    def data(self) -> bytes: ...


R = TypeVar("R", bound=Numbered)
A = TypeVar("A")

BATCH_ROWS = 32
BATCH_BYTES = 1 << 20
"""A batch is closed by whichever comes first: small cards share a message, large ones do not fill the memory."""
AHEAD = 8000
"""Rows that may be done before an earlier one is: results wait for it in memory."""
WALL = 6.0
"""How many times its processor time a row may take on the clock: other work may hold the processors."""
_LIMIT_SIGNAL = getattr(signal, "SIGPROF", None)


class Crew(Generic[R, A]):
    """`jobs` processes that apply `work(row)` to rows; use it as a context manager.

    `work` goes to fresh processes, so it must be picklable. `lost(row, why)` is the answer for a row whose process
    took more than `limit` seconds of processor time over it, or ended. `prepare` is called once in each process, and
    its time counts for no row.
    """

    def __init__(
        self,
        jobs: int,
        work: Callable[[R], A],
        lost: Callable[[R, str], A],
        limit: float,
        prepare: Callable[[], None] | None = None,
    ) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._jobs = jobs
        self._work = work
        self._lost = lost
        self._limit = limit
        self._prepare = prepare
        self._hands: list[_Hand[R]] = []

    def __enter__(self) -> Crew[R, A]:
        return self

    def __exit__(self, *_: object) -> None:
        for hand in self._hands:
            hand.end()

    def answers(self, rows: Iterator[R]) -> Iterator[A]:
        """The answer for every row, as they come.

        Raises:
            ReproError: a process ends before it has begun to work.
        """
        batches = _batches(rows)
        again: deque[list[R]] = deque()
        more = True
        while True:
            for place in range(self._jobs):
                if place < len(self._hands) and self._hands[place].todo:
                    continue
                batch = again.popleft() if again else None
                if batch is None and more and not self._too_far():
                    batch = next(batches, None)
                    more = batch is not None
                if batch is None:
                    continue
                if place == len(self._hands):
                    self._hands.append(self._hire())
                self._hands[place].give(batch)
            busy = {hand.connection: hand for hand in self._hands if hand.todo}
            if not busy:
                return
            for ready in wait(list(busy), timeout=1.0):
                hand = busy[ready]  # type: ignore[index]
                try:
                    answer: A = hand.take()
                except (EOFError, OSError):
                    yield from self._replace(hand, again)
                    continue
                if hand.ready:
                    hand.todo.popleft()
                    yield answer
                hand.ready = True
            for hand in busy.values():
                if hand.ready and hand.todo and time.monotonic() - hand.since > self._limit * WALL:
                    hand.process.kill()  # its pipe then ends, and the next round finds it

    def _hire(self) -> _Hand[R]:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=_serve, args=(theirs, self._work, self._limit, self._prepare), daemon=True
        )
        process.start()
        theirs.close()
        return _Hand(ours, process)

    def _too_far(self) -> bool:
        numbers = [hand.todo[0].number for hand in self._hands if hand.todo]
        latest = [hand.todo[-1].number for hand in self._hands if hand.todo]
        return bool(numbers) and max(latest) - min(numbers) > AHEAD

    def _replace(self, hand: _Hand[R], again: deque[list[R]]) -> Iterator[A]:
        hand.process.join(10)
        code = hand.process.exitcode
        if not hand.ready:
            raise ReproError(
                f"a process of the sweep ended before it began to work (exit {code})",
                hint="with --jobs 1 there is only one; is there enough memory?",
            )
        row, rest = hand.todo.popleft(), list(hand.todo)
        if rest:
            again.append(rest)
        hand.end()
        self._hands[self._hands.index(hand)] = self._hire()
        yield self._lost(row, _why(code, self._limit, time.monotonic() - hand.since))


class _Hand(Generic[R]):
    """One process, and what it has still to answer for, first come first."""

    def __init__(self, connection: Connection, process: SpawnProcess) -> None:
        self.connection = connection
        self.process = process
        self.todo: deque[R] = deque()
        self.ready = False
        self.since = time.monotonic()

    def give(self, batch: Sequence[R]) -> None:
        """Only to a hand that has nothing to do: two that both write and never read would wait for ever."""
        self.todo.extend(batch)
        self.since = time.monotonic()
        with contextlib.suppress(OSError):  # it died idle: reading from it says so
            self.connection.send(batch)

    def take(self) -> A:  # type: ignore[type-var]
        answer: A = self.connection.recv()
        self.since = time.monotonic()
        return answer

    def end(self) -> None:
        self.connection.close()
        self.process.kill()
        self.process.join(10)


def _batches(rows: Iterator[R]) -> Iterator[list[R]]:
    batch: list[R] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += len(row.data)
        if len(batch) >= BATCH_ROWS or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _why(code: int | None, limit: float, seconds: float) -> str:
    if (_LIMIT_SIGNAL is not None and code == -_LIMIT_SIGNAL) or seconds > limit * WALL:
        return f"took more than {limit:g} s"
    if code is not None and code < 0:
        try:
            return f"the process that read it was killed ({signal.Signals(-code).name})"
        except ValueError:
            return f"the process that read it was killed (signal {-code})"
    return f"the process that read it ended (exit {code})"


def _serve(connection: Connection, work: Callable[[R], A], limit: float, prepare: Callable[[], None] | None) -> None:
    """The life of a process: answer rows until the pipe ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is answered by the one that leads
    if _LIMIT_SIGNAL is not None:
        # The default action ends the process from outside Python: also where a loop in C never comes back, and also
        # when nobody is left who would notice.
        signal.signal(_LIMIT_SIGNAL, signal.SIG_DFL)
    if prepare is not None:
        prepare()
    gc.freeze()  # what is loaded by now stays: no row pays for looking through it again
    with contextlib.suppress(EOFError, OSError):
        connection.send(None)  # from here on time counts
        while True:
            for row in connection.recv():
                _alarm(limit)
                answer = work(row)
                _alarm(0)
                connection.send(answer)
    os._exit(0)


def _alarm(seconds: float) -> None:
    if hasattr(signal, "ITIMER_PROF"):
        signal.setitimer(signal.ITIMER_PROF, seconds)

"""Reading ahead of the consumer: a bounded queue filled by one thread that ends when the consumer does."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

# Seconds to wait for the reading thread when the consumer leaves early. It looks up after every packet; only
# a silent network source takes longer, and its own time-out ends it then.
_PATIENCE = 2.0


Batch = TypeVar("Batch")


class Prefetch(Generic[Batch]):
    """Runs `produce(stopped)` in a thread, at most `depth` batches ahead. Exceptions arrive at the
    consumer.
    """

    def __init__(self, produce: Callable[[threading.Event], Iterator[Batch]], depth: int) -> None:
        self._produce = produce
        self._stopped = threading.Event()
        self._ready: queue.Queue[Batch | BaseException | None] = queue.Queue(depth)
        self._thread = threading.Thread(target=self._fill, name="holmesvau-reader", daemon=True)

    def __iter__(self) -> Iterator[Batch]:
        self._thread.start()
        try:
            while True:
                item = self._ready.get()
                if item is None:
                    return
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            self.stop()

    def stop(self) -> None:
        """End the thread; harmless when called twice."""
        self._stopped.set()
        while True:
            try:
                self._ready.get_nowait()
            except queue.Empty:
                break
        # A consumer that waits in another thread must not wait for ever.
        with contextlib.suppress(queue.Full):
            self._ready.put_nowait(None)
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(_PATIENCE)

    def _put(self, item: Batch | BaseException | None) -> None:
        while not self._stopped.is_set():
            try:
                self._ready.put(item, timeout=0.1)
                return
            except queue.Full:
                continue

    def _fill(self) -> None:
        batches = self._produce(self._stopped)
        try:
            for batch in batches:
                self._put(batch)
                if self._stopped.is_set():
                    return
            self._put(None)
        except BaseException as error:  # noqa: BLE001 - it is raised again in the consumer's thread
            self._put(error)
        finally:
            close = getattr(batches, "close", None)
            if close is not None:
                close()

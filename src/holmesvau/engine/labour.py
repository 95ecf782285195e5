"""What one worker does: take, do, hand in, until nothing is left. Threads wait for servers, the ledger for
none.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from queue import Empty, SimpleQueue

from holmesvau import registry
from holmesvau.ats.features import Features
from holmesvau.ats.scan import ScanConfig, scan
from holmesvau.engine.decoupling import Decoupler
from holmesvau.engine.project import Project
from holmesvau.engine.prompting import Prompt
from holmesvau.engine.providers import open_provider, threads_for
from holmesvau.engine.work import LEASE_SECONDS, Desk, Job, Outcome, Undone, provider_of
from holmesvau.engine.writer import Footage, Writer
from holmesvau.errors import HolmesError, MissingPartError, ModelDownError, ModelError
from holmesvau.video import Video

log = logging.getLogger(__name__)

# So many failures in a row without a success, and the provider is taken to be at fault, not the items.
PATIENCE = 3


class Labour:
    """One worker's work at a desk. `stop` ends it when what is under way is done."""

    def __init__(
        self, project: Project, desk: Desk, owner: str, retry: Prompt, stop: threading.Event | None = None
    ) -> None:
        self._project, self._desk, self._owner, self._retry = project, desk, owner, retry
        self._stop = stop or threading.Event()
        self._footage = Footage(_features)
        self._decoupler = Decoupler(project.config.decouple)
        self._writers: dict[str, Writer] = {}
        self._opening = threading.Lock()
        self._scanning = threading.Lock()
        self._failures = 0
        self._reason = ""
        self._bug: BaseException | None = None

    def work(self) -> str:
        """Work until there is nothing more to do; why something is left undone, or "".

        Raises whatever is a bug, when what was under way beside it is done.
        """
        config = self._project.config
        most = 1 + sum(threads_for(w) for w in (config.caption, config.summary) if not w.is_people)
        ended = threading.Event()
        heart = threading.Thread(target=self._beat, args=(ended,), daemon=True)
        heart.start()
        try:
            with ThreadPoolExecutor(most, thread_name_prefix="engine") as pool:
                self._work(pool, most)
        finally:
            ended.set()
            heart.join()
            self._footage.close()
        if self._bug is not None:
            raise self._bug
        return self._reason

    def _work(self, pool: ThreadPoolExecutor, most: int) -> None:
        ended: SimpleQueue[Future[None]] = SimpleQueue()
        busy = 0
        while True:
            rest: float | None = None
            if busy < most and not self._stop.is_set():
                taken = self._desk.take(self._owner, most - busy)
                for job in taken.jobs:
                    pool.submit(self._do, job).add_done_callback(ended.put)
                busy += len(taken.jobs)
                self._reason = self._reason or taken.reason
                # Where some were given, there may be more.
                rest = 0.0 if taken.jobs and busy < most else taken.wait
            if busy:
                busy -= _gone(ended, None if busy == most or self._stop.is_set() else rest)
            elif rest is None or self._stop.is_set():
                return
            else:
                self._stop.wait(rest)

    def _do(self, job: Job) -> None:
        try:
            outcome = self._outcome(job)
            self._desk.hand_in(self._owner, outcome)
        except BaseException as error:  # noqa: BLE001 - raised again when the others are done
            self._bug = self._bug or error
            self._stop.set()

    def _outcome(self, job: Job) -> Outcome:
        """What came of a job; a fault of the surroundings stops this worker, one of the item does not."""
        try:
            if job.stage == "decouple":
                # One scan uses all cores that there are.
                with self._scanning:
                    return self._decoupler.decouple(job)
            outcome = self._writer(provider_of(job.stage)).write(job)
            self._failures = 0
            return outcome
        except (ModelDownError, MissingPartError) as error:
            self._failed(str(error), at_once=isinstance(error, MissingPartError))
            return Undone(key=job.key, problem=str(error), again=True)
        except ModelError as error:
            # That a file has no text of one place says nothing about the next.
            settings = self._project.config.writer(job.stage)
            if settings is None or not settings.is_file:
                self._failed(str(error), at_once=False)
            return Undone(key=job.key, problem=str(error), again=False)
        except HolmesError as error:
            log.warning("%s", error)
            return Undone(key=job.key, problem=str(error), again=False)

    def _failed(self, reason: str, *, at_once: bool) -> None:
        log.warning("%s", reason)
        self._failures += 1
        if at_once or self._failures >= PATIENCE:
            self._reason = self._reason or reason
            self._stop.set()

    def _writer(self, name: str) -> Writer:
        with self._opening:
            if name not in self._writers:
                config = self._project.config
                settings = config.caption if name == "caption" else config.summary
                provider = open_provider(settings)
                self._writers[name] = Writer(provider, settings, config, self._retry, self._footage)
            return self._writers[name]

    def _beat(self, ended: threading.Event) -> None:
        while not ended.wait(LEASE_SECONDS / 4):
            self._desk.renew(self._owner)


def _gone(ended: SimpleQueue[Future[None]], rest: float | None) -> int:
    """How many have ended; waits for the first at most `rest` seconds, with None as long as it takes."""
    try:
        ended.get(timeout=rest)
    except Empty:
        return 0
    more = 0
    while not ended.empty():
        ended.get()
        more += 1
    return 1 + more


@cache
def _encoder() -> Callable[..., Features]:
    from holmesvau.loading import FOVEAL_ENCODER

    encoder = registry.get("encoders", FOVEAL_ENCODER)()

    def features(video: Video) -> Features:
        return scan(video, encoder, config=ScanConfig()).features

    return features


def _features(video: Video) -> Features:
    """The scan of a video, for a describing model that reads it; kept in the feature store."""
    return _encoder()(video)

"""Change the model while the agent runs: fetch missing files, verify, test in a child process, switch; or keep the model and report why.

Only faults of the model are answered with `failed`, since that may roll back the whole fleet. After a fault of the line or a
full disk the device tries again, and reports it as an error.
The switch is one rename of a small file and one change of a reference; until then the running model is unchanged.
"""

import contextlib
import logging
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from strop_edge import fetch, manifest, model, store, transfer
from strop_wire import messages, reports

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Installed:
    """The running model and its policy: one reference, so that they change together."""

    model: model.Model
    desired: messages.Desired


@dataclass(frozen=True, slots=True)
class Swap:
    """One change of model, for the statistics."""

    version: str
    seconds: float  # from the arrival of `desired` to the switch


class Superseded(Exception):
    """Another model is desired meanwhile."""


class Swapper:
    """One worker thread. `report` is called after a switch and after a failure."""

    def __init__(
        self,
        models: store.Store,
        tls: ssl.SSLContext,
        threads: int,
        *,
        ask: Callable[[messages.Fetch], bool],
        report: Callable[[], None],
        on_error: Callable[[str], None],
    ) -> None:
        self.running: Installed | None = None
        self.ready = threading.Event()  # set when there is a first model
        self.answer: reports.Outcome | None = None
        self.swaps: list[Swap] = []
        self.switching = threading.Lock()  # to be held while an image is classified and counted, under one model
        self._store, self._threads, self._report, self._on_error = models, threads, report, on_error
        self.fetcher = fetch.Fetcher(models, tls, ask, self._check, on_error)
        self._wanted: messages.Desired | None = None
        self._unfinished = models.wanted()  # it may run already: see `resume`
        self._doing: messages.Desired | None = None
        self._since = time.monotonic()
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._work, name="swap", daemon=True)
        self._previous = self._load_last()

    def _load_last(self) -> messages.Desired | None:
        """Load the last model, or else the one before; returns the one that remains as the previous model."""
        last = self._store.running()
        for desired in (last.current, last.previous):
            if desired is None:
                continue
            try:
                self.running = Installed(self._store.load(desired, self._threads), desired)
                self.ready.set()
            except (manifest.BadModel, OSError) as error:
                self._on_error(f"model {desired.model} does not load: {error}")
            else:
                break
        if self.running is None or self.running.desired is not last.current:
            self._wanted = last.current  # damaged files are fetched again
            return None
        self.answer = reports.Outcome(self.running.desired.deployment, "installed")
        return last.previous

    @property
    def expected(self) -> str | None:
        """The model that is being fetched and tested at the moment."""
        with self._changed:
            desired = self._wanted or self._doing
            return desired.model if desired else None

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self.fetcher.interrupt()
        self._thread.join()

    def take_desired(self, desired: messages.Desired | None) -> None:
        """Change to this model, also after a restart; None cancels an unfinished change."""
        try:
            self._store.want(desired)
        except OSError as error:  # a full disk, most likely: the change goes on without it
            self._on_error(f"what is to run is not kept over a restart: {error}")
        with self._changed:
            self._unfinished = None
            if desired:
                self._begin(desired)

    def resume(self) -> None:
        """Go on with the change that the last run of the agent did not finish, unless the cloud has sent another word."""
        with self._changed:
            unfinished, self._unfinished = self._unfinished, None
            if unfinished and not (self.running and self.running.desired == unfinished):
                self._begin(unfinished)

    def _begin(self, desired: messages.Desired) -> None:
        if desired == self._doing:
            return
        self._wanted, self._since = desired, time.monotonic()
        self._changed.notify_all()
        self.fetcher.interrupt()

    def take_grants(self, grants: Iterable[messages.FileGrant]) -> None:
        self.fetcher.take(grants)

    def _check(self) -> None:
        if self._stopping:
            raise transfer.Stopped
        if self._wanted is not None:
            raise Superseded

    def _work(self) -> None:
        while (desired := self._next()) is not None:
            try:
                self._persist(desired)
            except transfer.Stopped:
                return
            except Superseded:
                log.info("deployment %s is superseded", desired.deployment)
            except (manifest.BadModel, store.Corrupt) as error:
                self._fail(desired, str(error))
            except Exception as error:
                log.exception("deployment %s", desired.deployment)
                self._fail(desired, f"{type(error).__name__}: {error}")

    def _persist(self, desired: messages.Desired) -> None:
        """Apply the desired model, with retries while the disk fails."""
        pauses = fetch.waits(fetch.FIRST_WAIT)
        while True:
            try:
                return self._apply(desired)
            except OSError as error:
                self._on_error(f"model {desired.model}: {error}")
            self.fetcher.pause(next(pauses))

    def _next(self) -> messages.Desired | None:
        with self._changed:
            self._doing = None
            self._changed.wait_for(lambda: self._wanted or self._stopping)
            self._doing, self._wanted = self._wanted, None
            return None if self._stopping else self._doing

    def _apply(self, desired: messages.Desired) -> None:
        """Apply a desired model; if it was applied or tested before, only repeat the answer."""
        if self.answer and self.answer.outcome == "failed" and self.answer.deployment == desired.deployment:
            self._report()
        elif self.running and self.running.desired.files == desired.files:
            self._switch(Installed(self.running.model, desired))
        else:
            self._install(desired)

    def _install(self, desired: messages.Desired) -> None:
        since = self._since
        for file in self._store.missing(desired).values():
            self.fetcher.get(file)
        self._store.assemble(desired)
        self._store.test(desired, self._threads, self._check)
        loaded = self._store.load(desired, self._threads)
        self._switch(Installed(loaded, desired), since)

    def _switch(self, new: Installed, since: float | None = None) -> None:
        """Run this model from now on; `since` is the time of the request, if it is another model."""
        old = self.running.desired if self.running else None
        if old != new.desired:
            previous = old if old and old.files != new.desired.files else self._previous
            pointer = store.Running(new.desired, previous)
            with self.switching:
                self._store.switch(pointer)
                self.running, self._previous = new, previous
            self.ready.set()
            with contextlib.suppress(OSError):  # the rest is deleted by the next switch
                self._store.prune(pointer)
        if since is not None:  # before the report
            self.swaps.append(Swap(new.desired.model, time.monotonic() - since))
            log.info("model %s runs after %.1f s", new.desired.model, time.monotonic() - since)
        self.answer = reports.Outcome(new.desired.deployment, "installed")
        self._report()

    def _fail(self, desired: messages.Desired, reason: str) -> None:
        self.answer = reports.Outcome(desired.deployment, "failed", reason[:1000])
        self._on_error(f"model {desired.model}: {reason}")
        self._report()

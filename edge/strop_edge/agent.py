"""The device agent: classifies images of a source, keeps informative ones, and applies what the cloud publishes.

Threads: the one that runs the agent announces, reports and answers requests; images, MQTT, uploads and model changes have
one each, since each may block.
Several agents can run in one process; they share only the backbone.
"""

import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TextIO

from strop_edge import (
    __version__,
    classify,
    counts,
    disk,
    heartbeat,
    journal,
    link,
    manifest,
    ondemand,
    progress,
    signature,
    source_reader,
    spool,
    store,
    swap,
    upload,
)
from strop_edge.config import BadConfig, Config
from strop_wire import MAX_PAYLOAD, messages, reports, topics

TICK = 0.25
"""Seconds between two turns of the loop."""
ANNOUNCEMENTS = 25
"""Limit per tick: a full spool is announced at 100 a second, not all at once."""
RESUME_AFTER = 2.0
"""Seconds from a connection until an unfinished change of model continues. Messages that the broker has kept for this device
arrive earlier and are newer; and a model that crashes the process while it loads cannot do so before its withdrawal arrives."""
ASK_EVERY = 5.0
"""Seconds between two states while there is no model: each requests one."""
FIRST_LINE, LINE_EVERY = 10.0, 60.0
"""Seconds from a connection without a model to the log line about it, and between two lines on progress."""
USAGE_BYTES = 100_000
"""Limit of the counts in a state: the rest of its 128 KB is for its other fields."""
LOST_BYTES = 128
"""Upper bound of the size of a lost capture in a state."""

log = logging.getLogger(__name__)


class Agent:
    """One device. `source` yields encoded images, or None if there is none at the moment. An agent runs once."""

    def __init__(self, config: Config, source: Iterable[bytes | None]) -> None:
        """Open the state folder and load the last model; BadConfig if another agent uses the folder."""
        tls = config.tls()
        keys = signature.Keys.read(config.model_keys, config.project) if config.model_keys else None
        self._lock = _take(config)
        self._config = config
        self._errors: deque[str] = deque(maxlen=5)
        self._requests: deque[ondemand.Request] = deque(maxlen=100)
        self._sequence = 0
        self._next_state = self._resume_at = 0.0
        self._next_line = time.monotonic() + LINE_EVERY
        self._reporting = threading.Lock()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self.run, name=f"agent-{config.device}")
        self._heartbeat = heartbeat.Heartbeat(config.state)
        self._counts = counts.Counts()
        self._spool = spool.Spool(journal.spool_folder(config.state), config.spool_bytes, config.answer_after)
        self._uploader = upload.Uploader(self._spool, tls, self._note)
        self._link = link.Link(config, tls, self._handlers(), self._connected, self._note)
        self._swapper = swap.Swapper(
            store.Store(config.state / "models", keys),
            tls,
            config.threads,
            ask=lambda fetch: self._publish("fetch", fetch) is not None,
            report=self._report,
            on_error=self._note,
        )
        self._classifier = classify.Classifier(self._swapper, self._spool, self._counts, self._note)
        self._reader = source_reader.SourceReader(
            source, config.interval, self._swapper, self._classifier, self._note, self._image_taken
        )
        self.exhausted = self._reader.exhausted  # an event: the source has ended

    def _handlers(self) -> dict[str, link.Handler]:
        replies = ondemand.reply_topics(self._config.project, self._config.device, self._config.alias)
        return {
            self._topic("grant"): self._take_grant,
            self._topic("desired"): self._take_desired,
            **{topic: partial(self._take_request, reply) for topic, reply in replies.items()},
        }

    def start(self) -> None:
        """Run in a separate thread."""
        self._thread.start()

    def stop(self) -> None:
        """Request a stop after the current image; `join` waits for it."""
        self._stopping.set()
        self._wake.set()

    def join(self, timeout: float | None = None) -> bool:
        """Wait until the agent has stopped; returns whether it has."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def run(self) -> None:
        """Work until `stop`."""
        workers = (self._uploader, self._swapper, self._link, self._reader)
        for worker in workers:
            worker.start()
        try:
            while not self._stopping.is_set():
                self._turn()
                self._wake.wait(TICK)
                self._wake.clear()
        finally:
            for worker in (self._reader, self._swapper, self._uploader):
                worker.stop()
            self._report()
            self._link.stop()
            self._spool.close()
            self._lock.close()

    def _turn(self) -> None:
        """Do the work that is due."""
        try:
            self._answer_requests()
            if self._link.connected:
                if time.monotonic() >= self._resume_at:
                    self._swapper.resume()
                self._announce()
                if time.monotonic() >= self._next_state:
                    self._report()
            if time.monotonic() >= self._next_line:
                self._log_progress()
            if not self._reader.stuck:
                self._heartbeat.beat()
        except (
            OSError,
            sqlite3.Error,
            manifest.BadModel,
        ) as error:  # a full disk, most likely: classification continues
            self._note(f"{type(error).__name__}: {error}")

    def _announce(self) -> None:
        free = min(ANNOUNCEMENTS, link.MAX_ON_ITS_WAY // 2 - self._link.on_its_way)
        if free > 0:
            for item in self._spool.due(free):
                self._link.publish(self._topic("capture"), item.message)

    def _connected(self) -> None:
        self._resume_at = time.monotonic() + RESUME_AFTER
        self._spool.announce_all()
        self._counts.repeat()
        self._next_state = 0.0
        if not self._swapper.running:
            self._next_line = time.monotonic() + FIRST_LINE
        self._wake.set()

    def _take_grant(self, payload: bytes) -> None:
        grant = messages.Grant.loads(payload)
        self._swapper.take_grants(grant.files)
        self._spool.free((item.capture, _fate(item)) for item in grant.captures if item.action != "upload")
        self._uploader.take(item for item in grant.captures if item.action == "upload")

    def _take_desired(self, payload: bytes) -> None:
        # An empty payload clears a retained message; it requests no model.
        self._swapper.take_desired(messages.Desired.loads(payload) if payload else None)

    def _take_request(self, reply_to: str, payload: bytes) -> None:
        self._requests.append(ondemand.read(payload, reply_to, time.monotonic()))
        self._reader.hurry()
        self._wake.set()

    def _answer_requests(self) -> None:
        while self._requests and self._is_due(self._requests[0]):
            request = self._requests.popleft()
            self._link.publish(request.reply_to, self._classifier.answer(request, self._config.device).dumps())

    def _image_taken(self) -> None:
        if self._requests:
            self._wake.set()

    def _is_due(self, request: ondemand.Request) -> bool:
        """Whether there is an image from after the request, which was kept by the thresholds like any, or none will come."""
        no_more = self._reader.exhausted.is_set() or not self._swapper.running
        return no_more or self._classifier.taken_at >= request.at or time.monotonic() - request.at >= ondemand.FRESH

    def _log_progress(self) -> None:
        self._next_line = time.monotonic() + LINE_EVERY
        if self._swapper.running:
            log.info("%s", self.counters())
        elif self._link.connected:  # else the link logs the fault
            config, swapper = self._config, self._swapper
            log.warning("%s", progress.no_model(config.project, config.device, swapper.expected, swapper.answer))

    def _report(self) -> None:
        """Publish `state`; one at a time, so that a later sequence number has later contents."""
        with self._reporting:
            state = self._state()
            state = replace(state, lost=self._lost(state))
            sent = self._publish("state", state)
            if sent:
                self._counts.sent(state.usage, sent)
                self._sequence += 1
            every = self._config.state_every if self._swapper.running else min(self._config.state_every, ASK_EVERY)
            self._next_state = time.monotonic() + (every if sent else TICK)

    def _lost(self, state: reports.State) -> tuple[reports.Lost, ...]:
        """Return lost captures for this state, as many as fit: each is repeated until the cloud has answered it."""
        try:
            return self._spool.unreported(min(reports.MAX_LOST, (MAX_PAYLOAD - len(state.dumps())) // LOST_BYTES))
        except (OSError, sqlite3.Error) as error:  # a full disk, most likely: the state is still published
            self._note(f"{type(error).__name__}: {error}")
            return ()

    def _state(self) -> reports.State:
        running = self._swapper.running
        classified, lost = self._counts.snapshot()
        return reports.State(
            boot=self._counts.boot,
            sequence=self._sequence,
            at=datetime.now(UTC),
            model=running.desired.model if running else None,
            agent=__version__,
            policy=running.desired.policy.version if running else 0,
            answer=self._swapper.answer,
            spool_items=self._spool.items,
            spool_bytes=self._spool.bytes,
            classified=classified,
            dropped=dict(lost + self._spool.dropped()),
            usage=self._counts.usage(USAGE_BYTES),
            errors=tuple(self._errors),
        )

    def _publish(self, kind: str, message: messages.Message) -> link.Receipt | None:
        return self._link.publish(self._topic(kind), message.dumps())

    def _topic(self, kind: str) -> str:
        return topics.topic(self._config.project, self._config.device, kind)

    def _note(self, error: str) -> None:
        """Log an error, and add it to the next states; a repeated one does not displace others."""
        error = error.encode(errors="backslashreplace").decode()  # a file's name may be no text
        log.error("%s: %s", self._config.device, error)
        if error[:500] not in self._errors:
            self._errors.append(error[:500])

    @property
    def stopping(self) -> bool:
        """Whether a stop was requested."""
        return self._stopping.is_set()

    @property
    def spooled(self) -> int:
        """The number of captures without a final answer."""
        return self._spool.items

    def counters(self) -> progress.Counters:
        classified, lost = self._counts.snapshot()
        running = self._swapper.running
        return progress.Counters(
            model=running.desired.model if running else None,
            classified=classified,
            kept=self._classifier.kept,
            uploads=self._uploader.done,
            http_bytes=self._uploader.http.bytes_sent,
            mqtt_bytes=self._link.bytes_sent,
            swaps=tuple(self._swapper.swaps),
            lost=dict(lost + self._spool.dropped()),
        )

    def journal(self) -> dict[str, str]:
        """Return all captures of the journal, with their last fates; also after the agent has stopped."""
        return journal.fates(self._config.state)


def _take(config: Config) -> TextIO:
    try:
        config.state.mkdir(parents=True, exist_ok=True)
        return disk.lock(config.state)
    except BlockingIOError as error:
        raise BadConfig(f"another agent runs on {config.state}") from error
    except OSError as error:
        raise BadConfig(f"state folder: {error}") from error


def _fate(grant: messages.CaptureGrant) -> str:
    return "stored" if grant.action == "stored" else f"dropped:cloud:{grant.reason or 'no reason given'}"

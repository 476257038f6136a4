"""The cloud as a device sees it: a client on the broker that answers captures and fetches, and a place for files."""

import queue
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from paho.mqtt.client import Client, MQTTMessage, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

from strop_wire import ids, messages, reports, topics
from tests.integration.edge.web import Web
from tests.unit.edge.packages import Package

PROJECT, DEVICE = "drinks", "cam-1"
PATIENCE = 60.0


class Cloud:
    """Hears one device. `decide` says what to do with a capture: upload, drop, or None for no answer yet."""

    def __init__(self, url: str, web: Web) -> None:
        self.web = web
        self.captures: list[messages.Capture] = []
        self.states: list[reports.State] = []
        self.fetches: list[messages.Fetch] = []
        self.answers: list[tuple[str, messages.Answer]] = []
        self.decide: Callable[[messages.Capture], str | None] = lambda _: "upload"
        self.confirms = True  # whether a PUT is followed by `stored`
        self.serves = True  # whether a `fetch` is answered
        self.settles = True  # whether a lost capture is answered
        self._files: dict[str, bytes] = {}
        self._changed = threading.Condition()
        self._url = url
        web.on_put = self._stored
        self._client = Client(CallbackAPIVersion.VERSION2, f"cloud-{ids.new_id()[:13]}", False, protocol=MQTTv311)
        self._client.on_message = self._hear
        self._subscribed = threading.Event()
        self._client.on_connect = lambda client, *_: client.subscribe(
            [(f"strop/{PROJECT}/{DEVICE}/+", 1), ("response/prediction/#", 1), ("/response/prediction/#", 1)]
        )
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.reconnect_delay_set(1, 1)

    def start(self) -> None:
        address = urlsplit(self._url)
        assert address.hostname
        self._client.connect(address.hostname, address.port or 1883)
        self._client.loop_start()
        assert self._subscribed.wait(PATIENCE)

    def stop(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def offer(self, package: Package, deployment: str, policy: messages.Policy | None = None) -> messages.Desired:
        """Put a model's files up and have the device run it."""
        self._files.update(package.by_hash)
        desired = package.desired(deployment, policy)
        self.say("desired", desired, retain=True)
        return desired

    def say(self, kind: str, message: messages.Message, *, retain: bool = False) -> None:
        self.say_raw(topics.topic(PROJECT, DEVICE, kind), message.dumps(), retain=retain)

    def say_raw(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        self._client.publish(topic, payload, qos=1, retain=retain)

    def _hear(self, _client: Any, _data: Any, heard: MQTTMessage) -> None:
        kind, payload = heard.topic.rsplit("/", 1)[-1], bytes(heard.payload)
        with self._changed:
            if "response/prediction" in heard.topic:
                self.answers.append((heard.topic, messages.Answer.loads(payload)))
            elif kind == "capture":
                self._answer_capture(messages.Capture.loads(payload))
            elif kind == "state":
                self._answer_state(reports.State.loads(payload))
            elif kind == "fetch":
                self._answer_fetch(messages.Fetch.loads(payload))
            self._changed.notify_all()

    def _answer_capture(self, capture: messages.Capture) -> None:
        self.captures.append(capture)
        key = f"/{capture.id}"
        action = "stored" if key in self.web.objects and self.confirms else self.decide(capture)
        if action is None:
            return
        url = self.web.url + key if action == "upload" else None
        headers = {"x-capture": capture.id, "Content-Type": capture.content_type}
        reason = "too many" if action == "drop" else None
        self.say("grant", messages.Grant((messages.CaptureGrant(capture.id, action, url, headers, reason),)))

    def _answer_state(self, state: reports.State) -> None:
        self.states.append(state)
        if state.lost and self.settles:
            self.say("grant", messages.Grant(tuple(self._settled(each) for each in state.lost)))

    def _settled(self, lost: reports.Lost) -> messages.CaptureGrant:
        if f"/{lost.capture}" in self.web.objects:
            return messages.CaptureGrant(lost.capture, "stored")
        return messages.CaptureGrant(lost.capture, "drop", reason=f"device: {lost.reason}")

    def _answer_fetch(self, fetch: messages.Fetch) -> None:
        self.fetches.append(fetch)
        if not self.serves:
            return
        for sha256 in fetch.files:
            self.web.objects.setdefault(f"/{sha256}", self._files[sha256])
        files = [messages.FileGrant(sha, len(self._files[sha]), f"{self.web.url}/{sha}") for sha in fetch.files]
        self.say("grant", messages.Grant(files=tuple(files)))

    def _stored(self, path: str, _data: bytes) -> None:
        if self.confirms:
            self.say("grant", messages.Grant((messages.CaptureGrant(path.removeprefix("/"), "stored"),)))

    def wait(self, what: Callable[[], Any]) -> Any:
        """Wait until something heard makes this true."""
        with self._changed:
            assert self._changed.wait_for(what, PATIENCE), f"not within {PATIENCE} s; {self._summary()}"
            return what()

    def wait_model(self, version: str) -> reports.State:
        state: reports.State = self.wait(lambda: next((s for s in self.states if s.model == version), None))
        return state

    def wait_outcome(self, deployment: str) -> reports.State:
        """The first state that answers this deployment."""

        def found() -> reports.State | None:
            return next((s for s in self.states if s.answer and s.answer.deployment == deployment), None)

        state: reports.State = self.wait(found)
        return state

    def _summary(self) -> str:
        last = self.states[-1] if self.states else None
        return f"{len(self.captures)} captures, {len(self.fetches)} fetches, last state {last}"


class Feed:
    """A source of images that a test pours into."""

    def __init__(self) -> None:
        self._queue: queue.Queue[bytes] = queue.Queue()

    def pour(self, *images: bytes) -> None:
        for data in images:
            self._queue.put(data)

    def __iter__(self) -> "Feed":
        return self

    def __next__(self) -> bytes | None:
        try:
            return self._queue.get_nowait()
        except queue.Empty:
            return None


def until(what: Callable[[], Any]) -> Any:
    """Wait for something inside the device that nobody announces."""
    deadline = time.monotonic() + PATIENCE
    while not (found := what()):
        assert time.monotonic() < deadline, f"not within {PATIENCE} s"
        time.sleep(0.01)
    return found

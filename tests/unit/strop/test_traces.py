"""One trace per image, whoever tells of it; and nothing at all while traces are off."""

import gzip
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from uuid import UUID

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from strop import traces
from strop_contracts import errors, events

CAPTURE = UUID("01999c1e-54a0-7c3e-8a52-6f1d0c9b7e21")
RECEIVED = events.CaptureReceived(project="cans", capture_id=CAPTURE, device="line-7")
REQUESTED = events.ImageRequested(project="cans", capture_id=CAPTURE, device="line-7")


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    traces.use(SimpleSpanProcessor(exporter))
    yield exporter
    traces.stop()


def test_while_off_nothing_is_told_and_events_stay_as_they_are() -> None:
    traces.start(None)
    traces.arrived("ingest", [CAPTURE], 0)
    traces.sent("router", [(RECEIVED.dumps(), RECEIVED.at)])
    with traces.handling("router", [RECEIVED]):
        assert traces.stamped(RECEIVED) is RECEIVED
    assert "trace" not in RECEIVED.dumps()


def test_the_first_span_has_the_ids_of_its_capture(spans: InMemorySpanExporter) -> None:
    traces.arrived("ingest", [CAPTURE], 1_700_000_000_000_000_000)

    (span,) = spans.get_finished_spans()
    assert span.context.trace_id == CAPTURE.int
    assert f"{span.context.span_id:016x}" == "8a526f1d0c9b7e21"
    assert span.parent is None
    assert span.start_time == 1_700_000_000_000_000_000
    assert span.resource.attributes["service.name"] == "strop-ingest"


def test_the_context_of_a_capture_is_a_traceparent() -> None:
    assert traces.of_capture(CAPTURE) == "00-01999c1e54a07c3e8a526f1d0c9b7e21-8a526f1d0c9b7e21-01"


def test_an_event_carries_the_span_it_comes_from(spans: InMemorySpanExporter) -> None:
    said = events.loads(traces.stamped(RECEIVED).dumps())
    assert said.trace == traces.of_capture(CAPTURE)

    with traces.handling("router", [said]):
        follows = events.loads(traces.stamped(REQUESTED).dumps())
    with traces.handling("ingest", [follows]):
        pass

    router, ingest = spans.get_finished_spans()
    assert {span.context.trace_id for span in (router, ingest)} == {CAPTURE.int}
    assert router.parent
    assert router.parent.span_id == CAPTURE.int % 2**64
    assert ingest.parent
    assert ingest.parent.span_id == router.context.span_id
    assert [span.resource.attributes["service.name"] for span in (router, ingest)] == ["strop-router", "strop-ingest"]


def test_events_handled_together_keep_to_their_own_images(spans: InMemorySpanExporter) -> None:
    other = UUID("01999c1e-54a0-7c3e-8a52-000000000001")
    both = [RECEIVED, RECEIVED.model_copy(update={"capture_id": other})]

    with traces.handling("router", both):
        mine, its = traces.stamped(REQUESTED), traces.stamped(REQUESTED.model_copy(update={"capture_id": other}))

    first, second = spans.get_finished_spans()
    assert (mine.trace or "").split("-")[1:3] == [f"{CAPTURE.int:032x}", f"{first.context.span_id:016x}"]
    assert (its.trace or "").split("-")[1:3] == [f"{other.int:032x}", f"{second.context.span_id:016x}"]


def test_what_follows_from_no_image_follows_from_the_event_at_work(spans: InMemorySpanExporter) -> None:
    asked = events.TrainingRequested(project="cans", run_id=CAPTURE)

    with traces.handling("trainer", [asked]):
        made = traces.stamped(events.ModelApproved(project="cans", model_version=3))
    alone = traces.stamped(asked)

    (span,) = spans.get_finished_spans()
    assert (made.trace or "").split("-")[1] == f"{span.context.trace_id:032x}"
    assert alone is asked


def test_a_failure_is_told(spans: InMemorySpanExporter) -> None:
    with pytest.raises(errors.InvalidMessage), traces.handling("router", [RECEIVED]):
        raise errors.InvalidMessage("there is no capture")

    (span,) = spans.get_finished_spans()
    assert not span.status.is_ok
    assert span.status.description == "there is no capture"
    assert span.events[0].name == "exception"


def test_of_events_handled_together_only_those_that_failed_are_told_so(spans: InMemorySpanExporter) -> None:
    both = [RECEIVED, RECEIVED.model_copy(update={"id": CAPTURE})]

    with pytest.raises(errors.PartialFailure), traces.handling("ingest", both):
        raise errors.PartialFailure({CAPTURE: errors.InvalidMessage("there is no capture")})

    assert [span.status.description for span in spans.get_finished_spans()] == [None, "there is no capture"]


def test_the_outbox_tells_how_long_an_event_waited_and_passes_over_what_is_none(spans: InMemorySpanExporter) -> None:
    written = datetime(2026, 3, 1, tzinfo=UTC)

    traces.sent("router", [("{}", written), (traces.stamped(RECEIVED).dumps(), written)])

    (span,) = spans.get_finished_spans()
    assert (span.name, span.context.trace_id) == ("send router", CAPTURE.int)
    assert span.start_time == int(written.timestamp() * 1e9)


def test_an_event_keeps_its_trace_on_the_wire() -> None:
    said = RECEIVED.model_copy(update={"trace": traces.of_capture(CAPTURE)})

    assert events.loads(said.dumps()) == said


def test_a_collector_gets_them_by_otlp_over_http() -> None:
    got: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            zipped = self.headers.get("content-encoding") == "gzip"
            got.append((self.path, gzip.decompress(body) if zipped else body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        traces.start(f"http://127.0.0.1:{server.server_port}/")
        traces.arrived("ingest", [CAPTURE], 0)
        traces.stop()
        server.shutdown()
        serving.join()

    ((path, body),) = got
    assert path == "/v1/traces"
    assert CAPTURE.bytes in body
    assert b"strop-ingest" in body

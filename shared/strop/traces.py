"""OpenTelemetry traces: off unless a collector is named, and then one trace follows one image through all services.

The trace of an image has the id of its capture, and its first span the second half of that id. So the
trace follows from the capture's id, and nothing need be carried by MQTT 3.1.1, the device or the bucket (docs/decisions/0011). Between
services the event's `trace` names the span that it came from.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from strop_contracts import errors, events, topology

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor

E = TypeVar("E", bound=events.Event)

_SECOND_HALF = (1 << 64) - 1
_OFF: AbstractContextManager[None] = nullcontext()
_first: ContextVar[UUID | None] = ContextVar("first", default=None)
_at_work: ContextVar[Mapping[int, trace.Span]] = ContextVar("at_work", default={})  # noqa: B039 - never changed
_carrier = TraceContextTextMapPropagator()


def of_capture(capture: UUID) -> str:
    """The `traceparent` of whatever belongs to a capture."""
    return f"00-{capture.int:032x}-{capture.int & _SECOND_HALF:016x}-01"


class _Tracing:
    """What is there while traces are on: a tracer per service, since one process may run them all."""

    def __init__(self, processor: "SpanProcessor") -> None:
        self.processor = processor
        self._tracers: dict[str, trace.Tracer] = {}

    def tracer(self, service: str) -> trace.Tracer:
        if service not in self._tracers:
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider

            resource = Resource.create({"service.name": f"strop-{service}"})
            provider = TracerProvider(resource=resource, id_generator=_ids(), shutdown_on_exit=False)
            provider.add_span_processor(self.processor)
            self._tracers[service] = provider.get_tracer("strop")
        return self._tracers[service]

    @contextmanager
    def handling(self, service: str, happened: Sequence[events.Event]) -> Iterator[None]:
        tracer = self.tracer(service)
        spans = [
            (each, tracer.start_span(type(each).__name__, _parent(each), trace.SpanKind.CONSUMER, _attributes(each)))
            for each in happened
            if each.trace or type(each) in topology.ROUTES  # no notifications about other objects
        ]
        token = _at_work.set({span.get_span_context().trace_id: span for _, span in spans})
        try:
            yield
        except errors.PartialFailure as partial:
            for event, span in spans:
                if event.id in partial.failed:
                    _failed(span, partial.failed[event.id])
            raise
        except BaseException as error:
            for _, span in spans:
                _failed(span, error)
            raise
        finally:
            _at_work.reset(token)
            for _, span in spans:
                span.end()


def _failed(span: trace.Span, error: BaseException) -> None:
    span.record_exception(error)
    span.set_status(trace.StatusCode.ERROR, str(error))


_tracing: _Tracing | None = None


def start(collector: str | None) -> None:
    """Send spans to a collector, by OTLP over HTTP; without one traces stay off."""
    if collector:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        use(BatchSpanProcessor(OTLPSpanExporter(f"{collector.rstrip('/')}/v1/traces")))


def use(processor: "SpanProcessor") -> None:
    """Hand spans to this from now on."""
    global _tracing  # noqa: PLW0603 - one switch per process
    _tracing = _Tracing(processor)


def stop() -> None:
    """Send what is left, which may take seconds, and turn traces off."""
    global _tracing  # noqa: PLW0603 - as above
    if _tracing:
        _tracing.processor.shutdown()
    _tracing = None


# --- the hops ---


def arrived(service: str, captures: Iterable[UUID], since: int) -> None:
    """Export the first span of each capture: from the arrival of its announcement (ns since 1970) to now."""
    if _tracing:
        tracer = _tracing.tracer(service)
        for capture in captures:
            token = _first.set(capture)
            span = tracer.start_span("capture", Context(), trace.SpanKind.CONSUMER, start_time=since)
            span.end()
            _first.reset(token)


def stamped(event: E) -> E:
    """Say in the event which span it comes from: the one at work on the same capture, else the capture's first."""
    if _tracing is None or event.trace:
        return event
    working, capture = _at_work.get(), getattr(event, "capture_id", None)
    if capture is None:
        span = next(iter(working.values())) if len(working) == 1 else None
    else:
        span = working.get(capture.int)
    if span is None:
        return event.model_copy(update={"trace": of_capture(capture)}) if capture else event
    carried: dict[str, str] = {}
    _carrier.inject(carried, trace.set_span_in_context(span))
    return event.model_copy(update={"trace": carried["traceparent"]})


def handling(service: str, happened: Sequence[events.Event]) -> AbstractContextManager[None]:
    """A span for each event that a service handles; what is added to the outbox meanwhile comes from these."""
    return _tracing.handling(service, happened) if _tracing else _OFF


def sent(queue: str, rows: Iterable[tuple[str, datetime]]) -> None:
    """Tell of events that left the outbox for a queue: pairs of body and the time they were written."""
    if _tracing:
        tracer = _tracing.tracer("outbox")
        for body, since in rows:
            try:
                event = events.loads(body)
            except errors.InvalidMessage:  # a dead letter that is tried again
                continue
            name, kind, start = f"send {queue}", trace.SpanKind.PRODUCER, int(since.timestamp() * 1e9)
            tracer.start_span(name, _parent(event), kind, _attributes(event), start_time=start).end()


def _parent(event: events.Event) -> Context:
    """The span that an event comes from; of what belongs to nothing a trace of its own begins."""
    capture = getattr(event, "capture_id", None)
    carried = event.trace or (of_capture(capture) if capture else None)
    return _carrier.extract({"traceparent": carried}, Context()) if carried else Context()


def _attributes(event: events.Event) -> dict[str, Any]:
    return {"strop.project": event.project, "strop.event": type(event).__name__, "strop.event_id": str(event.id)}


def _ids() -> Any:
    """Random ids, but for the first span of a capture."""
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

    class Ids(RandomIdGenerator):
        def generate_trace_id(self) -> int:
            capture = _first.get()
            return capture.int if capture else super().generate_trace_id()

        def generate_span_id(self) -> int:
            capture = _first.get()
            return capture.int & _SECOND_HALF if capture else super().generate_span_id()

    return Ids()

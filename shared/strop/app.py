"""The frame of every service: clients opened once, loops run side by side, one HTTP port, a clean stop.

A service is built by its `__main__.build(runtime)`; `serve` runs one of them (a container) or all (one machine).
"""

import asyncio
import functools
import gc
import logging
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import aiobotocore.session
import fastapi_offline
import structlog
import uvicorn
from botocore.config import Config
from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import text

from strop import (
    db,
    deadletters,
    gateway,
    gauges,
    http_limits,
    inbox,
    loops,
    metrics,
    outbox,
    reconciler,
    sqs,
    storage,
    traces,
)
from strop.settings import Settings
from strop_contracts import control, errors, services, topology
from strop_wire import fields

log = structlog.get_logger()

ABOUT = """\
The HTTP side of Strop: label tasks, for the pages and for programs. Programs send `Authorization: Bearer TOKEN`;
`strop token create NAME` makes a token. docs/wire.md and docs/asyncapi.yaml describe the MQTT messages of devices.
"""


@dataclass(frozen=True)
class Runtime:
    """The clients that services share in one process."""

    settings: Settings
    sessions: db.Sessions
    queues: sqs.Queues
    storage: storage.Storage


ErrorHandler = Callable[[Request, Exception], Awaitable[Response]]


@dataclass(frozen=True)
class Service:
    loops: Sequence[loops.Loop]
    routes: APIRouter | None = None
    measured: gauges.Table = ()  # gauges of its own tables
    ready: Callable[[], bool] = field(default=lambda: True)  # more than the database, such as a broker's connection
    errors: Mapping[int, ErrorHandler] = field(default_factory=dict)  # by HTTP status, of all addresses of the port
    bodies: Mapping[str, int] = field(
        default_factory=dict
    )  # largest bodies in bytes by pattern of paths, see `http_limits`


Build = Callable[[Runtime], Service]

CONTROL_BODY = 16 * 2**20
"""Largest body of a control request: the journals of a fleet."""

POOL = 4
"""Connections that each service keeps open when several share a process; PostgreSQL takes 100 in all by default."""


@functools.cache
def _botocore() -> aiobotocore.session.AioSession:
    """One session per process: it keeps the service descriptions, which take most of the time to make a client."""
    return aiobotocore.session.get_session()


@asynccontextmanager
async def runtime(settings: Settings, service: str | None = None) -> AsyncIterator[Runtime]:
    """Open database, SQS and S3. Credentials, region and endpoints come from botocore's usual places.

    The database grants what it grants to `service`; without one, what it grants to the user of `database_url`.
    """
    session = _botocore()
    # A name of our own: botocore's, put together anew for each request, is a twentieth of what a request costs.
    common = {"retries": {"mode": "standard", "max_attempts": 3}, "max_pool_connections": 50, "user_agent": "strop"}
    # An endpoint of one's own has no bucket names in its host names.
    style = {"addressing_style": "path"} if settings.s3_url or settings.public_s3_url else {}
    s3_config = Config(signature_version="s3v4", s3=style, **common, read_timeout=30, connect_timeout=5)
    async with (
        _sessions(settings, service) as sessions,
        session.create_client("sqs", config=Config(**common, read_timeout=40, connect_timeout=5)) as sqs_client,
        session.create_client("s3", config=s3_config) as s3_client,
        session.create_client(
            "s3", config=s3_config, endpoint_url=settings.public_s3_url or settings.s3_url
        ) as public_client,
    ):
        yield Runtime(
            settings,
            sessions,
            sqs.Queues(sqs_client, settings.queue_prefix),
            storage.Storage(s3_client, public_client, settings.bucket),
        )


@asynccontextmanager
async def _sessions(settings: Settings, service: str | None, pool: int = 10) -> AsyncIterator[db.Sessions]:
    role = services.get(service).role if service else None
    engine = db.engine(settings.database_url, pool, db.ANSWER, role)
    try:
        yield db.sessions(engine)
    finally:
        await engine.dispose()


@asynccontextmanager
async def _runtimes(settings: Settings, names: Iterable[str]) -> AsyncIterator[dict[str, Runtime]]:
    """Open the clients of several services: all but the database sessions are shared."""
    first, *others = names
    async with runtime(settings, first) as opened, AsyncExitStack() as stack:
        own = {name: await stack.enter_async_context(_sessions(settings, name, POOL)) for name in others}
        yield {first: opened} | {name: replace(opened, sessions=sessions) for name, sessions in own.items()}


async def serve(
    settings: Settings,
    builds: Mapping[str, Build],
    *,
    stop: asyncio.Event | None = None,
    ready: asyncio.Event | None = None,
) -> None:
    """Run the services, each with its own rights, until `stop` (or SIGINT, SIGTERM); set `ready` once the HTTP port answers.

    `builds` has a service's `build` by its declared name.
    """
    stop = stop or asyncio.Event()
    on_signals(stop)
    async with _traced(settings), _runtimes(settings, builds) as runtimes:
        built = {name: build(runtimes[name]) for name, build in builds.items()}
        common = next(iter(runtimes.values()))  # for the tables of the kernel, which every service may write
        gc.freeze()  # what is there by now stays: searching it for garbage again and again would cost a quarter of the time
        server = _Server(
            uvicorn.Config(
                web(runtimes, built),
                host=settings.host,
                port=settings.port,
                http=http_limits.TimedProtocol,
                log_config=None,
                access_log=False,
            )
        )
        async with asyncio.TaskGroup() as group:
            for name, service in built.items():
                metrics.SERVICE_UP.labels(name).set(1)
                for loop in service.loops:
                    group.create_task(loop(stop))
                if name in topology.SERVICES:  # the others have no queue
                    group.create_task(deadletters.read(runtimes[name].sessions, common.queues, name, stop))
                    sessions = runtimes[name].sessions
                    again = reconciler.Reconciler(sessions, common.queues, name, settings.reconcile_after)
                    group.create_task(again.run(stop))
                    group.create_task(
                        gauges.watch(runtimes[name].sessions, common.queues, name, service.measured)(stop)
                    )
            group.create_task(outbox.relay(common.sessions, common.queues, stop))
            group.create_task(loops.every(inbox.PRUNE_EVERY, functools.partial(inbox.prune, common.sessions))(stop))
            prune_letters = functools.partial(deadletters.prune, common.sessions)
            group.create_task(loops.every(inbox.PRUNE_EVERY, prune_letters)(stop))
            group.create_task(server.serve())
            group.create_task(_end(server, stop))
            group.create_task(_announce(server, built, ready))


@asynccontextmanager
async def _traced(settings: Settings) -> AsyncIterator[None]:
    traces.start(settings.traces)
    try:
        yield
    finally:
        await asyncio.to_thread(traces.stop)


class _Server(uvicorn.Server):
    """Uvicorn without its signal handlers: ours stop everything, not only the HTTP port."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


async def _end(server: uvicorn.Server, stop: asyncio.Event) -> None:
    await stop.wait()
    server.should_exit = True


async def _announce(server: uvicorn.Server, built: Mapping[str, Service], ready: asyncio.Event | None) -> None:
    while not (server.started and all(service.ready() for service in built.values())):
        await asyncio.sleep(0.02)
    log.info("ready", services=list(built))
    if ready:
        ready.set()


def on_signals(stop: asyncio.Event) -> None:
    """Let SIGINT and SIGTERM ask for a clean stop."""
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError, RuntimeError, ValueError):  # not in the main thread
            asyncio.get_running_loop().add_signal_handler(number, stop.set)


def web(runtimes: Mapping[str, Runtime], built: Mapping[str, Service]) -> FastAPI:
    """The HTTP side: the services' own routes, and what operators ask every service."""
    api = fastapi_offline.FastAPIOffline(  # /api/docs with its scripts: a browser may have no way to a CDN
        "/api/docs",
        None,
        title="Strop",
        version="1",
        description=ABOUT,
        openapi_url="/api/openapi.json",
        static_url="/api/docs/assets",
    )
    api.add_exception_handler(errors.Forbidden, _answer_with(403))
    api.add_exception_handler(errors.NotFound, _answer_with(404))
    api.add_exception_handler(errors.Refused, _answer_with(409))
    api.add_exception_handler(fields.Malformed, _answer_with(422))
    api.state.services = frozenset(built)  # pages link to those of the same port by path
    for name, service in built.items():
        for status, handler in service.errors.items():
            api.add_exception_handler(status, handler)
        if service.routes:
            api.include_router(service.routes, dependencies=[_lend(runtimes[name])])

    @api.get("/healthz", include_in_schema=False)
    async def healthz() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @api.get("/readyz", include_in_schema=False)
    async def readyz(response: Response) -> dict[str, bool]:
        """The database answers and every service has what it needs."""
        answers = await _answers(next(iter(runtimes.values())))
        found = {"database": answers, **{name: service.ready() for name, service in built.items()}}
        response.status_code = 200 if all(found.values()) else 503
        return found

    @api.get("/metrics", include_in_schema=False)
    async def exposition() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    bodies = {path: size for service in built.values() for path, size in service.bodies.items()}
    api.add_middleware(http_limits.BodyLimit, larger={f"{control.PREFIX}/*": CONTROL_BODY, **bodies})
    urls = next(iter(runtimes.values())).settings.control_urls
    gateway.mount(api, urls, built)
    return api


def _lend(opened: Runtime) -> Any:
    """Give the routes of a service its runtime, as `request.state.runtime`."""

    def lend(request: Request) -> None:
        request.state.runtime = opened

    return Depends(lend)


def _answer_with(status: int) -> ErrorHandler:
    """Return an exception handler that sends the error's text as `detail`."""

    async def answer(request: Request, error: Exception) -> Response:
        return JSONResponse({"detail": str(error)}, status)

    return answer


async def _answers(opened: Runtime) -> bool:
    try:
        async with asyncio.timeout(2), opened.sessions() as session:
            await session.execute(text("select 1"))
    except Exception:
        log.exception("database_unreachable")
        return False
    return True


def logs(settings: Settings) -> None:
    """Structured logs on standard error: an event name plus fields; context variables carry event and capture id."""
    final = structlog.processors.JSONRenderer() if settings.log_json else structlog.dev.ConsoleRenderer()
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    render: list[structlog.typing.Processor] = (
        [structlog.processors.format_exc_info, final] if settings.log_json else [final]
    )
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        processors=[*shared, *render],
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)


def main(name: str, settings: Settings, build: Build) -> None:
    """Run one service as a process of its own: the body of every `__main__`."""
    logs(settings)
    asyncio.run(serve(settings, {name: build}))

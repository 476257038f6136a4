"""`strop up`: the platform and all services on one machine, until Ctrl-C."""

import asyncio
import json
import os
import shlex
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from importlib import import_module
from pathlib import Path

from strop import app, tokens
from strop.settings import Settings
from strop_cli import backup as backups
from strop_cli import connection, envfile, installation, isolation, model_keys
from strop_contracts import services
from strop_devstack import processes
from strop_devstack.demo import folder
from strop_devstack.platform import ports
from strop_devstack.platform.errors import PlatformError
from strop_devstack.platform.stack import Stack

PROGRAMS = Path(__file__).parent / "platform" / "programs"
"""First in the PATH of a shell that sources `strop.env`: `aws`, for versions that do not read every endpoint variable."""
_LOOK = 3.0  # seconds between two looks at the servers


def run(state: Path, port: int | None, *, apart: bool, backup: Path | None = None) -> None:
    """Run the platform and all services until SIGINT; with `apart` each service has a process of its own.

    `backup`: restored before the services start; Refused if there are projects.
    """
    isolation.clean(os.environ)
    if port is not None and not ports.is_free(port):
        raise PlatformError(f"port {port} is taken: choose another, or leave --port out")
    with Stack(folder.home(state)) as stack, _env_file(stack.state / connection.ENV_FILE) as path:
        folder.adopt(state)
        model_keys.make(stack.state)
        env = stack.env() | _env(stack, port, apart=apart)
        os.environ.update(env)
        # Web pages served from this machine, such as those of a development server; the signature protects the API.
        os.environ.setdefault("STROP_CUSTOM_LABELS_ORIGINS", "local")
        installation.migrate(env["DATABASE_URL"])
        if backup:
            asyncio.run(backups.restored(backup, Settings()))
        asyncio.run(_Up(stack, path, env, apart=apart).run())
    print("stopped; nothing is lost")


@contextmanager
def _env_file(path: Path) -> Iterator[Path]:
    """The file is there exactly as long as the platform is ready."""
    path.unlink(missing_ok=True)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _env(stack: Stack, port: int | None, *, apart: bool) -> dict[str, str]:
    port = port or stack.port("web")
    urls = {each.name: f"http://127.0.0.1:{_port(stack, each, port, apart=apart)}" for each in services.ALL}
    hosted = urls[services.CUSTOM_LABELS.name]
    return {
        "STROP_URL": f"http://127.0.0.1:{port}",
        "STROP_CONSOLE": f"{urls[services.CONSOLE.name]}/console",
        "STROP_PORT": str(port),
        "STROP_CONTROL_URLS": json.dumps(urls),
        "STROP_SESSION_COOKIE": f"strop_session_{port}",  # one for all pages, whichever port each service has
        "AWS_ENDPOINT_URL_REKOGNITION": hosted,
        # All that is neither S3 nor SQS: an answer that names what is not here, in place of a local key sent to AWS.
        "AWS_ENDPOINT_URL": hosted,
        "STROP_TRAINER_CACHE": str(stack.state / "trainer"),
        "STROP_TRAINER_MODEL_KEY": str(stack.state / model_keys.PRIVATE),
        "STROP_MODEL_KEYS": str(stack.state / model_keys.PUBLIC),
        "STROP_CUSTOM_LABELS_CACHE": str(stack.state / "custom-labels"),
    }


def _port(stack: Stack, service: services.Service, pages: int, *, apart: bool) -> int:
    return stack.port(service.package) if apart and service is not processes.WEB else pages


def _dead(failures: ExceptionGroup) -> Exception | None:
    """Return the report on a server among these failures."""
    found: Exception | None = failures.subgroup(PlatformError)
    while isinstance(found, ExceptionGroup):
        found = found.exceptions[0]
    return found


class _Up:
    """All services, in this process or each in its own (`apart`), and an eye on the servers."""

    def __init__(self, stack: Stack, env_file: Path, env: dict[str, str], *, apart: bool) -> None:
        self._apart = apart
        self._stack, self._env_file, self._env = stack, env_file, env
        self._log = stack.state / "logs" / "services.log"
        self._ready = asyncio.Event()
        self._metrics = [f"Metrics: {env['STROP_URL']}/metrics"]

    async def run(self) -> None:
        settings = Settings()
        link = await self._prepare(settings)
        with self._log.open("a", buffering=1) as log, redirect_stderr(log):
            app.logs(settings)
            try:
                async with asyncio.TaskGroup() as group:
                    others = [group.create_task(self._watch()), group.create_task(self._announce(link))]
                    await (self._serve_apart(settings) if self._apart else self._serve(settings))
                    for task in others:
                        task.cancel()
            except ExceptionGroup as failures:  # services may fail of the same dead server at the same moment
                raise _dead(failures) or failures from None

    async def _serve(self, settings: Settings) -> None:
        builds = {each.name: import_module(f"{each.package}.__main__").build for each in services.ALL}
        await app.serve(settings, builds, ready=self._ready)

    async def _serve_apart(self, settings: Settings) -> None:
        stop = asyncio.Event()
        app.on_signals(stop)
        async with processes.running(self._stack, settings.port) as urls:
            self._metrics = [f"Metrics: {url}/metrics of {name}" for name, url in urls.items()]
            self._ready.set()
            await stop.wait()

    async def _prepare(self, settings: Settings) -> str:
        """Make queues, bucket and the two tokens; returns the sign-in link."""
        async with app.runtime(settings) as runtime:
            await installation.create(runtime)
            self._env["STROP_TOKEN"] = token = self._token()
            await installation.register(runtime, token)
            async with runtime.sessions.begin() as session:
                link = await tokens.make(session, installation.OPERATOR, "once")
        return f"{self._env['STROP_URL']}/sign-in?token={link}"

    def _token(self) -> str:
        """Return the admin's token of this folder: created once, the same at every start."""
        path = self._stack.state / "token.env"
        if not path.exists():
            envfile.write(path, {"STROP_TOKEN": tokens.new("api")})
        return envfile.read(path)["STROP_TOKEN"]

    async def _announce(self, link: str) -> None:
        await self._ready.wait()
        programs = PROGRAMS, Path(sysconfig.get_path("scripts"))
        envfile.write(self._env_file, self._env, isolation.SHELL, programs)
        print(f"Strop is up. Open this link and press Sign in (it works once): {link}")
        print(f"Models, and how good they are: {self._env['STROP_CONSOLE']}")
        print(f"Addresses and credentials: source {shlex.quote(str(self._env_file))}")
        print(f"Access key {self._env['AWS_ACCESS_KEY_ID']} / secret in {connection.ENV_FILE}")
        for line in self._metrics:
            print(line)
        print(f"Logs: {self._log.parent}. Ctrl-C stops everything.", flush=True)

    async def _watch(self) -> None:
        """End everything when a server fails: no service can do its work then, and a new start heals what there is to heal."""
        while True:
            await asyncio.sleep(_LOOK)
            if report := await asyncio.to_thread(self._stack.failed):
                raise PlatformError(report)

"""The steps of the demo: what a user would do, in order, over the same interfaces."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from console import ledger
from strop import app
from strop.settings import Settings
from strop_cli import access
from strop_contracts import control, errors
from strop_devstack.demo import accuracy, actions, closing, folder, images, memory, processes, progress
from strop_devstack.demo.fleet import Spec, share_out
from strop_devstack.demo.labeler import Labeler
from strop_devstack.demo.story import Story

PROJECT = "demo"

PATIENCE = 900
"""Seconds a step may take. A training of a thousand photographs took 270 s on a machine with a load of 10."""


class Failed(errors.StropError):
    """The demo cannot continue; the message has the reason and the place of the logs."""


@dataclass(frozen=True)
class Options:
    state: Path
    images: Path | None = None
    devices: int = 12
    auto_label: bool = True
    exit: bool = False
    report: Path | None = None


async def run(options: Options) -> control.Ledger | None:
    """Run the whole loop; returns the ledger, which counts lost and doubled captures; None if it was interrupted."""
    me = asyncio.current_task()
    assert me is not None
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, me.cancel)
    try:
        return await _run(options)
    except asyncio.CancelledError:
        print("stopped")
        return None


async def _run(options: Options) -> control.Ledger:
    story, peak = Story(), memory.Peak()
    story.say(
        f"[bold]Strop demo[/]: the loop on one machine, {options.devices} devices, everything under {options.state}"
    )
    if options.images is None:
        story.say(
            "The images are [bold]rendered[/] (beverage containers on a sorting line). Real ones: make demo IMAGES=DIR"
        )
    folder.check(options.state)
    processes.end_leftover(folder.platform(options.state))
    folder.renew(options.state)
    async with AsyncExitStack() as stack:
        with story.telling():
            demo = await stack.enter_async_context(_prepared(options, story))
            story.say(f"The pages: {demo.link}")
            await demo.first_model()
            await demo.collect()
            await demo.retrain()
            found = await demo.settle()
            heldout = await demo.judge()
        report = await closing.report(demo.runtime, PROJECT, story, found, demo.fleet.figures, heldout, peak.close())
        closing.show(story, report, heldout)
        if options.report:
            options.report.write_text(json.dumps(asdict(report), indent=2) + "\n")
            story.say(f"The same as JSON: {options.report}")
        if not options.exit:
            link = await actions.sign_in_link(demo.runtime, demo.platform.env["STROP_URL"])
            story.say(f"\nEverything stays up. The pages: {link}\nCtrl-C ends it.")
            await _until_interrupted(demo.platform)
    return found


@dataclass
class Demo:
    """What the steps share."""

    options: Options
    story: Story
    prepared: images.Prepared
    platform: processes.Platform
    runtime: app.Runtime
    fleet: processes.Fleet
    labeler: Labeler | None
    link: str

    async def first_model(self) -> None:
        with self.story.step("train", "train the first model") as step:
            await actions.train(self.runtime, PROJECT)
            step.note = await self._until(lambda: progress.trained(self.runtime, PROJECT, 1))
        with self.story.step("rollout", "roll it out") as step:
            step.note = await self._until(lambda: progress.deployed(self.runtime, PROJECT, 1))

    async def collect(self) -> None:
        with self.story.step("collect", "devices classify; uncertain images are uploaded and labelled") as step:
            if not self.labeler:
                self.story.say(f"Label the images yourself: {self.link}")
            step.note = await self._until(self._triggered, patience=self._patience)

    async def _triggered(self) -> str | None:
        """Wait for the trigger; when nothing more comes that could pull it, ask by hand."""
        note = await progress.triggered(self.runtime, PROJECT)
        if note is None and self.labeler and await progress.idle(self.runtime, PROJECT, self.fleet.figures):
            await asyncio.sleep(8)  # longer than the trigger's own wait for quiet
            if (note := await progress.triggered(self.runtime, PROJECT)) is None:
                await actions.train(self.runtime, PROJECT)
        return note

    async def retrain(self) -> None:
        with self.story.step("retrain", "retrain on base and field data, judge against the champion") as step:
            step.note = await self._until(lambda: progress.trained(self.runtime, PROJECT, 2), patience=self._patience)
        with self.story.step("rollout_2", "roll the winner out in stages while the devices run") as step:
            step.note = await self._until(
                lambda: progress.rolled_out(self.runtime, PROJECT, 2), patience=self._patience
            )

    async def settle(self) -> control.Ledger:
        """Let the devices finish, then count."""
        with self.story.step("settle", "let everything settle, then count") as step:
            await self._until(
                lambda: progress.settled(self.runtime, PROJECT, self.fleet.figures), patience=self._patience
            )
            journals = await self.fleet.stop()
            async with self.runtime.sessions() as session:
                found = await ledger.check(session, PROJECT, journals)
            step.note = f"{found.announced} captures, {len(found.lost)} lost, {len(found.doubled)} doubled"
        if self.labeler:
            await asyncio.to_thread(self.labeler.close)
        return found

    async def judge(self) -> closing.Heldout:
        """Measure the first and the last model that ran, on images that no model was trained on."""
        with self.story.step("measure", "measure both models on held-out field images") as step:
            found = {version: await self._measure(version) for version in await progress.ran(self.runtime, PROJECT)}
            step.note = " → ".join(f"{accuracy.value:.1%}" for accuracy, _, _ in found.values())
        return found

    async def _measure(self, version: int) -> tuple[accuracy.Accuracy, int, int]:
        files = await progress.model_files(self.runtime, PROJECT, version)
        model = await accuracy.download(self.runtime.storage, files, self.options.state / "models" / f"v{version}")
        found = await asyncio.to_thread(accuracy.measure, model, self.prepared.folder / "heldout")
        return found, *accuracy.sizes(files)

    @property
    def _patience(self) -> float | None:
        """Seconds a step may take; people may take their time."""
        return PATIENCE if self.labeler else None

    async def _until(self, done: Callable[[], Awaitable[str | None]], patience: float | None = PATIENCE) -> str:
        """Wait until `done` returns a note, and refresh the figures meanwhile; Failed if a process ends, or after `patience` seconds."""
        try:
            async with asyncio.timeout(patience):
                while (note := await done()) is None:
                    self.story.figures = await progress.figures(self.runtime, PROJECT, self.fleet.figures)
                    self.platform.check()
                    self.fleet.check()
                    await asyncio.sleep(0.25)
        except TimeoutError:
            step = self.story.steps[-1].name
            raise Failed(
                f"'{step}' took longer than {patience:.0f} s; the logs are under {self.options.state}"
            ) from None
        return note


@asynccontextmanager
async def _prepared(options: Options, story: Story) -> AsyncIterator[Demo]:
    """Images, platform, enrolment, base set, fleet, labeler: all that must be there before the loop turns."""
    async with AsyncExitStack() as stack:
        with story.step("images", "split and shift the images" if options.images else "render the images") as step:
            kept = options.state / "images" / processes.name_of(options.images)

            def report(done: int, total: int) -> None:
                step.note = f"{done:,} of {total:,}"

            prepared = await asyncio.to_thread(images.prepare, kept, options.images, report)
            step.note = f"{prepared.base} base, {prepared.field} field (shifted), {prepared.heldout} held out"
            for line in prepared.unused:
                story.say(line)
        with story.step("platform", "start PostgreSQL, broker, S3/SQS and the services") as step:
            platform = await stack.enter_async_context(
                processes.platform(folder.platform(options.state), processes.settings(prepared))
            )
            os.environ.update(platform.env)
            runtime = await stack.enter_async_context(app.runtime(Settings()))
            step.note = platform.env["STROP_URL"]
        with story.step("import", "enrol the devices and import the base set") as step:
            files = sorted(prepared.folder.glob("field/*/*"), key=lambda path: path.name[-9:])
            spec = Spec(
                platform.env["MQTT_URL"],
                PROJECT,
                str(options.state / "devices"),
                platform.env["STROP_MODEL_KEYS"],
                share_out(files, options.devices),
            )
            await actions.enrol(runtime, PROJECT, spec.devices)
            where = access.Access(platform.env["STROP_URL"], platform.env["STROP_TOKEN"])
            base = await asyncio.to_thread(actions.import_base, where, PROJECT, prepared.folder / "base")
            if base.refused and not options.images:
                raise Failed(f"images of the demo itself were refused: {base.refused}")
            step.note = f"{base.accepted} images"
            for path, reason in base.refused.items():
                story.say(f"refused {path}: {reason}")
        fleet = await stack.enter_async_context(processes.fleet(options.state, spec))
        labeler = _labeler(platform, prepared) if options.auto_label else None
        yield Demo(
            options,
            story,
            prepared,
            platform,
            runtime,
            fleet,
            labeler,
            await actions.sign_in_link(runtime, platform.env["STROP_URL"]),
        )


def _labeler(platform: processes.Platform, prepared: images.Prepared) -> Labeler:
    return Labeler(platform.env["STROP_URL"], platform.env["STROP_TOKEN"], PROJECT, prepared.truth())


async def _until_interrupted(platform: processes.Platform) -> None:
    while True:
        platform.check()
        await asyncio.sleep(1)

"""One image: decode, predict, count, and keep it if the policy selects it."""

import random
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from strop_edge import choose, counts, image, manifest, ondemand, spool, swap
from strop_wire import ids, messages

RANKS = 10
"""Predictions that a capture contains."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A decoded image, as the model gets it and as the cloud will."""

    data: bytes
    pixels: image.Pixels
    input: image.Input  # of the model that the pixels were prepared for
    phash: str


def name(data: bytes) -> str:
    """The file that an image came from, or else its hash."""
    return str(getattr(data, "file", None) or f"sha256 {image.sha256(data)}")


class Classifier:
    """Needs a running model; used by one thread."""

    def __init__(
        self, swapper: swap.Swapper, images: spool.Spool, tally: counts.Counts, on_error: Callable[[str], None]
    ) -> None:
        self.kept = 0
        self._swapper, self._spool, self._counts, self._on_error = swapper, images, tally, on_error
        self._latest: Seen | None = None
        self.taken_at = 0.0  # by the monotonic clock: when the latest image came
        self._random = random.Random()

    def take(self, data: bytes) -> None:
        """Classify one image and keep it if its turn comes; one that is bad is counted and left."""
        began = time.perf_counter()
        try:
            self._latest = self._see(data)
        except image.BadImage as error:
            self._counts.lose("bad-image")
            self._on_error(f"bad-image: {name(data)}: {error}")
            return
        self.taken_at = time.monotonic()
        seen_after = time.perf_counter() - began
        with self._swapper.switching:  # without the time of waiting for it
            counted = self._classify(self._latest, time.perf_counter() - seen_after)
        if counted and counted[1].keep:
            self._keep(self._latest, *counted)

    def _classify(
        self, seen: Seen, began: float
    ) -> tuple[tuple[messages.Prediction, ...], choose.Choice, messages.Desired] | None:
        """Predict, choose and count, all under one model and policy; None if there is no valid result."""
        desired = self._running().desired
        try:
            _, predictions, novel = self._predict(seen)
        except (image.BadImage, manifest.BadModel) as error:
            self._counts.fail(desired)
            self._on_error(f"bad-prediction: {name(seen.data)}: {error}")
            return None
        choice = choose.choose(predictions, desired.policy, self._random.random(), self._random.random())
        self._counts.add(desired, predictions[0], choice, time.perf_counter() - began, novel=novel)
        return predictions, choice, desired

    def _see(self, data: bytes) -> Seen:
        wanted = self._running().model.manifest.input
        picture = image.decode(data, wanted.resize)
        return Seen(data, image.prepare(picture, wanted), wanted, image.dhash(picture))

    def _running(self) -> swap.Installed:
        assert self._swapper.running is not None, "the agent waits for the first model"
        return self._swapper.running

    def _predict(self, seen: Seen) -> tuple[swap.Installed, tuple[messages.Prediction, ...], bool]:
        """Classify with the running model; the last value is whether the image is novel to it. After a switch to one with another input, prepare the image again."""
        running = self._running()
        fits = seen.input == running.model.manifest.input
        pixels = seen.pixels if fits else running.model.prepare(seen.data)
        shares, novelty = running.model.assess(pixels[np.newaxis])
        novel = running.model.is_novel(None if novelty is None else float(novelty[0]))
        return running, running.model.rank(shares[0]), novel

    def _keep(
        self,
        seen: Seen,
        predictions: tuple[messages.Prediction, ...],
        choice: choose.Choice,
        desired: messages.Desired,
    ) -> None:
        capture = messages.Capture(
            id=ids.new_id(),
            captured_at=datetime.now(UTC),
            model=desired.model,
            predictions=predictions[:RANKS],
            reason=choice.reason,
            audit=choice.audit,
            audit_probability=desired.policy.audit_rate,
            probability=choice.probability,
            policy=desired.policy.version,
            sha256=image.sha256(seen.data),
            size=len(seen.data),
            content_type=image.content_type(seen.data),
            phash=seen.phash,
        )
        try:
            self.kept += self._spool.put(capture, seen.data)
        except (OSError, sqlite3.Error) as error:
            self._counts.lose("disk")
            self._on_error(f"spool: {type(error).__name__}: {error}")

    def answer(self, request: ondemand.Request, device: str) -> messages.Answer:
        """Classify the latest image once more, with the model of now; BadModel when that fails."""
        if self._swapper.running is None:
            return ondemand.nothing(request, device, None, "no model yet")
        if self._latest is None:
            return ondemand.nothing(request, device, self._swapper.running.desired.model, "no image yet")
        running, predictions, novel = self._predict(self._latest)
        policy = running.desired.policy
        return ondemand.answer(request, device, running.model.manifest, predictions[0], policy, novel=novel)

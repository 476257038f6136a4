"""From cached activations to a tuned and calibrated model, as it is shipped.

Some images are held out of a first run: they end it early and give temperature, thresholds and the limit of novelty. A second
run of the same length then learns from all images (`refit`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from trainer import calibration, features, folds, gaussian, head, views
from trainer.backends import base
from trainer.gaussian import Floats, Integers
from trainer.tuning import graphs, loop, mixing, settings, shipping, tail
from trainer.tuning.graphs import Tensors

_FOLDS = 6  # one of them is held out
_FIELD = 60  # field images from which they alone are held out: they are what the model is for
_FEWEST = 6  # held-out images from which anything is estimated
_ROWS = 20_000  # views of all images that the first head learns from, at most: 150 MB of features


@dataclass(frozen=True, slots=True)
class Data:
    """Training images; `groups` are numbers that near copies share."""

    images: loop.Images
    field: Sequence[bool]  # of each image: taken by a device
    groups: Integers

    def of(self, rows: Integers) -> "Data":
        own = self.images
        images = loop.Images(own.read, [own.views[row] for row in rows], own.labels[rows])
        return Data(images, [self.field[row] for row in rows], self.groups[rows])


@dataclass(frozen=True, slots=True)
class Fitted:
    """A tuned tail as devices rebuild it, the classifier on it, and a head on the backbone as it is."""

    shipment: shipping.Shipment
    tuned: loop.Tuned
    first: head.Head  # of a mix; it gives novelty
    scores: mixing.Scores


@dataclass(frozen=True, slots=True)
class Fitting:
    """One training. `folder` is for checkpoints: a run that was killed goes on from there."""

    backbone: bytes
    start: Tensors  # of the tail, from the backbone or the champion
    labels: int
    options: settings.Options
    folder: Path
    progress: base.Progress

    def run(self, data: Data) -> Fitted:
        tail.limit(self.options.threads)
        learned, asked = held_out(data)
        if len(asked) < _FEWEST:
            return self._fit(data, None, self.options)
        held = data.of(asked).images
        found = self._fit(data.of(learned), held, self.options)
        found = replace(found, scores=self._scores(found, held))
        if not self.options.refit:
            return found
        again = self.options.model_copy(update={"epochs": found.tuned.epochs})
        return replace(self._fit(data, None, again, found.first.strength), scores=found.scores)

    def _fit(
        self, data: Data, held: loop.Images | None, options: settings.Options, strength: float | None = None
    ) -> Fitted:
        """Tune; with `held` images until they gain nothing. `strength` of the head is chosen if it is not given."""
        begun = self._head(data, self.start, strength)
        scale = np.float32(1 / begun.temperature)
        step = "tuning" if held else "tuning on all images"
        tuned = loop.tune(
            self.start,
            (begun.weights * scale, begun.bias * scale),
            data.images,
            held,
            options,
            self.folder / ("held-out.pt" if held else "all.pt"),
            lambda done, total: self.progress(step, done, total),
        )
        shipment = shipping.ship(self.backbone, tuned.tensors, average=self.options.mix)
        tuned = replace(tuned, tensors=shipment.tensors)
        first = self._mixed(data, begun) if self.options.mix else self._alone(data, begun, tuned)
        return Fitted(shipment, tuned, first, mixing.Scores.unknown(self.labels, first.novelty))

    def _mixed(self, data: Data, begun: head.Head) -> head.Head:
        """Return a head on the backbone as it is: the one to begin with, unless that is on the champion's tail."""
        original = graphs.tail(self.backbone)
        if all(np.array_equal(original[name], value) for name, value in self.start.items()):
            return begun
        return self._head(data, original, begun.strength)

    def _alone(self, data: Data, begun: head.Head, tuned: loop.Tuned) -> head.Head:
        """Return the head with the novelty of the tuned tail; its limit is not known yet."""
        plain = self._plain(data.images, tuned.tensors)
        return replace(begun, gaussian=gaussian.fit(plain, data.images.labels, self.labels), novelty=None)

    def _head(self, data: Data, tensors: Tensors, strength: float | None) -> head.Head:
        """Fit a head on the features of the views, as the backend `head` does."""
        most = max(1, _ROWS // len(data.images.views))
        kept = [_some(each, most, number) for number, each in enumerate(data.images.views)]
        shown = [view for each in kept for view in each]
        counts = [len(each) for each in kept]
        examples = head.Examples(
            self._features(data.images, shown, tensors),
            np.repeat(data.images.labels, counts),
            np.repeat(data.groups, counts),
            np.array([view.view == views.PLAIN for view in shown], np.bool_),
        )
        options = head.Options(known_rejected=self.options.known_rejected)
        if strength:
            options = options.model_copy(update={"strengths": (strength,)})
        return head.train(examples, self.labels, options, lambda done, total: self.progress("head", done, total))

    def probabilities(self, found: Fitted, images: loop.Images) -> Floats:
        """Return what PyTorch gives for images as they are [images, labels]."""
        second = self._second(found, images) / np.float32(found.scores.second)
        if not self.options.mix:
            return calibration.softmax(second)
        return mixing.mean(self._first(found, images) / np.float32(found.scores.first), second)

    def _scores(self, found: Fitted, held: loop.Images) -> mixing.Scores:
        """Estimate with images that were not learned; novelty too, unless the first head has its own."""
        second = self._second(found, held)
        if self.options.mix:
            return mixing.estimate(self._first(found, held), second, held.labels, found.first.novelty)
        scores = found.first.gaussian.novelty(self._plain(held, found.tuned.tensors))
        limit = float(np.quantile(scores, 1 - self.options.known_rejected))
        return mixing.estimate(None, second, held.labels, limit)

    def _first(self, found: Fitted, images: loop.Images) -> Floats:
        """Logits of the head on the backbone as it is, its temperature inside."""
        plain = self._plain(images, graphs.tail(self.backbone))
        logits: Floats = (plain @ found.first.weights.T + found.first.bias) / np.float32(found.first.temperature)
        return logits

    def _second(self, found: Fitted, images: loop.Images) -> Floats:
        """Logits on the tuned tail, without temperature."""
        logits: Floats = self._plain(images, found.tuned.tensors) @ found.tuned.weights.T + found.tuned.bias
        return logits

    def _plain(self, images: loop.Images, tensors: Tensors) -> Floats:
        return self._features(images, [each[0] for each in images.views], tensors)

    def _features(self, images: loop.Images, shown: Sequence[features.View], tensors: Tensors) -> Floats:
        return np.concatenate(list(self._computed(images, shown, tensors)))

    def _computed(self, images: loop.Images, shown: Sequence[features.View], tensors: Tensors) -> Iterator[Floats]:
        size, device = self.options.batch, tail.device()
        batches = (images.read(shown[at : at + size]) for at in range(0, len(shown), size))
        for number, found in enumerate(tail.compute(batches, tail.fixed(tensors, device), device), 1):
            self.progress("features", min(number * size, len(shown)), len(shown))
            yield found


def _some(shown: Sequence[features.View], most: int, number: int) -> Sequence[features.View]:
    """Return the plain view and others, of each image other ones."""
    plain, *others = shown
    start = number % max(1, len(others))
    return [plain, *others[start:], *others[:start]][:most]


def held_out(data: Data) -> tuple[Integers, Integers]:
    """Return (learned, asked) row numbers: a fold of the field images, or of all where the field has few."""
    rows = np.flatnonzero(data.field) if sum(data.field) >= _FIELD else np.arange(len(data.field))
    found = next(folds.split(data.images.labels[rows], data.groups[rows], _FOLDS), None)
    asked = rows[found[1]] if found else rows[:0]
    # A near copy of a held-out image is not learned either, whatever its label.
    shared = np.isin(data.groups, data.groups[asked])
    return np.flatnonzero(~shared), asked

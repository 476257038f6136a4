"""A model package, loaded: a folder with `model.json` and the files that it lists.

The first graph takes `image`, as `input` in model.json states. The last graph gives `probabilities` (float32 [N, labels];
the temperature is inside) and, optionally, `novelty` (float32 [N]; larger is more novel). With two graphs the first gives
`features` (float32 [N, features]) and the second takes them, so models can share a large first graph. A graph may also be
rebuilt from a file that models share and a delta. The trainer
evaluates with this class: the files that are evaluated are the files that run.
"""

import hashlib
import threading
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from strop_edge import deadline, delta, image
from strop_edge.manifest import BadModel, Manifest, Rebuilt
from strop_wire import messages

Floats = NDArray[np.float32]

TOLERANCE = 0.02
"""Largest accepted difference of a sample's probability: decoders and processors differ in the last bits."""


class Model:
    """A verified package, ready to predict; safe to use from several threads."""

    def __init__(self, folder: Path, threads: int = 1) -> None:
        """Load and verify; BadModel when a file is missing or altered, or the parts do not fit together.

        `threads` is what onnxruntime may use for one call; with 1 it works in the caller's thread.
        """
        try:
            self.manifest = Manifest.loads((folder / messages.MANIFEST).read_bytes())
            graphs = read(folder, self.manifest)
        except FileNotFoundError as error:  # other errors of the disk are no fault of the model
            raise BadModel(f"unreadable: {error}") from error
        first, last = self.manifest.graphs[0], self.manifest.graphs[-1]
        self._first = _shared_session(self.manifest.sha256(first), graphs[first], threads)
        self._last = _session(graphs[last], threads) if self.split else self._first
        self._gives_novelty = "novelty" in {output.name for output in self._last.get_outputs()}
        if self.manifest.novelty is not None and not self._gives_novelty:
            raise BadModel(f"model.json has a threshold of novelty, and {last} does not give it")
        side = self.manifest.input.size
        self.assess(np.zeros((1, side, side, 3), np.uint8))

    @property
    def version(self) -> str:
        return self.manifest.version

    @property
    def labels(self) -> tuple[str, ...]:
        return self.manifest.labels

    @property
    def split(self) -> bool:
        """Whether a first graph gives features to a second one."""
        return len(self.manifest.graphs) > 1

    def prepare(self, data: bytes) -> image.Pixels:
        """Decode and prepare an image file for this model [size, size, 3]; BadImage with the reason."""
        return image.load(data, self.manifest.input)

    def features(self, images: image.Pixels) -> Floats:
        """Images [N, size, size, 3] -> features [N, features]; only of a model with two graphs."""
        return _run(self._first, ["features"], {"image": self.manifest.input.tensor(images)})[0]

    def assess(self, images: image.Pixels) -> tuple[Floats, Floats | None]:
        """Images [N, size, size, 3] -> probabilities [N, labels], and novelty [N] from a model that gives it."""
        if self.split:
            return self.assess_features(self.features(images))
        return self._outputs({"image": self.manifest.input.tensor(images)}, len(images))

    def assess_features(self, features: Floats) -> tuple[Floats, Floats | None]:
        """Features [N, features] -> probabilities and novelty, in one call; BadModel when they are out of range."""
        return self._outputs({"features": features}, len(features))

    def _outputs(self, inputs: dict[str, NDArray[Any]], count: int) -> tuple[Floats, Floats | None]:
        names = ["probabilities", "novelty"] if self._gives_novelty else ["probabilities"]
        shares, *rest = _run(self._last, names, inputs)
        novelty = rest[0] if rest else None
        if novelty is not None and not (novelty.shape == (count,) and np.isfinite(novelty).all()):
            raise BadModel(f"novelty is not a number for each of {count} images")
        return self._checked(shares, count), novelty

    def _checked(self, found: Floats, count: int) -> Floats:
        if found.shape != (count, len(self.labels)):
            last = self.manifest.graphs[-1]
            raise BadModel(f"{last} gives {found.shape} for {count} images and {len(self.labels)} labels")
        if not (np.isfinite(found).all() and found.min(initial=0) > -1e-4 and found.max(initial=1) < 1 + 1e-4):
            raise BadModel("probabilities are not numbers from 0 to 1")
        return np.clip(found, 0, 1)

    def predict(self, images: image.Pixels) -> Floats:
        """Images [N, size, size, 3] -> probabilities [N, labels]."""
        return self.assess(images)[0]

    def rank(self, probabilities: Floats) -> tuple[messages.Prediction, ...]:
        """Name one row of probabilities, best first; equal ones stay in the order of the labels."""
        order = np.argsort(-probabilities, kind="stable")
        return tuple(messages.Prediction(self.labels[i], round(float(probabilities[i]), 6)) for i in order)

    def is_novel(self, novelty: float | None) -> bool:
        """Return whether an image shows nothing that the model was trained on; False from a model without novelty."""
        return novelty is not None and self.manifest.novelty is not None and novelty > self.manifest.novelty

    def answers(self, probabilities: Floats, novelty: float | None) -> tuple[messages.Prediction, ...]:
        """Return what a hosted model answers for one row: labels from their assumed threshold, best first; none when novel."""
        if self.is_novel(novelty):
            return ()
        thresholds = self.manifest.assumed_thresholds
        return tuple(each for each in self.rank(probabilities) if each.confidence >= thresholds.get(each.label, 0))

    def self_test(self) -> None:
        """Predict the samples of the package; BadModel when this machine gives other probabilities than the trainer."""
        for number, sample in enumerate(self.manifest.samples):
            try:
                found = self.predict(self.prepare(sample.jpeg)[None])[0]
            except image.BadImage as error:
                raise BadModel(f"self-test: sample {number} {error}") from error
            if len(sample.probabilities) != len(found):
                raise BadModel(f"self-test: sample {number} has {len(sample.probabilities)} probabilities")
            worst = float(np.abs(found - np.asarray(sample.probabilities)).max())
            if not worst <= TOLERANCE:
                raise BadModel(f"self-test: sample {number} is off by {worst:.3f}, allowed is {TOLERANCE}")


def read(folder: Path, described: Manifest) -> dict[str, bytes]:
    """Read the files of a package, verified, and rebuild its other graphs; BadModel, FileNotFoundError."""
    files = {name: _verified(name, (folder / name).read_bytes(), file) for name, file in described.files.items()}
    rebuilt = {name: _rebuilt(name, each, files) for name, each in described.rebuilt.items()}
    return {name: (files | rebuilt)[name] for name in described.graphs}


def _rebuilt(name: str, each: Rebuilt, files: dict[str, bytes]) -> bytes:
    try:
        data = delta.rebuild(files[each.base], files[each.delta], each.result.size)
    except delta.BadDelta as error:
        raise BadModel(f"{name}: {error}") from error
    return _verified(name, data, each.result)


def _verified(name: str, data: bytes, file: messages.ModelFile) -> bytes:
    if (found := hashlib.sha256(data).hexdigest()) != file.sha256:
        raise BadModel(f"{name}: sha256 is {found[:12]}…, expected {file.sha256[:12]}…")
    return data


def _run(session: onnxruntime.InferenceSession, outputs: list[str], inputs: dict[str, NDArray[Any]]) -> list[Floats]:
    try:
        return deadline.run(session, outputs, inputs, len(next(iter(inputs.values()))))
    except Exception as error:  # onnxruntime's errors share no base of their own
        raise BadModel(f"onnxruntime: {error}") from error


def _session(data: bytes, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors; the rest is noise on a device
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # as in _run
        raise BadModel(f"onnxruntime: {error}") from error


_sessions: weakref.WeakValueDictionary[tuple[str, int], onnxruntime.InferenceSession] = weakref.WeakValueDictionary()
_sessions_lock = threading.Lock()


def _shared_session(sha256: str, data: bytes, threads: int) -> onnxruntime.InferenceSession:
    """Return the process's one session of a first graph: most of the memory, shared by all models and agents."""
    with _sessions_lock:
        session = _sessions.get((sha256, threads))
        if session is None:
            session = _sessions[sha256, threads] = _session(data, threads)
        return session

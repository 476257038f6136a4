"""The model package: a folder with `model.json`, `backbone.onnx` and `head.onnx`, and the model that it makes.

`backbone.onnx` takes `image` (uint8 [N, 224, 224, 3], RGB; scaling of values is inside) and gives `features` (float32
[N, features], of length 1). `head.onnx` takes `features` and gives `probabilities` (float32 [N, labels]; the temperature
is inside) and, unless it is an older one, `novelty` (float32 [N]; larger is stranger). The trainer evaluates with this
class, so what is judged is byte for byte what runs on a device or as a hosted model.
"""

import base64
import hashlib
import json
import threading
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from strop_edge import image
from strop_wire import fields, messages

Floats = NDArray[np.float32]

TOLERANCE = 0.02
"""How far a probability of a shipped sample may be off: decoders and processors differ in the last bits."""
INPUT = {"size": image.SIZE, "resize": image.RESIZE}


class BadModel(ValueError):
    """This package must not run."""


@dataclass(frozen=True, slots=True)
class Sample:
    """An image that travels with the model, and what the model said to it where it was trained."""

    jpeg: bytes
    probabilities: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What `model.json` says; keys that this version does not know are ignored."""

    version: str
    labels: tuple[str, ...]  # in the order of the probabilities
    thresholds: dict[str, float]  # by label: below it the answer to a request is "none"; 0 where missing
    assumed_thresholds: dict[str, float]  # by label: from it on a hosted model answers the label; 0 where missing
    novelty: float | None  # above it an image shows nothing known; None where the model cannot tell
    files: dict[str, messages.ModelFile]  # backbone.onnx and head.onnx
    samples: tuple[Sample, ...]

    @classmethod
    def loads(cls, data: bytes) -> Self:
        """Read and check; BadModel says what is wrong."""
        try:
            return cls._read(json.loads(data))
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise BadModel(f"model.json: {type(error).__name__}: {error}") from error

    @classmethod
    def _read(cls, data: dict[str, Any]) -> Self:
        if data["input"] != INPUT:
            raise BadModel(f"input {data['input']} is not {INPUT}, all that this agent prepares")
        labels = tuple(fields.label(item) for item in data["labels"])
        if not labels or len(set(labels)) != len(labels):
            raise BadModel("labels are missing or repeat, by the spelling that the wire gives them")
        return cls(
            version=fields.text(data, "version", 64),
            labels=labels,
            thresholds=_shares(data["thresholds"]),
            assumed_thresholds=_shares(data.get("assumed_thresholds", {})),
            novelty=fields.number(data["novelty"], "threshold", -1e9, 1e9) if data.get("novelty") else None,
            files={name: _file(data["files"][name]) for name in ("backbone.onnx", "head.onnx")},
            samples=tuple(
                Sample(base64.b64decode(item["jpeg"]), tuple(float(p) for p in item["probabilities"]))
                for item in data["samples"]
            ),
        )


def _shares(data: dict[str, Any]) -> dict[str, float]:
    return {fields.label(name): fields.share(data, name) for name in data}


def _file(data: dict[str, Any]) -> messages.ModelFile:
    return messages.ModelFile(fields.sha256(data, "sha256"), fields.whole(data, "size", 1, 2**40))


class Model:
    """A verified package, ready to predict; safe to use from several threads."""

    def __init__(self, folder: Path, threads: int = 1) -> None:
        """Load and verify; BadModel when a file is missing or altered, or the parts do not fit together.

        `threads` is what onnxruntime may use for one call; with 1 it works in the caller's thread.
        """
        try:
            self.manifest = Manifest.loads((folder / "model.json").read_bytes())
            files = {name: _verified(folder / name, file) for name, file in self.manifest.files.items()}
        except FileNotFoundError as error:  # any other trouble with the disk says nothing about the model
            raise BadModel(f"unreadable: {error}") from error
        self._backbone = _shared_session(self.manifest.files["backbone.onnx"].sha256, files["backbone.onnx"], threads)
        self._head = _session(files["head.onnx"], threads)
        self._tells_novelty = "novelty" in {output.name for output in self._head.get_outputs()}
        if self.manifest.novelty is not None and not self._tells_novelty:
            raise BadModel("model.json has a threshold of novelty, and head.onnx does not give it")
        self.assess(np.zeros((1, image.SIZE, image.SIZE, 3), np.uint8))

    @property
    def version(self) -> str:
        return self.manifest.version

    @property
    def labels(self) -> tuple[str, ...]:
        return self.manifest.labels

    def prepare(self, data: bytes) -> image.Pixels:
        """Bytes of an image file -> what this model takes [224, 224, 3]; BadImage when that cannot be."""
        return image.load(data)

    def features(self, images: image.Pixels) -> Floats:
        """Images [N, 224, 224, 3] -> features [N, features]."""
        return _run(self._backbone, ["features"], {"image": images})[0]

    def probabilities(self, features: Floats) -> Floats:
        """Features [N, features] -> probabilities [N, labels]; BadModel when they are not numbers from 0 to 1."""
        return self.assess_features(features)[0]

    def assess(self, images: image.Pixels) -> tuple[Floats, Floats | None]:
        """Images [N, 224, 224, 3] -> probabilities [N, labels], and novelty [N] from a head that gives it."""
        return self.assess_features(self.features(images))

    def assess_features(self, features: Floats) -> tuple[Floats, Floats | None]:
        """Features [N, features] -> probabilities and novelty, from one call; BadModel when they cannot be such."""
        outputs = ["probabilities", "novelty"] if self._tells_novelty else ["probabilities"]
        shares, *rest = _run(self._head, outputs, {"features": features})
        novelty = rest[0] if rest else None
        if novelty is not None and not (novelty.shape == (len(features),) and np.isfinite(novelty).all()):
            raise BadModel(f"novelty is not a number for each of {len(features)} images")
        return self._checked(shares, features), novelty

    def _checked(self, found: Floats, features: Floats) -> Floats:
        if found.shape != (len(features), len(self.labels)):
            raise BadModel(f"head.onnx gives {found.shape} for {len(features)} images and {len(self.labels)} labels")
        if not (np.isfinite(found).all() and found.min(initial=0) > -1e-4 and found.max(initial=1) < 1 + 1e-4):
            raise BadModel("probabilities are not numbers from 0 to 1")
        return np.clip(found, 0, 1)

    def predict(self, images: image.Pixels) -> Floats:
        """Images [N, 224, 224, 3] -> probabilities [N, labels]."""
        return self.probabilities(self.features(images))

    def rank(self, probabilities: Floats) -> tuple[messages.Prediction, ...]:
        """Name one row of probabilities, best first; equal ones stay in the order of the labels."""
        order = np.argsort(-probabilities, kind="stable")
        return tuple(messages.Prediction(self.labels[i], round(float(probabilities[i]), 6)) for i in order)

    def is_novel(self, novelty: float | None) -> bool:
        """Does the image show nothing that this model knows? Never by a model that cannot tell."""
        return novelty is not None and self.manifest.novelty is not None and novelty > self.manifest.novelty

    def answers(self, probabilities: Floats, novelty: float | None) -> tuple[messages.Prediction, ...]:
        """What a hosted model says to one row: labels from their assumed threshold on, best first; none when novel."""
        if self.is_novel(novelty):
            return ()
        thresholds = self.manifest.assumed_thresholds
        return tuple(each for each in self.rank(probabilities) if each.confidence >= thresholds.get(each.label, 0))

    def self_test(self) -> None:
        """Predict the shipped samples; BadModel when this machine sees them otherwise than the trainer did."""
        for number, sample in enumerate(self.manifest.samples):
            try:
                found = self.predict(image.load(sample.jpeg)[None])[0]
            except image.BadImage as error:
                raise BadModel(f"self-test: sample {number} {error}") from error
            if len(sample.probabilities) != len(found):
                raise BadModel(f"self-test: sample {number} has {len(sample.probabilities)} probabilities")
            worst = float(np.abs(found - np.asarray(sample.probabilities)).max())
            if not worst <= TOLERANCE:
                raise BadModel(f"self-test: sample {number} is off by {worst:.3f}, allowed is {TOLERANCE}")


def _verified(path: Path, file: messages.ModelFile) -> bytes:
    data = path.read_bytes()
    if (found := hashlib.sha256(data).hexdigest()) != file.sha256:
        raise BadModel(f"{path.name}: sha256 is {found[:12]}…, expected {file.sha256[:12]}…")
    return data


def _run(session: onnxruntime.InferenceSession, outputs: list[str], inputs: dict[str, NDArray[Any]]) -> list[Floats]:
    try:
        found: list[Floats] = session.run(outputs, inputs)
    except Exception as error:  # onnxruntime's errors share no base of their own
        raise BadModel(f"onnxruntime: {error}") from error
    return found


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
    """One session per backbone and process: it is most of the memory, and all models and agents share it."""
    with _sessions_lock:
        session = _sessions.get((sha256, threads))
        if session is None:
            session = _sessions[sha256, threads] = _session(data, threads)
        return session

"""The training loop: AdamW with warm-up and cosine, an average of the weights, early stopping, and a checkpoint after each epoch.

Everything random is drawn from the seed and the number of the epoch, so a run that goes on from a checkpoint ends with the
same weights as one that was never interrupted.
"""

import math
import pickle
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from strop_edge import disk
from trainer import calibration, features
from trainer.gaussian import Floats, Integers
from trainer.tuning import settings, tail
from trainer.tuning.graphs import Tensors


@dataclass(frozen=True, slots=True)
class Images:
    """Images with their views; an epoch takes one view of each. The first view is the plain one."""

    read: Callable[[Sequence[features.View]], Floats]  # activations [views, values]
    views: Sequence[Sequence[features.View]]
    labels: Integers  # [images]

    def plain(self, size: int) -> Iterator[Floats]:
        """Yield activations of all images as they are, `size` at a time."""
        for start in range(0, len(self.views), size):
            yield self.read([shown[0] for shown in self.views[start : start + size]])


@dataclass(frozen=True, slots=True)
class Tuned:
    tensors: Tensors  # of the tail
    weights: Floats  # [labels, features], of the classifier
    bias: Floats  # [labels]
    epochs: int  # after which they are taken


class _Network:
    """What is tuned, and its average."""

    def __init__(self, start: Tensors, weights: Floats, bias: Floats, options: settings.Options, device: str) -> None:
        self.tail = tail.Tunable(start, device)
        self.classifier = [torch.from_numpy(np.array(each)).to(device).requires_grad_() for each in (weights, bias)]
        self.average = [each.detach().clone() for each in self.parameters]
        decayed = list(self.tail.convolutions.values())
        others = [*self.tail.scales.values(), *self.tail.offsets.values()]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": decayed, "rate": options.lr, "weight_decay": options.weight_decay},
                {"params": others, "rate": options.lr, "weight_decay": 0.0},
                {"params": self.classifier, "rate": options.classifier_lr, "weight_decay": 0.0},
            ]
        )

    @property
    def parameters(self) -> list[Any]:
        return [*self.tail.parameters, *self.classifier]

    def step(self, loss: Any, share: float, keep: float) -> None:
        """Move by the gradient of the loss; `share` is the part of the learning rates that holds now."""
        for group in self.optimizer.param_groups:
            group["lr"] = group["rate"] * share
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        with torch.no_grad():
            for mean, now in zip(self.average, self.parameters, strict=True):
                mean.lerp_(now, 1 - keep)

    def averaged(self, epochs: int) -> Tuned:
        """Return the averaged weights; those that are being tuned stay as they are."""
        own = [each.detach().clone() for each in self.parameters]
        self._set(self.average)
        weights, bias = (each.detach().cpu().numpy().copy() for each in self.classifier)
        found = Tuned(self.tail.tensors(), weights, bias, epochs)
        self._set(own)
        return found

    def state(self) -> dict[str, Any]:
        own = [each.detach() for each in self.parameters]
        return {"own": own, "average": self.average, "optimizer": self.optimizer.state_dict()}

    def load(self, state: dict[str, Any]) -> None:
        self._set(state["own"])
        with torch.no_grad():
            for mean, value in zip(self.average, state["average"], strict=True):
                mean.copy_(value)
        self.optimizer.load_state_dict(state["optimizer"])

    def _set(self, values: Sequence[Any]) -> None:
        with torch.no_grad():
            for parameter, value in zip(self.parameters, values, strict=True):
                parameter.copy_(value)


@dataclass(slots=True)
class _Best:
    """The averaged weights with the lowest loss on held-out images so far."""

    tuned: Tuned | None = None
    loss: float = math.inf


def tune(
    start: Tensors,
    classifier: tuple[Floats, Floats],
    images: Images,
    held: Images | None,
    options: settings.Options,
    checkpoint: Path,
    progress: Callable[[int, int], None],
) -> Tuned:
    """Tune tail and classifier. If `held` images gain nothing for `patience` epochs, stop and take the epoch that was best on them.

    Otherwise the last epoch is taken: its learning rate has fallen to 0, and earlier ones were measured to be worse (0024).
    `progress` is called with (done, total) images of all epochs. The checkpoint stays; the caller removes it.
    """
    tail.limit(options.threads)
    torch.manual_seed(options.seed)
    device = tail.device()
    network = _Network(start, *classifier, options, device)
    epoch, best = _load(checkpoint, network)
    total = options.epochs * len(images.labels)
    balance = torch.from_numpy(_balance(images.labels, len(classifier[1]))).to(device)
    while epoch < options.epochs and not (best.tuned and epoch - best.tuned.epochs >= options.patience):
        for done in _epoch(network, images, balance, epoch, options, device):
            progress(epoch * len(images.labels) + done, total)
        epoch += 1
        found = network.averaged(epoch)
        loss = held_out_loss(found, held, options.batch, device) if held else -epoch
        if loss < best.loss:
            best = _Best(found, loss)
        _save(checkpoint, network, epoch, best)
    progress(total, total)
    assert best.tuned
    return network.averaged(epoch) if epoch == options.epochs else best.tuned


def _epoch(
    network: _Network, images: Images, balance: Any, epoch: int, options: settings.Options, device: str
) -> Iterator[int]:
    """Learn from one random view of each image; yields how many are done."""
    random = np.random.default_rng((options.seed, epoch))
    order = random.permutation(len(images.labels))
    batches = [order[start : start + options.batch] for start in range(0, len(order), options.batch)]
    step = epoch * len(batches)
    for rows in batches:
        shown = [images.views[row][int(random.integers(len(images.views[row])))] for row in rows]
        found = tail.features(tail.shaped(images.read(shown), device), network.tail.folded)
        logits = functional.linear(found, *network.classifier)
        truth = torch.from_numpy(images.labels[rows]).to(device)
        loss = functional.cross_entropy(logits, truth, balance, label_smoothing=options.smoothing)
        step += 1
        keep = min(options.average, step / (step + 10))
        network.step(loss, _share(step, options.epochs * len(batches), options.warmup), keep)
        yield min((step - epoch * len(batches)) * options.batch, len(order))


def _share(step: int, steps: int, warmup: int) -> float:
    """Of the learning rate: linear in the first steps, then a half cosine."""
    if step <= warmup:
        return step / (warmup + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def _balance(labels: Integers, count: int) -> Floats:
    """Weight of each label: all labels weigh the same, however many images each has."""
    images = np.bincount(labels, minlength=count)
    found: Floats = (len(labels) / np.maximum(images, 1) / count).astype(np.float32)
    return found


def held_out_loss(tuned: Tuned, held: Images, batch: int, device: str) -> float:
    """Return the loss on images that were not learned, once calibrated: label smoothing makes probabilities too small."""
    logits = compute(tuned, held, batch, device)
    temperature = np.float32(calibration.temperature(logits, held.labels))
    return float(calibration.loss(logits / temperature, held.labels))


def compute(tuned: Tuned, images: Images, batch: int, device: str = "cpu") -> Floats:
    """Return the logits [images, labels] of the plain views."""
    found = np.concatenate(list(tail.compute(images.plain(batch), tail.fixed(tuned.tensors, device), device)))
    logits: Floats = found @ tuned.weights.T + tuned.bias
    return logits


def _save(path: Path, network: _Network, epoch: int, best: _Best) -> None:
    assert best.tuned
    kept = {name: torch.from_numpy(value) for name, value in best.tuned.tensors.items()}
    classifier = [torch.from_numpy(each) for each in (best.tuned.weights, best.tuned.bias)]
    state = {"tensors": kept, "classifier": classifier, "epochs": best.tuned.epochs, "loss": best.loss}
    unfinished = path.with_suffix(".part")
    torch.save({"network": network.state(), "epoch": epoch, "best": state}, unfinished)
    disk.sync(unfinished)
    unfinished.replace(path)


def _load(path: Path, network: _Network) -> tuple[int, _Best]:
    """Go on from the checkpoint; from the beginning where there is none, or a damaged one."""
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, pickle.UnpicklingError):  # none, or damaged
        return 0, _Best()
    network.load(saved["network"])
    best = saved["best"]
    weights, bias = (each.numpy() for each in best["classifier"])
    tensors = {name: value.numpy() for name, value in best["tensors"].items()}
    return saved["epoch"], _Best(Tuned(tensors, weights, bias, best["epochs"]), best["loss"])

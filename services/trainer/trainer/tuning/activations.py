"""Activations of images at the cut, cached like features: the trunk is frozen, so they are computed once.

A view has 44 KB (float16). Reading goes through SQLite, so memory does not grow with the number of images.
"""

import hashlib
from pathlib import Path

import numpy as np

from trainer import features
from trainer.tuning import graphs

FILE = "activations.sqlite"
LIMIT = 8 * 10**9
"""Bytes of the file from which a run begins a new one; 10,000 images with 7 views have 3.1 GB."""


def opened(cache: Path, backbone: bytes) -> features.Cache:
    """Open the cache of this backbone's trunk in the folder `cache`."""
    trunk = graphs.trunk(backbone)
    return features.Cache(cache / FILE, trunk, hashlib.sha256(trunk).hexdigest(), np.float16)


def trim(cache: Path) -> None:
    """Remove the file if it is over the limit."""
    path = cache / FILE
    if path.exists() and path.stat().st_size > LIMIT:
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)

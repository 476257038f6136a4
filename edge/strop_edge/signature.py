"""Signed model packages: the file `model.sig` proves who made `model.json`, which in turn names the hash of every other file.

It is a DSSE envelope (github.com/secure-systems-lab/dsse, v1) around an in-toto statement (v1) whose subject is `model.json` by
its sha256, and whose predicate is the project and the version: a package of another project, or renamed, is refused. It has no
expiry, because devices may be offline for months.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from securesystemslib import dsse, exceptions
from securesystemslib.signer import Key

from strop_edge import disk, manifest
from strop_edge.config import BadConfig
from strop_wire import messages

TYPE = "application/vnd.in-toto+json"
_STATEMENT = "https://in-toto.io/Statement/v1"
_PREDICATE = "urn:strop:model-package:v1"
MAX_BYTES = 64 * 1024
"""Of model.sig."""


def statement(project: str, version: str, sha256: str) -> dict[str, Any]:
    """Return the statement to be signed: `sha256` is that of model.json."""
    return {
        "_type": _STATEMENT,
        "subject": [{"name": messages.MANIFEST, "digest": {"sha256": sha256}}],
        "predicateType": _PREDICATE,
        "predicate": {"project": project, "version": version},
    }


class Keys:
    """The public keys a device trusts for models of its project. One valid signature is enough, so that keys can overlap."""

    def __init__(self, keys: Mapping[str, Mapping[str, Any]], project: str) -> None:
        """`keys`: by key id, in the form of securesystemslib; Ed25519 only. ValueError if one is something else."""
        self._keys = [_key(name, dict(each)) for name, each in keys.items()]
        self._project = project
        if not self._keys:
            raise ValueError("there is no key in it")

    @classmethod
    def read(cls, path: Path, project: str) -> "Keys":
        """Read the file that `strop certs make` writes; BadConfig if it is unusable."""
        try:
            return cls(json.loads(path.read_bytes()), project)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadConfig(f"model keys {path}: {error}: copy model-keys.json of the installation again") from error

    def check(self, folder: Path, desired: messages.Desired) -> None:
        """Check that the package in `folder` is the one that `desired` names, signed for this project; BadModel if not."""
        wanted = desired.files[messages.MANIFEST].sha256
        if not disk.has(folder / messages.MANIFEST, wanted):
            raise manifest.BadModel("model.json is missing or altered")
        if self._signed(folder / messages.SIGNATURE) != statement(self._project, desired.model, wanted):
            raise manifest.BadModel("model.sig is the signature of another model")

    def _signed(self, path: Path) -> Any:
        """Return the statement in the envelope, once a signature of it is verified."""
        try:
            if path.stat().st_size > MAX_BYTES:
                raise manifest.BadModel(f"model.sig is over the limit of {MAX_BYTES} bytes")
            envelope = dsse.Envelope.from_dict(json.loads(path.read_bytes()))
            if envelope.payload_type != TYPE:
                raise manifest.BadModel(f"model.sig is of type {envelope.payload_type}, expected {TYPE}")
            envelope.verify(self._keys, 1)
            return json.loads(envelope.payload)
        except FileNotFoundError as error:
            raise manifest.BadModel("the model is not signed, and this device accepts signed models only") from error
        except exceptions.VerificationError as error:
            raise manifest.BadModel("model.sig has no signature of a key that this device trusts") from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise manifest.BadModel(f"model.sig is damaged: {type(error).__name__}: {error}") from error


def _key(name: str, data: dict[str, Any]) -> Key:
    if (data["keytype"], data["scheme"]) != ("ed25519", "ed25519"):
        raise ValueError(f"key {name} is not an Ed25519 key")
    return Key.from_dict(name, data)

"""The keys of an installation that sign its models: `model.key` for the trainer, `model-keys.json` for the devices."""

import json
from pathlib import Path

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from securesystemslib.signer import CryptoSigner, SSlibKey

from strop_contracts import errors
from strop_edge import disk

PRIVATE, PUBLIC = "model.key", "model-keys.json"
_END = "-----END PRIVATE KEY-----\n"


def make(folder: Path) -> None:
    """Make the first key where there is none; write the public keys anew from the private ones."""
    if not (folder / PRIVATE).exists():
        _write(folder, [_generate()])
    _write(folder, _read(folder))


def rotate(folder: Path) -> None:
    """Add a key: models are signed with the old and the new one from now on."""
    _write(folder, [*_read(folder), _generate()])


def retire(folder: Path) -> int:
    """Remove all keys but the newest; returns how many were removed. Refused if there is no newer one."""
    keys = _read(folder)
    if len(keys) < 2:
        raise errors.Refused("there is one key only: add a new one with --rotate first")
    _write(folder, keys[-1:])
    return len(keys) - 1


def _generate() -> str:
    return CryptoSigner.generate_ed25519().private_bytes.decode()


def _read(folder: Path) -> list[str]:
    path = folder / PRIVATE
    try:
        text = path.read_text()
    except FileNotFoundError as error:
        raise errors.NotFound(f"there is no {path}: run `strop certs make --dir {folder}` first") from error
    return [block + _END for block in text.split(_END) if block.strip()]


def _write(folder: Path, keys: list[str]) -> None:
    """Write both files. The public one follows from the private one, so a crash between them is repaired by the next `make`.

    The folder guards them: the trainer's container reads the private one as a user of its own.
    """
    try:
        public = [SSlibKey.from_crypto(load_pem_private_key(key.encode(), None).public_key()) for key in keys]
    except ValueError as error:
        raise errors.Refused(f"{folder / PRIVATE} is damaged ({error}): put it back from a copy") from error
    disk.write(folder / PRIVATE, "".join(keys).encode())
    disk.write(folder / PUBLIC, json.dumps({key.keyid: key.to_dict() for key in public}, indent=1).encode())

"""Signs model packages. The service does it, not the child that trains: a process that decodes images never has the key."""

import hashlib
import json
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from securesystemslib import dsse
from securesystemslib.signer import CryptoSigner

from strop_contracts import errors
from strop_edge import signature
from strop_wire import messages

_END = b"-----END PRIVATE KEY-----\n"


class Signer:
    """Signs with every key of the installation, so that devices with the old and with the new public key accept a model."""

    def __init__(self, path: Path) -> None:
        """Read the private keys: Ed25519, PKCS#8, PEM, one below the other; Refused if one is something else."""
        try:
            blocks = [block + _END for block in path.read_bytes().split(_END) if block.strip()]
            keys = [load_pem_private_key(block, None) for block in blocks]
        except (OSError, ValueError) as error:
            raise errors.Refused(f"model keys {path}: {error}") from error
        if not keys or not all(isinstance(key, Ed25519PrivateKey) for key in keys):
            raise errors.Refused(f"model keys {path}: expected Ed25519 private keys, as `strop certs make` writes them")
        self._signers = [CryptoSigner(key) for key in keys]

    def sign(self, project: str, version: str, package: Path) -> messages.ModelFile:
        """Write `model.sig` beside `model.json`; the same bytes for the same package and keys. Returns its hash and size."""
        sha256 = hashlib.sha256((package / messages.MANIFEST).read_bytes()).hexdigest()
        payload = json.dumps(signature.statement(project, version, sha256), sort_keys=True).encode()
        envelope = dsse.Envelope(payload, signature.TYPE, {})
        for signer in self._signers:
            envelope.sign(signer)
        data = json.dumps(envelope.to_dict(), sort_keys=True).encode()
        (package / messages.SIGNATURE).write_bytes(data)
        return messages.ModelFile(hashlib.sha256(data).hexdigest(), len(data))

"""The two certificate authorities of an installation, in files of a folder: issue certificates, list revoked ones."""

import ipaddress
import os
from collections.abc import Collection, Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from strop_contracts import errors
from strop_edge import disk

YEAR = timedelta(days=365)
LONG, SHORT = 10 * YEAR, 2 * YEAR  # replacing the certificate of a device in the field is hard; that of a server is not
DEVICES, SERVICES = "ca", "services-ca"
"""Files of the two authorities."""
REVOKED = "crl/crl.pem"
"""In a folder of its own, which the broker's container mounts: it then reads a new list without being created again."""
_ISSUED = "issued.txt"
"""A line `SERIAL COMMON-NAME` for each certificate, so that one can be revoked whose file was moved to its device."""
_CLOCK_OFF = timedelta(days=1)  # a device whose clock is behind must accept a new certificate


def revoke(folder: Path, serials: Collection[int]) -> int:
    """Add certificates of the devices' authority to the list; returns how many it has then."""
    listed = {each.serial_number: each for each in _revoked(folder)}
    for serial in set(serials) - listed.keys():
        listed[serial] = x509.RevokedCertificateBuilder(serial, datetime.now(UTC)).build()
    write_revoked(folder, listed.values())
    return len(listed)


def serials(folder: Path, common_name: str, file: str) -> set[int]:
    """Return those of all certificates that this name was ever given: the files may have been moved to the device."""
    issued = folder / _ISSUED
    lines = issued.read_text().splitlines() if issued.exists() else []
    found = {
        int(serial)
        for serial, _, issued_to in (line.partition(" ") for line in lines)
        if issued_to == common_name and serial.isdigit()
    }
    certificate = _issued(folder, file)
    return found | ({certificate.serial_number} if certificate else set())


def _revoked(folder: Path) -> x509.CertificateRevocationList:
    try:
        return x509.load_pem_x509_crl((folder / REVOKED).read_bytes())
    except ValueError as error:
        raise errors.Refused(
            f"{folder / REVOKED} is damaged: put it back from a copy, or remove it, run `strop certs make` and revoke "
            "every lost device again"
        ) from error


def write_revoked(folder: Path, revoked: Iterable[x509.RevokedCertificate]) -> None:
    """Sign the list. It is valid as long as the authority: with an expired list the broker refuses every client."""
    authority, signer = _authority(folder, DEVICES)
    now = datetime.now(UTC)
    builder = x509.CertificateRevocationListBuilder(authority.subject, now - _CLOCK_OFF, now + LONG)
    for each in revoked:
        builder = builder.add_revoked_certificate(each)
    signed = builder.sign(signer, hashes.SHA256())
    disk.write(folder / REVOKED, signed.public_bytes(serialization.Encoding.PEM))


def check_hosts(folder: Path, wanted: Iterable[str]) -> None:
    """Refused when the broker's certificate is older than a name that it should have."""
    broker = x509.load_pem_x509_certificate((folder / "broker.pem").read_bytes())
    names = broker.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    if missing := [each for each in wanted if _host(each) not in names]:
        raise errors.Refused(f"broker.pem does not name {', '.join(missing)}: remove {folder / 'broker.pem'} first")


def _authority(folder: Path, name: str) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    try:
        certificate = x509.load_pem_x509_certificate((folder / f"{name}.pem").read_bytes())
        key = serialization.load_pem_private_key((folder / f"{name}.key").read_bytes(), None)
    except (FileNotFoundError, ValueError) as error:
        remedy = "begin with a new folder and give every device a new certificate"
        if name == SERVICES:
            remedy = "remove both and run `strop certs make`, which gives the services new certificates"
        raise errors.Refused(
            f"the authority in {folder} is damaged ({name}.pem or {name}.key): put both back from a copy, or {remedy}"
        ) from error
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return certificate, key


def _issued(folder: Path, file: str) -> x509.Certificate | None:
    """The certificate in `file`.pem; None when it is missing, or it or its key is damaged: then it is made anew."""
    key = folder / f"{file}.key"
    try:
        certificate = x509.load_pem_x509_certificate((folder / f"{file}.pem").read_bytes())
        if key.exists():  # it may have been moved to its device
            serialization.load_pem_private_key(key.read_bytes(), None)
    except (FileNotFoundError, ValueError):
        return None
    return certificate


def _signed(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def create(folder: Path, file: str, common_name: str) -> None:
    key, name = ec.generate_private_key(ec.SECP256R1()), _name(common_name)
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)  # signs certificates and CRLs
    built = (
        _builder(name, name, key.public_key(), LONG)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    _write(folder / file, built.sign(key, hashes.SHA256()), key, mode=0o600)


def issue(
    folder: Path,
    file: str,
    common_name: str,
    valid: timedelta,
    by: str,
    hosts: list[str] | None = None,
    *,
    renew: bool = False,
) -> None:
    """Write `file`.pem and .key, signed `by` an authority: for a server when it has hosts, else for a client.

    What is there stays, unless `renew`, or it is damaged or of another authority.
    """
    authority, signer = _authority(folder, by)
    if not renew and (present := _issued(folder, file)) and _signed(present, authority):
        return
    key = ec.generate_private_key(ec.SECP256R1())
    role = ExtendedKeyUsageOID.SERVER_AUTH if hosts else ExtendedKeyUsageOID.CLIENT_AUTH
    built = (
        _builder(_name(common_name), authority.subject, key.public_key(), valid)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([role]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if hosts:
        built = built.add_extension(x509.SubjectAlternativeName([_host(each) for each in hosts]), critical=False)
    signed = built.sign(signer, hashes.SHA256())
    with (folder / _ISSUED).open("a") as issued:
        issued.write(f"{signed.serial_number} {common_name}\n")
        issued.flush()
        os.fsync(issued.fileno())
    (_overwrite if renew else _write)(folder / file, signed, key)


def server_names(folder: Path) -> list[str]:
    """Return the names and addresses in the certificate of the broker."""
    broker = x509.load_pem_x509_certificate((folder / "broker.pem").read_bytes())
    names = broker.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [str(each.value) for each in names]


def expiries(folder: Path) -> dict[str, datetime]:
    """Return when each certificate below a folder expires, by its path; those that cannot be read are left out."""
    found = {}
    for path in sorted(folder.rglob("*.pem")):
        with suppress(ValueError):  # not a certificate
            found[str(path.relative_to(folder))] = x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
    return found


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, valid: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return x509.CertificateBuilder(issuer, subject, key, x509.random_serial_number(), now - _CLOCK_OFF, now + valid)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _write(path: Path, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey, *, mode: int = 0o666) -> None:
    """The key first: a certificate is there only together with its key.

    A container that is given one of these files runs as another user, so the files can be read by all who reach them:
    the folder, which only its owner may enter, guards them.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    disk.write(path.with_name(f"{path.name}.key"), _pem(key), mode)
    disk.write(path.with_name(f"{path.name}.pem"), certificate.public_bytes(serialization.Encoding.PEM))


def _overwrite(path: Path, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    """Replace the content, not the file: a container that was given it alone would keep the old one.

    A crash in between leaves a pair that does not match, or a damaged file: the next `renew` repairs it.
    """
    path.with_name(f"{path.name}.key").write_bytes(_pem(key))
    path.with_name(f"{path.name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    disk.sync(path.parent)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(*form)

"""`strop certs`: two authorities of one's own, and the certificates of broker, services and devices.

A client certificate's common name is its user name at the broker: `strop-ingest` for a service, `PROJECT/DEVICE` for a
device. Services have an authority of their own, so that a device's certificate is never accepted in a service's place. The
broker's certificate is of the devices' authority, which devices trust for it.
"""

import ipaddress
import os
from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from strop_contracts import errors
from strop_edge import disk
from strop_wire import topics

cli = typer.Typer(no_args_is_help=True, help="Certificates for the MQTT broker, the services and the devices.")

SERVICES = ("strop-ingest", "strop-deployer", "strop-health")
"""Who speaks MQTT besides the devices; the last is the broker's own health check."""

_YEAR = timedelta(days=365)
_LONG, _SHORT = 10 * _YEAR, 2 * _YEAR  # a device in the field is hard to reach; a server is not
_DEVICES, _SERVICES = "ca", "services-ca"
"""Files of the two authorities."""
_REVOKED = "crl/crl.pem"
"""In a folder of its own, which the broker's container mounts: it then reads a new list without being created again."""
_ISSUED = "issued.txt"
"""A line `SERIAL COMMON-NAME` for each certificate, so that one can be revoked whose file is not here any more."""
_CLOCK_OFF = timedelta(days=1)  # a device whose clock is behind must still believe a new certificate

Folder = Annotated[Path, typer.Option("--dir", help="Folder of the certificates; made for its owner only.")]


@cli.command()
def make(
    folder: Folder,
    host: Annotated[list[str] | None, typer.Option(help="A further name or address of the broker.")] = None,
) -> None:
    """Make the authorities and the certificates of broker and services. What is there already stays."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / _REVOKED).parent.mkdir(exist_ok=True)
    if not (folder / "ca.pem").exists():
        _make_authority(folder, _DEVICES, "Strop certificate authority")
    if (former := folder / "crl.pem").exists():
        former.replace(folder / _REVOKED)  # of a release that had it here
    if not (folder / _REVOKED).exists():
        _write_revoked(folder, [])
    if not (folder / "services-ca.pem").exists():
        # A release before this authority had the services' certificates signed by the devices': they end here.
        _revoke(folder, set().union(*(_serials(folder, service, service) for service in SERVICES)))
        _make_authority(folder, _SERVICES, "Strop certificate authority of services")
    _issue(folder, "broker", "mosquitto", _SHORT, _DEVICES, ["mosquitto", "localhost", "127.0.0.1", *(host or [])])
    _check_hosts(folder, host or [])
    for service in SERVICES:
        _issue(folder, service, service, _SHORT, _SERVICES)
    print(f"certificates are in {folder}; keep ca.key and services-ca.key where only you can read them")


@cli.command()
def device(project: str, names: Annotated[list[str], typer.Argument(metavar="NAME...")], folder: Folder) -> None:
    """Make the certificates of devices, DIR/devices/PROJECT/NAME.pem and .key. What is there already stays."""
    for name in (project, *names):
        if not topics.valid_name(name):
            raise errors.Refused(f"{name!r} is not the name of a project or device")
    if not (folder / "ca.key").exists():
        raise errors.NotFound(f"{folder} has no authority: run `strop certs make --dir {folder}` first")
    for name in names:
        _issue(folder, f"devices/{project}/{name}", f"{project}/{name}", _LONG, _DEVICES)
        print(folder / "devices" / project / f"{name}.pem")


@cli.command()
def revoke(project: str, names: Annotated[list[str], typer.Argument(metavar="NAME...")], folder: Folder) -> None:
    """Write the certificates of lost devices into DIR/crl/crl.pem, and remove them: `device` makes new ones.

    The broker reads the list at its start and at SIGHUP. It does not end connections for it: `strop devices remove` does.
    """
    for needed in (_REVOKED, "ca.pem", "ca.key"):
        if not (folder / needed).exists():
            raise errors.NotFound(f"there is no {folder / needed}: run `strop certs make --dir {folder}` where it is")
    lost = {name: _serials(folder, f"{project}/{name}", f"devices/{project}/{name}") for name in names}
    if unknown := [f"{project}/{name}" for name, serials in lost.items() if not serials]:
        raise errors.NotFound(f"{folder} has issued no certificate for {', '.join(unknown)}")
    count = _revoke(folder, set().union(*lost.values()))
    for name in lost:
        for suffix in (".pem", ".key"):
            (folder / "devices" / project / f"{name}{suffix}").unlink(missing_ok=True)
    print(f"{folder / _REVOKED} lists {count}; the broker reads it at SIGHUP: docker compose kill -s HUP mosquitto")


def _revoke(folder: Path, serials: Collection[int]) -> int:
    """Add certificates of the devices' authority to the list; returns how many it has then."""
    listed = {each.serial_number: each for each in _revoked(folder)}
    for serial in set(serials) - listed.keys():
        listed[serial] = x509.RevokedCertificateBuilder(serial, datetime.now(UTC)).build()
    _write_revoked(folder, listed.values())
    return len(listed)


def _serials(folder: Path, common_name: str, file: str) -> set[int]:
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
        return x509.load_pem_x509_crl((folder / _REVOKED).read_bytes())
    except ValueError as error:
        raise errors.Refused(
            f"{folder / _REVOKED} is damaged: put it back from a copy, or remove it, run `strop certs make` and revoke "
            "every lost device again"
        ) from error


def _write_revoked(folder: Path, revoked: Iterable[x509.RevokedCertificate]) -> None:
    """Sign the list. It is valid for as long as the authority: the broker lets nobody in with one that has run out."""
    authority, signer = _authority(folder, _DEVICES)
    now = datetime.now(UTC)
    builder = x509.CertificateRevocationListBuilder(authority.subject, now - _CLOCK_OFF, now + _LONG)
    for each in revoked:
        builder = builder.add_revoked_certificate(each)
    signed = builder.sign(signer, hashes.SHA256())
    disk.write(folder / _REVOKED, signed.public_bytes(serialization.Encoding.PEM))


def _check_hosts(folder: Path, wanted: Iterable[str]) -> None:
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
        if name == _SERVICES:
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


def _make_authority(folder: Path, file: str, common_name: str) -> None:
    key, name = ec.generate_private_key(ec.SECP256R1()), _name(common_name)
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)  # signs certificates and CRLs
    built = (
        _builder(name, name, key.public_key(), _LONG)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    _write(folder / file, built.sign(key, hashes.SHA256()), key, mode=0o600)


def _issue(
    folder: Path, file: str, common_name: str, valid: timedelta, by: str, hosts: list[str] | None = None
) -> None:
    """Write `file`.pem and .key, signed `by` an authority: for a server when it has hosts, else for a client."""
    authority, signer = _authority(folder, by)
    if (present := _issued(folder, file)) and _signed(present, authority):
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
    _write(folder / file, signed, key)


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
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    disk.write(path.with_name(f"{path.name}.key"), key.private_bytes(*form), mode)
    disk.write(path.with_name(f"{path.name}.pem"), certificate.public_bytes(serialization.Encoding.PEM))

"""`strop certs`: an authority of one's own, and the certificates by which broker, services and devices know each other.

A client certificate's common name is its user name at the broker: `strop-ingest` for a service, `PROJECT/DEVICE` for a
device, which the broker's access list puts into the topics that it may use (deploy/mosquitto/acl).
"""

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from strop import errors
from strop_wire import topics

cli = typer.Typer(no_args_is_help=True, help="Certificates for the MQTT broker, the services and the devices.")

SERVICES = ("strop-ingest", "strop-deployer")
"""Who speaks MQTT besides the devices."""

_YEAR = timedelta(days=365)
_LONG, _SHORT = 10 * _YEAR, 2 * _YEAR  # a device in the field is hard to reach; a server is not
_CLOCK_OFF = timedelta(days=1)  # a device whose clock is behind must still believe a new certificate

Folder = Annotated[Path, typer.Option("--dir", help="Folder of the certificates; made for its owner only.")]


@cli.command()
def make(
    folder: Folder,
    host: Annotated[list[str] | None, typer.Option(help="A further name or address of the broker.")] = None,
) -> None:
    """Make the authority and the certificates of broker and services. What is there already stays."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (folder / "ca.pem").exists():
        _make_authority(folder)
    _issue(folder, "broker", "mosquitto", _SHORT, ["mosquitto", "localhost", "127.0.0.1", *(host or [])])
    for service in SERVICES:
        _issue(folder, service, service, _SHORT)
    print(f"certificates are in {folder}; keep ca.key where only you can read it")


@cli.command()
def device(project: str, names: Annotated[list[str], typer.Argument(metavar="NAME...")], folder: Folder) -> None:
    """Make the certificates of devices, DIR/devices/PROJECT/NAME.pem and .key. What is there already stays."""
    for name in (project, *names):
        if not topics.valid_name(name):
            raise errors.Refused(f"{name!r} is not the name of a project or device")
    if not (folder / "ca.key").exists():
        raise errors.NotFound(f"{folder} has no authority: run `strop certs make --dir {folder}` first")
    for name in names:
        _issue(folder, f"devices/{project}/{name}", f"{project}/{name}", _LONG)
        print(folder / "devices" / project / f"{name}.pem")


def _make_authority(folder: Path) -> None:
    key, name = ec.generate_private_key(ec.SECP256R1()), _name("Strop certificate authority")
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)  # signs certificates and CRLs
    built = (
        _builder(name, name, key.public_key(), _LONG)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    _write(folder / "ca", built.sign(key, hashes.SHA256()), key)
    (folder / "ca.key").chmod(0o600)


def _issue(folder: Path, file: str, common_name: str, valid: timedelta, hosts: list[str] | None = None) -> None:
    """Write `file`.pem and .key, signed by the authority: for a server when it has hosts, else for a client."""
    if (folder / f"{file}.pem").exists():
        return
    authority = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
    signer = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
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
    _write(folder / file, built.sign(signer, hashes.SHA256()), key)


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


def _write(path: Path, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    """The key first: a certificate is there only together with its key.

    A container that is given one of these files runs as another user, so the files can be read by all who reach them:
    the folder, which only its owner may enter, guards them.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path.with_name(f"{path.name}.key").write_bytes(key.private_bytes(*form))
    path.with_name(f"{path.name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

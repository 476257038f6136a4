"""The certificates: who trusts whom, and what each name says."""

import json
import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from typer.testing import CliRunner

from strop_cli import authorities, certs
from strop_contracts import errors


def run(*arguments: object) -> None:
    result = CliRunner().invoke(certs.cli, list(map(str, arguments)))
    if result.exception:
        raise result.exception


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "certs"
    run("make", "--dir", made, "--host", "broker.example", "--host", "192.0.2.7")
    run("device", "bottles", "line-1", "line-2", "--dir", made)
    return made


def load(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def shaken(folder: Path, client: str | None, server_name: str, authority: str = "ca") -> str:
    """Who the server sees after a handshake in which both sides must show a certificate; or the client's or server's error."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "broker.pem", folder / "broker.key")
    server.load_verify_locations(folder / f"{authority}.pem")
    server.verify_mode = ssl.CERT_REQUIRED
    device = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    if client:
        device.load_cert_chain(folder / f"{client}.pem", folder / f"{client}.key")
    near, far = socket.socketpair()
    errors_seen: list[ssl.SSLError] = []

    def connect() -> None:
        try:
            with near, device.wrap_socket(near, server_hostname=server_name) as link:
                link.recv(1)
        except ssl.SSLError as error:
            errors_seen.append(error)

    thread = threading.Thread(target=connect)
    thread.start()
    with far, server.wrap_socket(far, server_side=True) as link:
        shown = link.getpeercert()
    thread.join()
    assert shown is not None
    assert not errors_seen, errors_seen
    return str(dict(pair[0] for pair in shown["subject"])["commonName"])  # type: ignore[misc]


@pytest.mark.parametrize("server", ["mosquitto", "localhost", "broker.example"])
def test_the_broker_identifies_a_device_by_project_and_name(folder: Path, server: str) -> None:
    assert shaken(folder, "devices/bottles/line-1", server) == "bottles/line-1"


def test_the_broker_identifies_each_service(folder: Path) -> None:
    names = [shaken(folder, service, "mosquitto", "services-ca") for service in certs.SERVICES]
    assert names == list(certs.SERVICES)


@pytest.mark.parametrize(("client", "authority"), [("devices/bottles/line-1", "services-ca"), ("strop-ingest", "ca")])
def test_neither_authority_vouches_for_the_others_clients(folder: Path, client: str, authority: str) -> None:
    with pytest.raises(ssl.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        shaken(folder, client, "mosquitto", authority)


def test_service_certificates_of_the_devices_authority_are_replaced_and_revoked(folder: Path) -> None:
    """Of a release that had one authority, and the list of the revoked beside it."""
    run("revoke", "bottles", "line-2", "--dir", folder)
    before = revoked(folder)
    (folder / "crl/crl.pem").rename(folder / "crl.pem")
    for kind in ("pem", "key"):
        (folder / f"services-ca.{kind}").unlink()
        (folder / f"strop-ingest.{kind}").unlink()
    authorities.issue(folder, "strop-ingest", "strop-ingest", timedelta(days=1), "ca")
    old = load(folder / "strop-ingest.pem").serial_number

    run("make", "--dir", folder)

    assert shaken(folder, "strop-ingest", "mosquitto", "services-ca") == "strop-ingest"
    assert {old, *before} <= revoked(folder)
    assert not (folder / "crl.pem").exists()


def test_a_client_without_a_certificate_is_refused(folder: Path) -> None:
    with pytest.raises(ssl.SSLError, match="peer did not return a certificate"):
        shaken(folder, None, "mosquitto")


def test_a_broker_of_another_name_is_not_trusted(folder: Path) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError)):
        shaken(folder, "devices/bottles/line-1", "elsewhere.example")


def test_a_devices_certificate_cannot_pose_as_the_broker(folder: Path) -> None:
    for kind in ("pem", "key"):
        (folder / f"devices/bottles/line-1.{kind}").rename(folder / f"broker.{kind}")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        shaken(folder, "devices/bottles/line-2", "bottles/line-1")


def test_an_address_of_the_broker_is_one_of_its_names(folder: Path) -> None:
    found = load(folder / "broker.pem").extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "192.0.2.7" in map(str, found.get_values_for_type(x509.IPAddress))


def test_what_is_there_stays(folder: Path) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*.*")}
    run("make", "--dir", folder)
    run("device", "bottles", "line-1", "--dir", folder)
    assert {path: path.read_bytes() for path in folder.rglob("*.*")} == before


def test_only_the_owner_reaches_the_keys(folder: Path) -> None:
    assert folder.stat().st_mode & 0o077 == 0
    assert (folder / "ca.key").stat().st_mode & 0o077 == 0


def revoked(folder: Path) -> set[int]:
    """The serial numbers of a list that our authority has signed and that is valid today."""
    found = x509.load_pem_x509_crl((folder / "crl/crl.pem").read_bytes())
    authority = load(folder / "ca.pem")
    key = authority.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert found.is_signature_valid(key)
    assert found.issuer == authority.subject
    assert found.next_update_utc is not None
    assert found.next_update_utc > datetime.now(UTC) + timedelta(days=3000)
    return {each.serial_number for each in found}


def test_nothing_is_revoked_at_first(folder: Path) -> None:
    assert revoked(folder) == set()


def test_what_is_revoked_is_listed_and_can_be_made_anew(folder: Path) -> None:
    lost = [load(folder / f"devices/bottles/{name}.pem").serial_number for name in ("line-1", "line-2")]
    run("revoke", "bottles", "line-1", "--dir", folder)
    run("revoke", "bottles", "line-2", "--dir", folder)
    run("make", "--dir", folder)
    assert revoked(folder) == set(lost)

    run("device", "bottles", "line-1", "--dir", folder)
    assert load(folder / "devices/bottles/line-1.pem").serial_number not in revoked(folder)


def test_who_has_no_certificate_cannot_be_revoked(folder: Path) -> None:
    with pytest.raises(errors.NotFound, match="no certificate for bottles/line-9"):
        run("revoke", "bottles", "line-1", "line-9", "--dir", folder)
    assert revoked(folder) == set()
    assert (folder / "devices/bottles/line-1.pem").exists()


def test_a_name_that_the_brokers_certificate_lacks_is_reported(folder: Path) -> None:
    run("make", "--dir", folder, "--host", "broker.example")
    with pytest.raises(errors.Refused, match=r"does not name 192\.0\.2\.8: remove .*broker\.pem"):
        run("make", "--dir", folder, "--host", "broker.example", "--host", "192.0.2.8")

    (folder / "broker.pem").unlink()
    run("make", "--dir", folder, "--host", "192.0.2.8")


@pytest.mark.parametrize("name", ["line/2", "+", "", "../ca"])
def test_a_name_that_would_reach_other_topics_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(errors.Refused):
        run("device", "bottles", name, "--dir", folder)


def test_a_device_needs_an_authority(tmp_path: Path) -> None:
    with pytest.raises(errors.NotFound, match="strop certs make"):
        run("device", "bottles", "line-1", "--dir", tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_certificate_can_be_revoked_whose_file_has_gone_to_its_device(folder: Path) -> None:
    first = load(folder / "devices/bottles/line-1.pem").serial_number
    (folder / "devices/bottles/line-1.pem").unlink()
    run("device", "bottles", "line-1", "--dir", folder)
    second = load(folder / "devices/bottles/line-1.pem").serial_number
    (folder / "devices/bottles/line-1.pem").unlink()

    run("revoke", "bottles", "line-1", "line-1", "--dir", folder)
    run("revoke", "bottles", "line-1", "--dir", folder)

    assert revoked(folder) == {first, second}


def test_without_the_authority_nothing_can_be_revoked(folder: Path) -> None:
    (folder / "ca.key").unlink()

    with pytest.raises(errors.NotFound, match=r"ca\.key"):
        run("revoke", "bottles", "line-1", "--dir", folder)


@pytest.mark.parametrize("damaged", ["broker.pem", "broker.key", "devices/bottles/line-1.pem"])
@pytest.mark.parametrize("content", [b"", b"-----BEGIN CERTIFICATE-----\nMIIB"], ids=["empty", "cut"])
def test_a_damaged_certificate_is_made_anew(folder: Path, damaged: str, content: bytes) -> None:
    (folder / damaged).write_bytes(content)

    run("make", "--dir", folder)
    run("device", "bottles", "line-1", "--dir", folder)

    assert shaken(folder, "devices/bottles/line-1", "localhost") == "bottles/line-1"


@pytest.mark.parametrize("damaged", ["ca.pem", "ca.key"])
def test_a_damaged_authority_is_named_with_what_to_do(folder: Path, damaged: str) -> None:
    (folder / damaged).write_bytes(b"")

    with pytest.raises(errors.Refused, match=r"the authority in .* is damaged .*: put both back from a copy"):
        run("device", "bottles", "line-3", "--dir", folder)


def test_a_damaged_list_of_the_revoked_is_named_with_what_to_do(folder: Path) -> None:
    (folder / "crl/crl.pem").write_bytes(b"")

    with pytest.raises(errors.Refused, match="is damaged: put it back from a copy, or remove it"):
        run("revoke", "bottles", "line-1", "--dir", folder)


def test_a_line_that_was_cut_does_not_hide_the_other_serials(folder: Path) -> None:
    serial = load(folder / "devices/bottles/line-1.pem").serial_number
    (folder / "devices/bottles/line-1.pem").write_bytes(b"")
    with (folder / "issued.txt").open("a") as issued:
        issued.write("\x00\x00 bottles/line-1")

    run("revoke", "bottles", "line-1", "--dir", folder)

    revoked = x509.load_pem_x509_crl((folder / "crl/crl.pem").read_bytes())
    assert [each.serial_number for each in revoked] == [serial]


def test_the_key_that_signs_models_stays_until_it_is_rotated(folder: Path) -> None:
    first = (folder / "model-keys.json").read_bytes()
    run("make", "--dir", folder)
    assert (folder / "model-keys.json").read_bytes() == first

    run("model-key", "--rotate", "--dir", folder)
    both = json.loads((folder / "model-keys.json").read_bytes())
    run("model-key", "--retire", "--dir", folder)

    assert len(both) == 2
    assert both.keys() - json.loads((folder / "model-keys.json").read_bytes()).keys() == json.loads(first).keys()


@pytest.mark.parametrize("options", [(), ("--rotate", "--retire")])
def test_a_rotation_without_one_clear_step_is_refused(folder: Path, options: tuple[str, ...]) -> None:
    with pytest.raises(errors.Refused, match="either --rotate or --retire"):
        run("model-key", *options, "--dir", folder)


def test_the_only_key_that_signs_models_is_not_removed(folder: Path) -> None:
    with pytest.raises(errors.Refused, match="one key only"):
        run("model-key", "--retire", "--dir", folder)


def test_renewed_certificates_have_the_same_names_and_are_in_the_same_files(folder: Path) -> None:
    before = {name: load(folder / f"{name}.pem") for name in ("broker", *certs.SERVICES)}
    files = {name: (folder / f"{name}.pem").stat().st_ino for name in before}
    device = (folder / "devices/bottles/line-1.pem").read_bytes()

    run("renew", "--dir", folder)

    after = {name: load(folder / f"{name}.pem") for name in before}
    assert not {each.serial_number for each in before.values()} & {each.serial_number for each in after.values()}
    assert {name: (folder / f"{name}.pem").stat().st_ino for name in before} == files
    assert (folder / "devices/bottles/line-1.pem").read_bytes() == device
    assert shaken(folder, "devices/bottles/line-1", "broker.example") == "bottles/line-1"
    assert shaken(folder, "strop-ingest", "broker.example", "services-ca") == "strop-ingest"
    assert {authorities.server_names(folder)[-1], *authorities.server_names(folder)[:2]} == {
        "192.0.2.7",
        "mosquitto",
        "localhost",
    }


def test_certificates_are_listed_with_their_days_and_expiry_is_an_exit_code(folder: Path) -> None:
    assert CliRunner().invoke(certs.cli, ["list", "--dir", str(folder)]).exit_code == 0
    authorities.issue(folder, "strop-ingest", "old", timedelta(days=3), authorities.SERVICES, renew=True)

    result = CliRunner().invoke(certs.cli, ["list", "--dir", str(folder)])

    assert result.exit_code == 1
    assert "strop-ingest.pem" in result.output.splitlines()[3]

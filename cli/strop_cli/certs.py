"""`strop certs`: two authorities of one's own, and the certificates of broker, services and devices.

A client certificate's common name is its user name at the broker: `strop-ingest` for a service, `PROJECT/DEVICE` for a
device. Services have an authority of their own, so that a device's certificate is never accepted in a service's place. The
broker's certificate is of the devices' authority, which devices trust for it.
"""

from pathlib import Path
from typing import Annotated

import typer

from strop_contracts import errors
from strop_wire import topics

cli = typer.Typer(no_args_is_help=True, help="Certificates for the MQTT broker, the services and the devices.")

SERVICES = ("strop-ingest", "strop-deployer", "strop-health", "strop-client")
"""MQTT clients besides the devices; the last two are the broker's health check, and programs that ask devices to classify."""

Folder = Annotated[Path, typer.Option("--dir", help="Folder of the certificates; made for its owner only.")]


@cli.command()
def make(
    folder: Folder,
    host: Annotated[list[str] | None, typer.Option(help="A further name or address of the broker.")] = None,
) -> None:
    """Make the authorities, the certificates of broker and services, and the key that signs models. What is there already stays."""
    from strop_cli import authorities, model_keys

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / authorities.REVOKED).parent.mkdir(exist_ok=True)
    if not (folder / "ca.pem").exists():
        authorities.create(folder, authorities.DEVICES, "Strop certificate authority")
    if (former := folder / "crl.pem").exists():
        former.replace(folder / authorities.REVOKED)  # of a release that had it here
    if not (folder / authorities.REVOKED).exists():
        authorities.write_revoked(folder, [])
    if not (folder / "services-ca.pem").exists():
        # A release before this authority had the services' certificates signed by the devices': they end here.
        authorities.revoke(
            folder, set().union(*(authorities.serials(folder, service, service) for service in SERVICES))
        )
        authorities.create(folder, authorities.SERVICES, "Strop certificate authority of services")
    authorities.issue(
        folder,
        "broker",
        "mosquitto",
        authorities.SHORT,
        authorities.DEVICES,
        ["mosquitto", "localhost", "127.0.0.1", *(host or [])],
    )
    authorities.check_hosts(folder, host or [])
    for service in SERVICES:
        authorities.issue(folder, service, service, authorities.SHORT, authorities.SERVICES)
    model_keys.make(folder)
    print(f"certificates are in {folder}; keep ca.key and services-ca.key where only you can read them")


@cli.command()
def renew(folder: Folder) -> None:
    """Renew the certificates of broker and services, with the same names; devices keep theirs.

    The broker reads its new one at SIGHUP, services theirs at their next connection: nothing is restarted.
    """
    from strop_cli import authorities

    if not (folder / "broker.pem").exists():
        raise errors.NotFound(f"{folder} has no certificates: run `strop certs make --dir {folder}` first")
    names = authorities.server_names(folder)
    authorities.issue(folder, "broker", "mosquitto", authorities.SHORT, authorities.DEVICES, names, renew=True)
    for service in SERVICES:
        authorities.issue(folder, service, service, authorities.SHORT, authorities.SERVICES, renew=True)
    print("renewed; the broker reads its new certificate at SIGHUP: docker compose kill -s HUP mosquitto")


@cli.command("list")
def list_(folder: Folder) -> None:
    """List the certificates below DIR, those that expire first at the top. The exit code is 1 if one expires within 30 days."""
    from datetime import UTC, datetime, timedelta

    from rich.console import Console
    from rich.table import Table

    from strop_cli import authorities

    table, now = Table("certificate", "expires", "days left"), datetime.now(UTC)
    expiries = sorted(authorities.expiries(folder).items(), key=lambda each: each[1])
    for name, at in expiries:
        table.add_row(name, f"{at:%Y-%m-%d}", str((at - now).days))
    Console().print(table)
    if any(at - now < timedelta(days=30) for _, at in expiries):
        raise typer.Exit(1)


@cli.command()
def device(project: str, names: Annotated[list[str], typer.Argument(metavar="NAME...")], folder: Folder) -> None:
    """Make the certificates of devices, DIR/devices/PROJECT/NAME.pem and .key. What is there already stays."""
    from strop_cli import authorities

    for name in (project, *names):
        if not topics.valid_name(name):
            raise errors.Refused(f"{name!r} is not the name of a project or device")
    if not (folder / "ca.key").exists():
        raise errors.NotFound(f"{folder} has no authority: run `strop certs make --dir {folder}` first")
    for name in names:
        authorities.issue(
            folder, f"devices/{project}/{name}", f"{project}/{name}", authorities.LONG, authorities.DEVICES
        )
        print(folder / "devices" / project / f"{name}.pem")


@cli.command()
def revoke(project: str, names: Annotated[list[str], typer.Argument(metavar="NAME...")], folder: Folder) -> None:
    """Write the certificates of lost devices into DIR/crl/crl.pem, and remove them: `device` makes new ones.

    The broker reads the list at its start and at SIGHUP. It does not end connections for it: `strop devices remove` does.
    """
    from strop_cli import authorities

    for needed in (authorities.REVOKED, "ca.pem", "ca.key"):
        if not (folder / needed).exists():
            raise errors.NotFound(f"there is no {folder / needed}: run `strop certs make --dir {folder}` where it is")
    lost = {name: authorities.serials(folder, f"{project}/{name}", f"devices/{project}/{name}") for name in names}
    if unknown := [f"{project}/{name}" for name, serials in lost.items() if not serials]:
        raise errors.NotFound(f"{folder} has issued no certificate for {', '.join(unknown)}")
    count = authorities.revoke(folder, set().union(*lost.values()))
    for name in lost:
        for suffix in (".pem", ".key"):
            (folder / "devices" / project / f"{name}{suffix}").unlink(missing_ok=True)
    print(
        f"{folder / authorities.REVOKED} lists {count}; the broker reads it at SIGHUP: docker compose kill -s HUP mosquitto"
    )


@cli.command("model-key")
def model_key(
    folder: Folder,
    rotate: Annotated[bool, typer.Option("--rotate", help="Add a key; models are then signed with both.")] = False,
    retire: Annotated[bool, typer.Option("--retire", help="Remove all keys but the newest.")] = False,
) -> None:
    """Rotate the key that signs models: `--rotate`, copy DIR/model-keys.json to every device, then `--retire`.

    The trainer reads DIR/model.key at its start. Devices refuse models that only a removed key has signed, also in a rollback.
    """
    from strop_cli import model_keys

    if rotate == retire:
        raise errors.Refused("give either --rotate or --retire")
    if rotate:
        model_keys.rotate(folder)
        print(f"added a key; copy {folder / model_keys.PUBLIC} to every device, and start the trainer again")
    else:
        print(f"removed {model_keys.retire(folder)}; start the trainer again")

"""`strop datasets`: images with known labels, from a folder tree."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from strop_cli import api, base_images, connection, differences, progress, tree
from strop_contracts import control, errors

_REMOVED = "removed, not in the folder any more"
_KEPT = "kept, not in the folder any more (--delete removes them)"

cli = typer.Typer(no_args_is_help=True, help="Data sets: images with known labels to begin with.")


class Kind(StrEnum):
    """The data sets of a Custom Labels project."""

    train = "train"
    test = "test"


@cli.command("import")
def import_(
    where: Annotated[
        list[str],
        typer.Argument(
            metavar="[PROJECT] FOLDER",
            help="FOLDER: a tree train/LABEL/…, valid/LABEL/… of JPEG, PNG or WebP files; with --auto-label a tree "
            "LABEL/…, here or in S3 as s3://BUCKET/FOLDER/, and PROJECT may be left out when there is only one.",
        ),
    ],
    name: Annotated[str, typer.Option(help="What the data set of a fleet is called.")] = "base",
    auto_label: Annotated[
        bool, typer.Option("--auto-label", help="Make a Custom Labels data set: the first folder is the label.")
    ] = False,
    kind: Annotated[
        Kind, typer.Option("--type", help="Which data set of the project, with --auto-label.")
    ] = Kind.train,
    names: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="A cat_to_name.json with the labels of folders, with --auto-label."
        ),
    ] = None,
    bucket: Annotated[
        str | None, typer.Option(help="Bucket for the images of a local folder, with --auto-label; else Strop's own.")
    ] = None,
    create: Annotated[
        bool, typer.Option("--create", help="Make the project when it is missing, with --auto-label.")
    ] = False,
    delete: Annotated[
        bool, typer.Option("--delete", help="Remove base images of the data set that are not in FOLDER any more.")
    ] = False,
    state: connection.State = None,
) -> None:
    """Import labelled images, and wait until each was taken or refused. May be repeated.

    The images of a folder tree are uploaded as a fleet's base images, or with --auto-label become a data set of
    the Custom Labels API. Whatever cannot be used is named, and the rest goes on. The exit code is 1 when an image
    was refused, or cannot be read.
    """
    project, folder = _where(where, optional=auto_label)
    if auto_label:
        complete = _hosted(project, folder, kind, names, bucket, state, create=create, delete=delete)
    elif names or bucket or create or folder.startswith("s3://"):
        raise errors.Refused("--names, --bucket, --create and folders in S3 go with --auto-label")
    else:
        complete = _base(project or "", Path(folder), name, state, delete=delete)
    if not complete:
        raise typer.Exit(1)


@cli.command()
def check(project: str, state: connection.State = None) -> None:
    """Show a project's base images by label, and what is refused, of several labels, or not used, each with the reason.

    Where rows and bucket differ, ingest processes the file again.
    """
    with api.opened(state) as client:
        checked = client.send("POST", control.BaseImages, "ingest", "projects", project, "datasets", "check")
        Console().print(differences.page(checked, base_images.conflicts(client, project)))


def _where(given: list[str], *, optional: bool) -> tuple[str | None, str]:
    match given:
        case [project, folder]:
            return project, folder
        case [folder] if optional:
            return None, folder
    raise typer.BadParameter("expected PROJECT FOLDER")


def _hosted(
    project: str | None,
    folder: str,
    kind: Kind,
    names: Path | None,
    bucket: str | None,
    state: Path | None,
    *,
    create: bool,
    delete: bool,
) -> bool:
    """Import a data set of the Custom Labels API; returns whether all images were accepted."""
    from strop_cli import hosted

    if delete:
        raise errors.Refused(
            "--delete goes with base images: entries of a data set of the API stay until it is deleted"
        )
    return hosted.run(hosted.Order(project, folder, kind.upper(), hosted.labels(names), bucket, create), state)


def _base(project: str, folder: Path, name: str, state: Path | None, *, delete: bool) -> bool:
    """Import base images and print the outcome; returns whether all were accepted."""
    used, files = base_images.find(folder, project, name)
    if delete and used.problems:  # a file that cannot be read now is not one that was removed
        raise errors.Refused("\n".join([*used.report(), "--delete needs a folder in which every image can be used"]))
    with api.opened(state) as client:
        dataset = base_images.DataSet(client, project, name)
        with progress.shown(len(files), "uploaded", "processed") as report:
            done = dataset.load(files, report)
        done.others, done.removed = dataset.others(files), delete
        if delete:
            dataset.remove(done.others)
        done.conflicts = base_images.conflicts(client, project)
    print(*summary(used, files, done), sep="\n")
    return not (done.refused or used.problems)


def summary(used: tree.Tree, files: Mapping[str, Path], done: base_images.Imported) -> list[str]:
    """Describe the outcome of an import in lines."""
    lines = [f"refused {files[path]}: {reason}" for path, reason in sorted(done.refused.items())]
    lines += used.report()
    lines += differences.label_conflicts(done.conflicts)
    if done.others:
        lines.append(tree.counted(_REMOVED if done.removed else _KEPT, done.others))
    counts = f"{done.accepted} images accepted, {done.unchanged} unchanged, {len(done.refused)} refused"
    unusable = f", {len(used.problems)} could not be used" if used.problems else ""
    return [*lines, counts + unusable]

"""The layout of the bucket: every key that Strop makes. Pure. Below `{project}/`:

| key | content | written by |
|---|---|---|
| `images/{sha256}` | the bytes of an image: once, verified, never changed | ingest, custom-labels |
| `raw_field_data/{device}/{capture}.{extension}` | an upload, and the copy of an image without a label | the device, labeling-queue |
| `labeled_field_data/{folder}/{capture}.{extension}` | the copy of an image with a label; people may move it | labeling-queue |
| `datasets/{dataset}/{train or valid}/{folder}/…` | an image of a base data set | the operator |
| `datasets/versions/{version}/manifest.jsonl` | the manifest of a dataset version | trainer |
| `datasets/orders/{project version}.jsonl` | the manifest of an ordered training | custom-labels |
| `datasets/changes/{change}.jsonl` | the entries of a requested change of a hosted data set | custom-labels |
| `models/v{version}/{attempt}/{file}` | a file of a model package, and the outcomes of its evaluation | trainer |
| `models/v{version}/judged/{run}/{attempt}/{file}` | the outcomes of a later evaluation | trainer |
| `models/copies/{project version}/{file}` | a file of a copied project version | custom-labels |
| `backbones/{sha256}.onnx` | a backbone, shared by models | trainer |

`{folder}` is the label as the name of a folder (`strop_wire.fields.folder_of`).
"""

from uuid import UUID

from strop_wire import fields

IMAGES = "images/"
UPLOADS = "raw_field_data/"
LABELED = "labeled_field_data/"
DATASETS = "datasets/"
MANIFESTS = "datasets/versions/"
ORDERS = "datasets/orders/"
CHANGES = "datasets/changes/"
MODELS = "models/"
MODEL_COPIES = "models/copies/"
BACKBONES = "backbones/"

EXTENSIONS = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp"}


def below(project: str, folder: str) -> str:
    """Return the prefix of all keys of a folder, one of the constants above."""
    return f"{project}/{folder}"


def image(project: str, sha256: str) -> str:
    return below(project, f"{IMAGES}{sha256}")


def upload(project: str, device: str, capture: UUID, content_type: str) -> str:
    """Return where a device uploads a capture, and where its copy lies while it has no label."""
    return below(project, f"{UPLOADS}{device}/{_file(capture, content_type)}")


def labeled(project: str, label: str, capture: UUID, content_type: str) -> str:
    """Return where the copy of a capture with this label lies."""
    return labeled_file(project, label, _file(capture, content_type))


def labeled_file(project: str, label: str, name: str) -> str:
    """Return where a file of this name lies if its image has this label."""
    return below(project, f"{LABELED}{fields.folder_of(label)}/{name}")


def dataset(project: str, name: str) -> str:
    """Return the prefix of a base data set."""
    return below(project, f"{DATASETS}{name}/")


def manifest(project: str, version: int) -> str:
    return below(project, f"{MANIFESTS}{version}/manifest.jsonl")


def order(project: str, project_version: UUID) -> str:
    return below(project, f"{ORDERS}{project_version}.jsonl")


def change(project: str, change_id: UUID) -> str:
    return below(project, f"{CHANGES}{change_id}.jsonl")


def attempt(project: str, version: int, number: int) -> str:
    """Return the folder of the files of a model, written by this attempt of its run."""
    return below(project, f"{MODELS}v{version}/{number}")


def judgement(project: str, version: int, run: UUID, number: int) -> str:
    """Return the folder of the outcomes of a model that an attempt of a run judges again."""
    return below(project, f"{MODELS}v{version}/judged/{run}/{number}")


def outcomes(folder: str, part: str, model: str = "") -> str:
    """Return where the outcomes of one part of an evaluation lie, below the folder of the attempt.

    `model` is "champion" for those of the model that was compared with.
    """
    return f"{folder}/outcomes-{part}{f'-{model}' if model else ''}.jsonl"


def model_copy(project: str, project_version: UUID, file: str) -> str:
    return below(project, f"{MODEL_COPIES}{project_version}/{file}")


def backbone(project: str, sha256: str) -> str:
    return below(project, f"{BACKBONES}{sha256}.onnx")


def _file(capture: UUID, content_type: str) -> str:
    return f"{capture}.{EXTENSIONS[content_type]}"

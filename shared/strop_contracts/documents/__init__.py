"""JSON documents that one service writes and another reads, each defined once: columns (`tables`) and objects in the bucket."""

from strop_contracts.documents.base import Document, Line, lines
from strop_contracts.documents.files import FileName, Files, StoredFile
from strop_contracts.documents.hosted import ChangeSource, LineError, OutputConfig, S3Object, Tags
from strop_contracts.documents.manifest import Counts, Item, Origin, Part
from strop_contracts.documents.metrics import (
    AnsweredLabel,
    Answers,
    Bin,
    Calibration,
    Confusion,
    LabelFigures,
    LeftOut,
    Metrics,
    Share,
)
from strop_contracts.documents.outcomes import Outcome
from strop_contracts.documents.progress import Progress

__all__ = [
    "AnsweredLabel",
    "Answers",
    "Bin",
    "Calibration",
    "ChangeSource",
    "Confusion",
    "Counts",
    "Document",
    "FileName",
    "Files",
    "Item",
    "LabelFigures",
    "LeftOut",
    "Line",
    "LineError",
    "Metrics",
    "Origin",
    "Outcome",
    "OutputConfig",
    "Part",
    "Progress",
    "S3Object",
    "Share",
    "StoredFile",
    "Tags",
    "lines",
]

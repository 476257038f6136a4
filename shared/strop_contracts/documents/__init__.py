"""JSON documents that one service writes and another reads, each defined once: columns (`tables`) and objects in the bucket."""

from strop_contracts.documents.base import Document, Line, lines
from strop_contracts.documents.files import FileName, Files, StoredFile
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
    "Confusion",
    "Counts",
    "Document",
    "FileName",
    "Files",
    "Item",
    "LabelFigures",
    "LeftOut",
    "Line",
    "Metrics",
    "Origin",
    "Outcome",
    "Part",
    "Progress",
    "Share",
    "StoredFile",
    "lines",
]

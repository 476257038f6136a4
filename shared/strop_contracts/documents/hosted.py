"""Documents of hosted data sets and project versions, in the words of the Custom Labels API where they come from a request."""

from typing import NotRequired, TypedDict

Tags = dict[str, str]


class S3Object(TypedDict):
    """An object in a caller's bucket."""

    Bucket: str
    Name: str
    Version: NotRequired[str]


class OutputConfig(TypedDict):
    """The caller's folder for the files of an evaluation. Empty for a model of a fleet, which writes none."""

    S3Bucket: NotRequired[str]
    S3KeyPrefix: NotRequired[str]


class ChangeSource(TypedDict):
    """What a change of a data set reads: a manifest (`S3Object` in lower case) or another data set. Empty: the bucket's own."""

    bucket: NotRequired[str]
    name: NotRequired[str]
    version: NotRequired[str]
    dataset: NotRequired[str]


class LineError(TypedDict):
    """Why a line of a manifest cannot be used, with the attribute that it concerns."""

    code: str
    message: str
    attribute: NotRequired[str]

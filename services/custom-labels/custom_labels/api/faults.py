"""The errors of the API, one class each, named as AWS names them: the class name is the code that clients see.

First those of the protocol, which every AWS service has; then those of Rekognition's own model.
"""


class Fault(Exception):
    """The request is answered with an error. A code that is not in a client's model becomes a ClientError."""

    status = 400

    @property
    def code(self) -> str:
        return type(self).__name__


class UnknownOperationException(Fault):
    """There is no such operation, or not here."""


class UnsupportedServiceException(Fault):
    """The request is for an AWS service that is not here. Not a code of AWS's."""


class MissingAuthenticationTokenException(Fault):
    """The request is not signed."""


class IncompleteSignatureException(Fault):
    """The Authorization header cannot be read."""


class UnrecognizedClientException(Fault):
    """The access key is unknown."""


class InvalidSignatureException(Fault):
    """The signature is wrong, too old, not valid yet, or for another service."""


class SerializationException(Fault):
    """The body is not JSON of the types that the operation takes."""


class RequestEntityTooLargeException(Fault):
    """The body is larger than any valid request."""

    status = 413


class AccessDeniedException(Fault):
    """The caller may not do this."""


class ImageTooLargeException(Fault):
    """The image has too many bytes or pixels."""


class InternalServerError(Fault):
    """Something broke here; the client may try again."""

    status = 500


class InvalidImageFormatException(Fault):
    """The image is neither JPEG nor PNG."""


class InvalidPaginationTokenException(Fault):
    """This token does not continue this request."""


class InvalidParameterException(Fault):
    """A parameter breaks a rule, which the message names."""


class InvalidPolicyRevisionIdException(Fault):
    """The policy has another revision by now."""


class InvalidS3ObjectException(Fault):
    """The object cannot be read from, or written to, the bucket."""


class LimitExceededException(Fault):
    """A limit of the service is reached."""


class MalformedPolicyDocumentException(Fault):
    """The document is not a project policy."""


class ProvisionedThroughputExceededException(Fault):
    """More requests wait than the inference units can take."""


class ResourceAlreadyExistsException(Fault):
    """There is one already."""


class ResourceInUseException(Fault):
    """The resource is busy, or others depend on it."""


class ResourceNotFoundException(Fault):
    """There is no resource of this name."""


class ResourceNotReadyException(Fault):
    """The resource is not in a state to do this yet."""


class ServiceQuotaExceededException(Fault):
    """There are as many of these as are allowed."""


class ThrottlingException(Fault):
    """Too many requests at once; the client may try again."""

    status = 500

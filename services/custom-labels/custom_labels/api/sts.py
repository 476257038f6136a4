"""The one operation of AWS STS that is here: `GetCallerIdentity`, in the query protocol.

Scripts call it to learn their account id, and people to see which deployment answers them.
"""

from collections.abc import Mapping
from xml.sax.saxutils import escape

from custom_labels.api import faults
from custom_labels.settings import Settings

SERVICE = "sts"
OPERATION = "GetCallerIdentity"

CODES: Mapping[str, str] = {
    "MissingAuthenticationTokenException": "MissingAuthenticationToken",
    "IncompleteSignatureException": "IncompleteSignature",
    "UnrecognizedClientException": "InvalidClientTokenId",
    "InvalidSignatureException": "SignatureDoesNotMatch",
}
"""What STS calls the errors of a signature; their status is 403 there."""

_ANSWER = """\
<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>\
<Arn>arn:aws:iam::{account}:user/{key_id}</Arn><UserId>{key_id}</UserId><Account>{account}</Account>\
</GetCallerIdentityResult><ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>\
</GetCallerIdentityResponse>
"""


def identity(settings: Settings, key_id: str, request_id: str) -> str:
    """Write the answer for the holder of an access key; the account is that of our ARNs."""
    return _ANSWER.format(account=settings.account, key_id=escape(key_id), request_id=request_id)


def unavailable(name: str) -> faults.UnsupportedServiceException:
    """Return the error of every other operation."""
    return faults.UnsupportedServiceException(
        f"sts:{name} is not available: Strop issues no temporary credentials. Use its access key itself; of STS it "
        f"answers {OPERATION} alone."
    )

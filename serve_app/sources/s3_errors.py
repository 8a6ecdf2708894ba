"""What went wrong with an S3 server, in words that an operator understands and that carry no secrets.

Imported only when it is needed, with botocore.
"""

from __future__ import annotations

from botocore import exceptions
from urllib3.exceptions import HTTPError

from deployments.errors import SourceRefused, SourceRejected, SourceUnreachable

# ValueError: what botocore raises for an endpoint that is no URL.
S3_ERRORS = (exceptions.ClientError, exceptions.BotoCoreError, HTTPError, ValueError)

# 4xx that are about our credentials, our clock or our settings: the caller can do nothing about them.
_OPERATOR_CODES = frozenset(
    {
        "AuthorizationHeaderMalformed",
        "ExpiredToken",
        "IllegalLocationConstraintException",
        "InvalidAccessKeyId",
        "InvalidToken",
        "PermanentRedirect",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "TokenRefreshRequired",
    }
)
_BUSY_CODES = frozenset({"RequestTimeout", "SlowDown", "Throttling", "TooManyRequests"})
_CREDENTIALS = (
    exceptions.CredentialRetrievalError,
    exceptions.NoCredentialsError,
    exceptions.PartialCredentialsError,
    exceptions.ProfileNotFound,
    exceptions.SSOError,
    exceptions.TokenRetrievalError,
)


def rejection(bucket: str, error: Exception) -> SourceRejected:
    """The error to raise for one of S3_ERRORS. Of what the server wrote only its code is kept."""
    if isinstance(error, exceptions.ClientError):
        return _answered(bucket, error)
    if isinstance(error, _CREDENTIALS):
        return SourceUnreachable(f"bucket {bucket}: the service has no usable S3 credentials")
    if isinstance(error, exceptions.SSLError):
        return SourceUnreachable(f"bucket {bucket}: the certificate of the S3 server could not be verified")
    if isinstance(error, exceptions.ConnectionError):
        return SourceUnreachable(f"bucket {bucket}: no connection to the S3 server could be made")
    return SourceUnreachable(f"bucket {bucket}: reading from the S3 server failed ({type(error).__name__})")


def _answered(bucket: str, error: exceptions.ClientError) -> SourceRejected:
    code = str(error.response.get("Error", {}).get("Code", "unknown"))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
    if code in _OPERATOR_CODES:
        return SourceUnreachable(f"bucket {bucket}: the S3 server does not accept the service's settings ({code})")
    if code in _BUSY_CODES or not 400 <= status < 500:
        return SourceUnreachable(f"bucket {bucket}: the S3 server failed ({code})")
    return SourceRefused(f"bucket {bucket}: the S3 server answered {code}")

"""Signatures of webhooks by the Standard Webhooks specification 1.0 (standardwebhooks.com): symmetric, ``v1``."""

from __future__ import annotations

import base64
import hashlib
import hmac

_PREFIX = "whsec_"


def signed_headers(secret: str, message_id: str, at_s: float, body: bytes) -> dict[str, str]:
    """The three headers of a message.

    Args:
        secret: ``whsec_`` and the key in base64.
        message_id: the same for every attempt to deliver one message; receivers tell doubles by it.
        at_s: when this attempt is made; receivers refuse what is older than some minutes.
        body: the body as it is sent.
    """
    timestamp = str(int(at_s))
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    digest = hmac.digest(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }

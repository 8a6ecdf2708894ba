"""The app, and a document of it that tells the truth about wrong parameters and about keys."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

_FASTAPIS_OWN = "#/components/schemas/HTTPValidationError"
_SCHEMES = {
    "Bearer": {"type": "http", "scheme": "bearer", "description": "Not needed while the service is open."},
    "Token": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "The same with another word in front of the key: `Token rs_…`.",
    },
}
_EITHER_OR_NONE: list[dict[str, list[str]]] = [{"Bearer": []}, {"Token": []}, {}]


class Api(FastAPI):
    """FastAPI, but for the 422 that it documents for every route with parameters: each dialect has its own answer.

    Keys are read by one function (``credential_of``) and not by FastAPI's dependencies, which would document them: what
    may answer 401 takes one.
    """

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document."""
        if self.openapi_schema is None:
            document = super().openapi()
            for path in document["paths"].values():
                for operation in path.values():
                    _drop_validation_error(operation["responses"])
                    if "401" in operation["responses"]:
                        operation["security"] = _EITHER_OR_NONE
            document.setdefault("components", {})["securitySchemes"] = _SCHEMES
            for name in ("HTTPValidationError", "ValidationError"):
                document.get("components", {}).get("schemas", {}).pop(name, None)
        return self.openapi_schema or {}


def _drop_validation_error(responses: dict[str, Any]) -> None:
    schema = responses.get("422", {}).get("content", {}).get("application/json", {}).get("schema", {})
    if schema.get("$ref") == _FASTAPIS_OWN:
        del responses["422"]

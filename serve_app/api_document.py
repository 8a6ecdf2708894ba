"""The app, and a document of it that tells the truth about wrong parameters."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

_FASTAPIS_OWN = "#/components/schemas/HTTPValidationError"


class Api(FastAPI):
    """FastAPI, but for the 422 that it documents for every route with parameters: each dialect has its own answer."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document."""
        if self.openapi_schema is None:
            document = super().openapi()
            for path in document["paths"].values():
                for operation in path.values():
                    _drop_validation_error(operation["responses"])
            for name in ("HTTPValidationError", "ValidationError"):
                document.get("components", {}).get("schemas", {}).pop(name, None)
        return self.openapi_schema or {}


def _drop_validation_error(responses: dict[str, Any]) -> None:
    schema = responses.get("422", {}).get("content", {}).get("application/json", {}).get("schema", {})
    if schema.get("$ref") == _FASTAPIS_OWN:
        del responses["422"]

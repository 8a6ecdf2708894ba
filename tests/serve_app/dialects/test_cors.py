"""Web pages as clients: what browsers ask before they let one call."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from serve_app.settings import AccessSettings, Settings
from tests.fakes.edge import Edge
from tests.serve_app.dialects.openai_transcriptions import FILE, PATH

pytestmark = pytest.mark.unit

PAGE = "https://app.example.com"
PREFLIGHT = {
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization, x-stainless-lang",
}


@pytest.mark.parametrize(
    ("origins", "page", "allowed"),
    [((PAGE,), PAGE, PAGE), (("*",), PAGE, "*"), ((PAGE,), "https://evil.example", None), ((), PAGE, None)],
)
async def test_pages_of_the_listed_origins_may_call(origins: tuple[str, ...], page: str, allowed: str | None) -> None:
    edge = Edge(Settings(access=AccessSettings(require_keys=True, cors_origins=origins)))
    async with edge.client:
        asked = await edge.client.options(PATH, headers={"origin": page, **PREFLIGHT})
        called = await edge.client.post(
            PATH, files={"file": FILE}, data={"model": "whisper-1"}, headers={"origin": page}
        )
    assert (asked.status_code == 200) == (allowed is not None)
    assert called.status_code == 200
    for response in (asked, called):
        assert response.headers.get("access-control-allow-origin") == allowed
    if allowed is not None:
        assert asked.headers["access-control-allow-headers"] == PREFLIGHT["access-control-request-headers"]
        assert "X-Request-ID" in called.headers["access-control-expose-headers"]


@pytest.mark.parametrize("origin", ["app.example.com", "https://app.example.com/", "https://*/x"])
def test_an_origin_is_a_scheme_and_a_host(origin: str) -> None:
    with pytest.raises(ValidationError):
        AccessSettings(cors_origins=(origin,))

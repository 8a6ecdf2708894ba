from __future__ import annotations

import re
from urllib.parse import urljoin

import pytest

from tests.fakes.edge import Edge

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
async def test_a_page_needs_nothing_from_elsewhere(edge: Edge, path: str) -> None:
    page = await edge.client.get(path)
    assert page.status_code == 200
    needed = re.findall(r"""(?:src|href|spec-url)="([^"]+)"|url: '([^']+)'""", page.text)
    urls = [one or other for one, other in needed]
    assert any(url.endswith(".js") for url in urls)
    assert "openapi.json" in urls
    for url in urls:
        assert (await edge.client.get(urljoin(path, url))).status_code == 200, url
    assert not re.findall(r"https?://[^\s\"']+\.(?:js|css|png)", page.text)


async def test_what_a_page_does_not_have_is_told_as_elsewhere(edge: Edge) -> None:
    missing = await edge.client.get("/docs/assets/none.js")
    assert missing.status_code == 404

"""The pages that show the API to people, in networks without the internet, too."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

# Relative to the pages, which a reverse proxy may show under another path.
_ASSETS = "docs/assets"
_DOCUMENT = "openapi.json"


def show_the_api(app: FastAPI) -> None:
    """``/docs`` and ``/redoc``, whose scripts FastAPI's own pages would take from other people's servers."""
    # Of this package only the files are used.
    app.mount(f"/{_ASSETS}", StaticFiles(packages=[("fastapi_offline", "static")]))
    icon_url = f"{_ASSETS}/favicon.png"
    swagger = get_swagger_ui_html(
        openapi_url=_DOCUMENT,
        title=app.title,
        swagger_js_url=f"{_ASSETS}/swagger-ui-bundle.js",
        swagger_css_url=f"{_ASSETS}/swagger-ui.css",
        swagger_favicon_url=icon_url,
    )
    redoc = get_redoc_html(
        openapi_url=_DOCUMENT,
        title=app.title,
        redoc_js_url=f"{_ASSETS}/redoc.standalone.js",
        redoc_favicon_url=icon_url,
        with_google_fonts=False,
    )

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return swagger

    @app.get("/redoc", include_in_schema=False)
    async def reference() -> HTMLResponse:
        return redoc

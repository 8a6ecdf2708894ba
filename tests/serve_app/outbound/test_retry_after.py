from __future__ import annotations

from datetime import UTC, datetime

import pytest

from serve_app.outbound.retry_after import retry_after_s

pytestmark = pytest.mark.unit

NOW = datetime(2026, 11, 21, 8, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("120", 120.0),
        ("0", 0.0),
        ("-5", 0.0),
        ("nan", None),
        ("inf", None),
        ("soon", None),
        ("", None),
        ("Sat, 21 Nov 2026 08:01:30 GMT", 90.0),
        ("Sat, 21 Nov 2026 07:00:00 GMT", 0.0),
        ("Sat, 21 Nov 2026 08:01:30 -0000", 90.0),
        ("Sat, 21 Nov 2026 08:01:30 +99999999999999", None),
        ("Sat, 21 Nov 99999 08:01:30 GMT", None),
    ],
)
def test_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert retry_after_s(header, NOW) == seconds

from __future__ import annotations

import inspect
import re

import pytest

from deployments import errors

pytestmark = pytest.mark.unit


def test_the_tree_that_is_drawn_is_the_tree() -> None:
    drawn: dict[str, str] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if found := re.match(r"([│├└─ ]*)([A-Z]\w+Error|[A-Z]\w+)(?=  |$)", line):
            depth = len(found[1]) // 4
            above[depth:] = [found[2]]
            drawn[found[2]] = above[depth - 1] if depth else "Exception"
    classes = (each for each in vars(errors).values() if inspect.isclass(each) and issubclass(each, Exception))
    assert drawn == {each.__name__: each.__base__.__name__ for each in classes if each.__base__}

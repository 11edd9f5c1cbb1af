"""Names that the examples in docstrings may use without importing them."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture(autouse=True)
def _names(doctest_namespace: dict[str, Any]) -> None:
    import ptutils

    doctest_namespace["pt"] = ptutils

"""Skipping the tests of a module where the packages that they are about are not installed."""

from __future__ import annotations

import importlib.util

import pytest


def needed(extra: str, *packages: str) -> None:
    """Skip the module that calls this if one is missing: looked for, not imported, as Ultralytics then asks hosts."""
    if lost := lacking(*packages):
        pytest.skip(f"needs {', '.join(lost)}: pip install 'visiongpt-agent[{extra}]'", allow_module_level=True)


def lacking(*packages: str) -> list[str]:
    """Those of the packages that are not installed."""
    return [package for package in packages if importlib.util.find_spec(package) is None]

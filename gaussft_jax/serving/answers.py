"""What the endpoints answer, as the schema says it."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

__all__ = ["FORM", "Answer", "Health", "Judged", "Refusal", "Refused"]


class Region(BaseModel):
    """Connected pixels above the threshold."""

    box: Annotated[
        list[int], Field(description="left, top, right, bottom, pixels; the last two lie behind it")
    ]
    area: Annotated[int, Field(description="pixels")]
    peak: Annotated[float, Field(description="largest distance")]


class Judged(BaseModel):
    """A judged photograph."""

    name: str
    width: Annotated[int, Field(description="of photograph and heatmap, pixels")]
    height: int
    score: Annotated[float, Field(description="distance from good images")]
    p_value: Annotated[
        float | None, Field(description="share of good images as unusual; null if not calibrated")
    ] = None
    decision: Annotated[
        Literal["good", "defective"] | None,
        Field(description="defective where p_value is at most the server's false-alarm rate"),
    ] = None
    regions: Annotated[
        list[Region], Field(description="of a defective photograph, the most unusual first")
    ] = []
    note: str | None = None
    heatmap: Annotated[str, Field(description="PNG of the photograph's size, as a data URL")]


class Refused(BaseModel):
    """A file that could not be read."""

    name: str
    error: str


class Answer(BaseModel):
    """One entry for each file, in order."""

    alpha: Annotated[float | None, Field(description="the server's false-alarm rate")]
    images: list[Judged | Refused]


class Refusal(BaseModel):
    """Why nothing was judged, in one line."""

    error: str


class Health(BaseModel):
    """Whether the server judges."""

    status: Literal["ok"]


FORM = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["images"],
                "properties": {
                    "images": {
                        "type": "array",
                        "minItems": 1,
                        "items": {"type": "string", "format": "binary"},
                        "description": "photographs: png, jpg, bmp, tif or webp",
                    }
                },
            }
        }
    },
}
"""The form that is sent; read piece by piece, so that the framework does not know of it."""

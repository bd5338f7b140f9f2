"""Which folder, and how long a file has to lie still. The folder comes from here only, never from a message."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _absolute(folder: Path) -> Path:
    if not folder.is_absolute():
        raise ValueError("an absolute path is needed")
    return folder


Folder = Annotated[Path, Field(strict=False), AfterValidator(_absolute)]


class OutboundSettings(BaseModel):
    """The keys of `[adapter_settings]` in a recipient's file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    folder: Folder


class InboundSettings(BaseModel):
    """One watched folder for one client. The client is whoever may write there: nothing in a file can change it."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    channel: str = Field(min_length=1)
    client: str = Field(min_length=1)
    folder: Folder
    content_type: str = Field(min_length=1)
    max_file_bytes: int = Field(default=5_242_880, ge=64, le=67_108_864)
    max_files: int = Field(default=1_000, ge=1, le=100_000)
    """How many files are taken in one turn, the oldest of all: a folder with a million is worked through, never held in memory."""
    poll_seconds: float = Field(default=1, gt=0, le=300)
    stable_seconds: float = Field(default=2, ge=0, le=300)
    """How long size and time of change have to stay the same. A sender that renames into the folder needs none."""
    stop_seconds: float = Field(default=10, gt=0, le=300)
    """How long a stop waits for the file in hand."""

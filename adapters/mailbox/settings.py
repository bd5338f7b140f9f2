"""A mailbox has nothing to set: who may open it is said by `throughgate client add --recipient`."""

from pydantic import BaseModel, ConfigDict


class OutboundSettings(BaseModel):
    """No key at all."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

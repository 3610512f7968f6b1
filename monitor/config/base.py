"""The base of every settings object."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """A strict, immutable settings object: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

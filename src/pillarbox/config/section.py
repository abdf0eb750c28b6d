"""What all sections of the configuration have in common."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Frozen; a key that is not known is refused; secrets never show in errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

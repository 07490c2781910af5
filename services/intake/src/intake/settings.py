"""What intake is told by its environment, beside what every service is told."""

from __future__ import annotations

from typing import Final, Self

from pydantic import SecretStr, model_validator

from intake.keyring import Keyring
from keyturn_chassis.settings import Settings

DEVELOPMENT_KEYS: Final = "development:a2V5dHVybi1kZXZlbG9wbWVudC1vbmx5LW5vLXNlY3JldA=="
"""Keys for a developer's machine; no secret, and refused everywhere else."""
WITHOUT_SECRETS: Final = frozenset({"local", "test"})
"""Environments in which the development keys will do."""


class IntakeSettings(Settings):
    """Settings of intake."""

    keys: SecretStr = SecretStr(DEVELOPMENT_KEYS)
    """KEYTURN_KEYS: the keys with which intake hashes identifiers and signs tokens, written
    `<id>:<base64 of 32 bytes or more>`, the newest first, with commas between. The newest makes
    what is new; the others are kept as long as something made with them must still be known."""

    @model_validator(mode="after")
    def _keys_are_secret(self) -> Self:
        keys = self.keys.get_secret_value()
        if keys == DEVELOPMENT_KEYS and self.environment not in WITHOUT_SECRETS:
            raise ValueError(
                f"give KEYTURN_KEYS; environment {self.environment} must not use the development"
                " keys"
            )
        Keyring.read(keys)
        return self

"""What a process is told by its environment."""

from __future__ import annotations

import os
from typing import Literal

from pydantic import Field, PostgresDsn, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Settings that every service has; a service adds its own in a subclass.

    Each is read from the environment variable `KEYTURN_<NAME>`, or from a file of that name (in
    lower case) in the directory `KEYTURN_SECRETS_DIR`, which is how Kubernetes mounts secrets.
    """

    model_config = SettingsConfigDict(
        env_prefix="KEYTURN_",
        extra="ignore",
        frozen=True,
        secrets_dir=os.environ.get("KEYTURN_SECRETS_DIR"),
    )

    environment: str = "local"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    database_url: PostgresDsn = PostgresDsn("postgresql://localhost/keyturn")
    database_pool_size: int = Field(default=10, ge=2, le=100)

    kafka_bootstrap: str = "127.0.0.1:9092"
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_sasl_mechanism: Literal["SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    kafka_sasl_username: str | None = None
    kafka_sasl_password: SecretStr | None = None
    kafka_ssl_cafile: str | None = None
    kafka_ssl_certfile: str | None = None
    kafka_ssl_keyfile: str | None = None

    auth_issuer: str = "https://issuer.keyturn.local"
    auth_audience: str = "keyturn"
    auth_jwks: str = ""
    """Where the issuer's public keys are: an https URL, or the path of a file."""
    auth_private_key: str | None = None
    """Path of the local issuer's private key; only for development, to mint tokens."""

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    worker_port: int = Field(default=9000, ge=0, le=65535)
    clock: Literal["system", "driven"] = "system"

    batch_records: int = Field(default=1_000, ge=1, le=10_000)
    """How many records the worker handles in one transaction, at most."""
    inbox_retention_days: int = Field(default=60, ge=1)
    """How long handled events are remembered; longer than any topic keeps its records."""
    idempotency_retention_days: int = Field(default=2, ge=1)
    """How long an Idempotency-Key gets the same answer."""
    max_body_bytes: int = Field(default=1_048_576, ge=1_024)
    """Largest accepted request body; a route that takes files streams and sets its own limit."""

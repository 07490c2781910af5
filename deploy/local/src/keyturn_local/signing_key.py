"""The key pair of the local token issuer, made once per stack."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

ISSUER = "https://issuer.keyturn.local"
AUDIENCE = "keyturn"
KEY_BITS = 2048


@dataclass(frozen=True, slots=True)
class SigningKey:
    """Where the key pair lies: the private half for the issuer, the public half for services."""

    private_key: Path
    jwks: Path


def ensure_signing_key(directory: Path) -> SigningKey:
    """Make `private.pem` (mode 0600) and `jwks.json` in `directory` unless they are there."""
    key = SigningKey(directory / "private.pem", directory / "jwks.json")
    if key.private_key.exists() and key.jwks.exists():
        return key
    private = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    descriptor = os.open(key.private_key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
    document = json.dumps({"keys": [_public_jwk(private.public_key())]}, indent=2)
    key.jwks.write_text(document + "\n", encoding="utf-8")
    return key


def _public_jwk(public: rsa.RSAPublicKey) -> dict[str, str]:
    """RFC 7517 key, named by its RFC 7638 thumbprint."""
    numbers = public.public_numbers()
    required = {"e": _base64url_number(numbers.e), "kty": "RSA", "n": _base64url_number(numbers.n)}
    canonical = json.dumps(required, separators=(",", ":"), sort_keys=True).encode()
    thumbprint = _base64url(hashlib.sha256(canonical).digest())
    return {**required, "kid": thumbprint, "use": "sig", "alg": "RS256"}


def _base64url_number(number: int) -> str:
    return _base64url(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

"""Key pairs that sign and verify access tokens, as files: for development, where no provider is."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from jwt.algorithms import OKPAlgorithm, RSAAlgorithm


class KeyPair(NamedTuple):
    """Where a key pair lies: the private half for the issuer, the public half for services."""

    private: Path
    jwks: Path


def write_key_pair(directory: Path) -> KeyPair:
    """The key pair in `directory`, made unless it is there; only the owner can read `private`."""
    private, jwks = directory / "private.pem", directory / "jwks.json"
    if not (private.exists() and jwks.exists()):
        directory.mkdir(parents=True, exist_ok=True)
        key = Ed25519PrivateKey.generate()
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        private.unlink(missing_ok=True)
        with os.fdopen(os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem)
        jwks.write_text(json.dumps({"keys": [public_jwk(key)]}, indent=2) + "\n")
    return KeyPair(private, jwks)


def public_jwk(key: Ed25519PrivateKey | RSAPrivateKey) -> dict[str, str]:
    """The public half of a private key, named by its thumbprint (RFC 7638)."""
    jwk: Mapping[str, str]
    if isinstance(key, RSAPrivateKey):
        algorithm, jwk = "RS256", dict(RSAAlgorithm.to_jwk(key.public_key(), as_dict=True))
    else:
        algorithm, jwk = "EdDSA", dict(OKPAlgorithm.to_jwk(key.public_key(), as_dict=True))
    members: dict[str, str] = {
        name: jwk[name] for name in ("crv", "e", "kty", "n", "x") if name in jwk
    }
    digest = hashlib.sha256(json.dumps(members, separators=(",", ":")).encode()).digest()
    thumbprint = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    return {**members, "kid": thumbprint, "alg": algorithm, "use": "sig"}

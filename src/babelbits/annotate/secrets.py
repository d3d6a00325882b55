"""Secrets of a campaign: keyed hashes, opaque ids, passwords. Nothing is stored in clear.

A campaign has one secret of 32 bytes in its folder. Tokens are random and only their hashes are
kept; ids that a rater sees are keyed hashes, so that they say nothing and cannot be guessed.
"""

import base64
import hashlib
import hmac
import secrets

TOKEN_BYTES = 24
_SCRYPT = {"n": 2**14, "r": 8, "p": 1}  # 16 MB and about 50 ms


def make_secret() -> bytes:
    """32 random bytes."""
    return secrets.token_bytes(32)


def make_token() -> str:
    """A random token for a URL or a cookie: 192 bits."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def make_password() -> str:
    """A random password that people can type."""
    letters = "abcdefghjkmnpqrstuvwxyz23456789"  # none that look alike
    return "-".join("".join(secrets.choice(letters) for _ in range(5)) for _ in range(4))


def hash_token(token: str) -> str:
    """How a token is kept: it is random, so a plain hash cannot be reversed."""
    return hashlib.sha256(token.encode()).hexdigest()


def hash_with_key(secret: bytes, purpose: str, *parts: object) -> bytes:
    """HMAC-SHA256 of the parts, for one purpose only."""
    message = "\x1f".join([purpose, *map(str, parts)])
    return hmac.new(secret, message.encode(), hashlib.sha256).digest()


def derive_number(secret: bytes, purpose: str, *parts: object) -> int:
    """The same as a number below 2**64."""
    return int.from_bytes(hash_with_key(secret, purpose, *parts)[:8], "big")


def derive_id(secret: bytes, purpose: str, *parts: object) -> str:
    """The same as an id for a page: 132 bits in 22 letters."""
    return base64.urlsafe_b64encode(hash_with_key(secret, purpose, *parts)).decode()[:22]


def hash_password(password: str) -> str:
    """A salted scrypt hash.

    References
    ----------
    RFC 7914; OWASP's password storage cheat sheet for the parameters.
    """
    salt = secrets.token_bytes(16)
    return f"{salt.hex()}${_scrypt(password, salt).hex()}"


def check_password(password: str, kept: str) -> bool:
    """Whether `password` is the one whose hash is `kept`; takes as long if it is not."""
    salt, _, digest = kept.partition("$")
    return hmac.compare_digest(_scrypt(password, bytes.fromhex(salt)).hex(), digest)


def is_same(first: str, second: str) -> bool:
    """Whether two secrets are equal, in constant time."""
    return hmac.compare_digest(first.encode(), second.encode())


def _scrypt(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, dklen=32, **_SCRYPT)

"""Verifies who calls: the statement that a Cardea gateway signs for each request."""

import base64
import hashlib
import time

import jwt
import rfc8785


class Refused(Exception):
    """The statement is not one to act on."""


class Verifier:
    """Verifies statements of one gateway for one server."""

    def __init__(self, jwks_url: str, issuer: str, audience: str) -> None:
        self.keys = jwt.PyJWKClient(jwks_url, cache_keys=True)
        self.issuer, self.audience = issuer, audience
        self.seen: dict[str, int] = {}

    def verify(self, token: str, tool: str, arguments: dict | None) -> dict:
        """The claims of a statement about this very call; each statement is good once."""
        try:
            if jwt.get_unverified_header(token).get("typ") != "txntoken+jwt":
                raise Refused("not a transaction token")
            claims = jwt.decode(
                token,
                self.keys.get_signing_key_from_jwt(token).key,
                algorithms=["ES256"],
                issuer=self.issuer,
                audience=self.audience,
                options={"require": ["iss", "aud", "iat", "exp", "sub", "txn"]},
            )
        except jwt.PyJWTError as error:
            raise Refused(str(error)) from error
        context = claims["tctx"]
        if context.get("tool") != tool:
            raise Refused("made for another tool")
        digest = hashlib.sha256(rfc8785.dumps(arguments or {})).digest()
        if context.get("args_sha256") != base64.urlsafe_b64encode(digest).rstrip(b"=").decode():
            raise Refused("made for other arguments")
        self._once(claims["txn"], claims["exp"])
        return claims

    def _once(self, txn: str, expires: int) -> None:
        now = time.time()
        self.seen = {txn: exp for txn, exp in self.seen.items() if exp > now}
        if txn in self.seen:
            raise Refused("seen before")
        self.seen[txn] = expires

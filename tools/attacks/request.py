"""Single HTTP requests, for attackers who say what no client library would."""

import dataclasses
import http.client
import json
import urllib.parse

ANSWER_WITHIN_S = 10
BODY_BYTES_MAX = 65536

# The handshake as any page can send it.
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-03-26", "capabilities": {}, "clientInfo": {"name": "page", "version": "1"}},
}


@dataclasses.dataclass(frozen=True)
class Answer:
    text: str
    session: str = ""


def request(method: str, url: str, headers: dict[str, str], message: dict | None = None) -> Answer:
    """The status and the beginning of what comes: all of it, a message of a stream, or why nothing did."""
    address = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port or 80, timeout=ANSWER_WITHIN_S)
    try:
        usual = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
        target = address.path + (f"?{address.query}" if address.query else "")
        connection.request(method, target, json.dumps(message) if message else None, {**usual, **headers})
        answer = connection.getresponse()
        body = b""
        # A stream may begin with an event without data, and goes on after the message.
        while b"jsonrpc" not in body and len(body) < BODY_BYTES_MAX and (more := answer.read1(BODY_BYTES_MAX)):
            body += more
        return Answer(f"{answer.status} {body!r}", answer.headers.get("Mcp-Session-Id", ""))
    except (OSError, http.client.HTTPException) as error:
        return Answer(f"{type(error).__name__}: {error}")
    finally:
        connection.close()


def bearer(token: str) -> dict[str, str]:
    """The header for a token; none where there is none."""
    return {"Authorization": f"Bearer {token}"} if token else {}

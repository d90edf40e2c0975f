"""A person at the console, who approves what she is asked for."""

import pathlib
import re
import secrets
import subprocess

import httpx


class Approver:
    """Logs in with an account of its own, and approves requests by the console's API."""

    def __init__(self, cardea: str, config: pathlib.Path, origin: str, tenant: str, person: str):
        self.origin = origin
        self.client = httpx.Client(base_url=origin, follow_redirects=True, headers={"origin": origin}, timeout=30)
        link = subprocess.run(
            [cardea, "account", "add", "--config", str(config), "--tenant", tenant, "--subject", person],
            check=True, capture_output=True, text=True,
        ).stdout
        address = re.search(r"https?://\S+", link)
        if not address:
            raise SystemExit(f"error: `account add` printed no link: {link}")
        self.password = secrets.token_urlsafe(24)
        page = self.client.get(address.group())
        self._send(page, {"password": self.password, "again": self.password})
        page = self.client.get("/console")
        if "password" in page.text:
            page = self._send(page, {"subject": person, "password": self.password})
        page.raise_for_status()

    def _send(self, page: httpx.Response, fields: dict) -> httpx.Response:
        """Fills in the form of a page."""
        action = re.search(r'<form[^>]*action="([^"]*)"', page.text)
        hidden = dict(re.findall(r'<input[^>]*type="hidden"[^>]*name="([^"]+)"[^>]*value="([^"]*)"', page.text))
        sent = self.client.post(action.group(1) if action else str(page.url), data={**hidden, **fields})
        sent.raise_for_status()
        return sent

    def approve(self, request: str) -> None:
        answer = self.client.post(f"/api/v1/requests/{request}/approve", json={})
        if answer.is_error:
            raise SystemExit(f"error: {request} could not be approved: {answer.status_code} {answer.text[:300]}")

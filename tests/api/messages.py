"""A client of messages, for tests: sends the headers that every request needs."""

from __future__ import annotations

import json
import uuid
from typing import Any

import httpx

from tests.api.answers import CLIENT
from tests.api.service import Service

PATCH = "application/openstack-messaging-v2.0-json-patch"
SECRET = "a-secret-key-of-more-than-32-characters"
# 32 bytes in base64.
KEY = "a2V5LWtleS1rZXkta2V5LWtleS1rZXkta2V5LWtleSE="


class Client:
    """Asks a service about one project.

    Args:
        service: it.
        project: the project; one of its own when left out.
        client: what it is identified by.
    """

    def __init__(self, service: Service, project: str | None = None, client: str = CLIENT["Client-ID"]) -> None:
        self.service = service
        self.project = project or f"p-{uuid.uuid4().hex[:12]}"
        self.headers = {"X-Project-ID": self.project, "Client-ID": client}

    def ask(self, method: str, path: str, body: Any = None, headers: Any = None, **query: Any) -> httpx.Response:
        """An answer, of whatever status."""
        content: dict[str, Any] = {} if body is None else {"json": body}
        sent = {name: value for name, value in {**self.headers, **(headers or {})}.items() if value is not None}
        found: httpx.Response = self.service.client.request(
            method, f"/messaging/v2{path.removeprefix('/v2')}", params=query or None, headers=sent, **content
        )
        return found

    def get(self, path: str, status: int = 200, **query: Any) -> Any:
        """The body of an answer."""
        answer = self.ask("GET", path, **query)
        assert answer.status_code == status, answer.text
        return answer.json()

    def post(self, queue: str, *bodies: Any, **each: Any) -> list[str]:
        """Post messages; their ids."""
        answer = self.ask("POST", f"/queues/{queue}/messages", {"messages": [{"body": body, **each} for body in bodies]})
        assert answer.status_code == 201, answer.text
        return [href.rpartition("/")[2] for href in answer.json()["resources"]]

    def bodies(self, queue: str, **query: Any) -> list[Any]:
        """The bodies of a queue's messages, also of the own ones."""
        return [each["body"] for each in self.get(f"/queues/{queue}/messages", echo="true", **query)["messages"]]

    def claim(self, queue: str, **query: Any) -> tuple[str, list[Any]]:
        """Claim messages: the path of the claim, and its messages."""
        answer = self.ask("POST", f"/queues/{queue}/claims", {"ttl": 60, "grace": 60}, **query)
        assert answer.status_code == 201, answer.text
        return answer.headers["location"], answer.json()["messages"]

    def patch(self, path: str, *changes: Any, media: str = PATCH) -> httpx.Response:
        """Change metadata."""
        return self.service.client.request(
            "PATCH", f"/messaging/v2{path}", content=json.dumps(changes), headers={**self.headers, "Content-Type": media}
        )


def refused(answer: httpx.Response, status: int, title: str) -> str:
    """What a refusal says."""
    assert answer.status_code == status, answer.text
    found = answer.json()
    assert found.keys() == {"title", "description"}
    assert found["title"] == title, found
    text: str = found["description"]
    return text

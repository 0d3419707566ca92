"""A client of a server: typed by the package `selfsame_client`, which is made of the server's own description."""

import time
from collections.abc import Iterator
from typing import TypeVar

import httpx

from selfsame_client.api.events import list_events
from selfsame_client.client import AuthenticatedClient, Client
from selfsame_client.models.event import Event
from selfsame_client.models.problem import Problem

ATTEMPTS = 5

Answer = TypeVar("Answer")


class ProblemError(Exception):
    """A problem that the server tells. `problem.code` is what programs compare."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.status} {problem.code}: {problem.detail} (request {problem.request_id})")
        self.problem = problem


class Retrying(httpx.BaseTransport):
    """Sends a request again that may do better a moment later: where the connection broke, and where the server says so by
    `Retry-After`. A change must have an `Idempotency-Key`, so that it has its effect once."""

    def __init__(self) -> None:
        self._transport = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        attempt = 1
        while True:
            wait = 0.0
            try:
                response = self._transport.handle_request(request)
                if attempt == ATTEMPTS or "retry-after" not in response.headers:
                    return response
                wait = float(response.headers["retry-after"])
                response.close()
            except httpx.TransportError:
                if attempt == ATTEMPTS:
                    raise
            time.sleep(max(wait, 0.05 * 2**attempt))
            attempt += 1

    def close(self) -> None:
        self._transport.close()


def connect(url: str, key: str | None) -> AuthenticatedClient | Client:
    """A client of the server at that URL."""
    httpx_args = {"transport": Retrying()}
    if key is None:
        return Client(base_url=url, httpx_args=httpx_args)
    return AuthenticatedClient(base_url=url, token=key, httpx_args=httpx_args)


def answered(reply: Answer | Problem | None) -> Answer:
    """What was answered, or the problem as an error."""
    if isinstance(reply, Problem):
        raise ProblemError(reply)
    if reply is None:
        raise RuntimeError("the answer has a status that the server's description doesn't have")
    return reply


def events(client: AuthenticatedClient | Client, after: int) -> Iterator[Event]:
    """The events behind that one, in order, page by page. Store the last `sequence` to go on from there."""
    while True:
        page = answered(list_events.sync(client=client, after=after, limit=100))
        yield from page.events
        if not page.events or page.next_cursor is None:
            return
        after = page.events[-1].sequence

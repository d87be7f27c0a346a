# SPDX-License-Identifier: MIT
"""[[test]] as models: a request and what must come out."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from host_sim.config.fields import ClassWord, Duration, Model, Name, Size, Time


class ExpectedRequest(Model):
    """The request of an expectation."""

    method: str = Field("GET", description="Any method; unknown ones are answered 501.")
    path: str = Field(description="Target as received, query included.")
    host: str | None = Field(None, description="Host field.")
    headers: dict[str, str] = Field(default_factory=dict, description="Request headers.")
    client: str | None = Field(None, description="Client address, or the client's name.")
    user: str | None = Field(None, description="The log's user column.")
    tenant: Name | None = Field(None, description="In place of what [[identity]] says.")
    service: Name | None = Field(None, description="In place of routing.")
    priority: ClassWord | None = Field(None, description="Class of the request.")
    weight: int | None = Field(None, ge=1, le=2**32 - 1, description="In place of the route's.")
    role: Literal["admin", "service-account", "user", "guest"] | None = Field(
        None, description="In place of what [[identity]] says."
    )
    body: Size = Field(0, description="Size of the request body.")
    response: Size = Field(0, description="Size of the response.")
    duration: Duration = Field(0, description="How long the service takes.")


class Expect(Model):
    """What must come out; at least one key."""

    verdict: Literal["allow", "deny", "delay", "redirect"] | None = Field(
        None, description="The verdict."
    )
    by: Name | None = Field(None, description="The policy, limit, quota or queue that did it.")
    reason: str | None = Field(None, description="The stable reason word, as in decision logs.")
    status: int | None = Field(None, ge=100, le=599, description="HTTP status.")
    route: Name | None = Field(None, description="The route that matched.")
    service: Name | None = Field(None, description="The service it is for.")
    queued: bool | None = Field(None, description="Whether it has to wait in its queue.")
    location: str | None = Field(None, description="Where a redirect leads.")
    retry_after: Duration | None = Field(None, description="Exactly this long.")
    shadow: list[Name] | None = Field(
        None, description="Exactly these shadow rows would have denied."
    )


class Expectation(Model):
    """An expectation that travels with the file: `raygate check --tests` runs it on a fresh
    core."""

    name: str | None = Field(None, description="Shown when it fails.")
    request: ExpectedRequest = Field(description="The request.")
    at: Time | None = Field(None, description="When; 1970 when absent.")
    repeat: int = Field(
        1, ge=1, le=1_000_000, description="Send it so many times at once; the last answer counts."
    )
    expect: Expect = Field(description="What must come out.")

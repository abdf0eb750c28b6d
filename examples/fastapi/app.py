"""A web service that mails: FastAPI with one client for all requests.

    $ pip install "fastapi[standard]" pillarbox
    $ export MAIL_SERVER=submissions://smtp.example.org MAIL_USER=app@example.org MAIL_PASSWORD=...
    $ fastapi run examples/fastapi/app.py
    $ curl -d '{"to": "ann@example.net", "subject": "Hi", "text": "Hello"}' \
        -H 'Content-Type: application/json' http://127.0.0.1:8000/letters

The client is made when the service starts and keeps its connections. A request ends with what the
mail server said: 200 it has the message, 422 it refuses it, 503 with Retry-After it may take it
later.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Request
from pydantic import BaseModel

import pillarbox

RETRY_SECONDS = 60


class Letter(BaseModel):
    """What is to be mailed."""

    to: str
    subject: str
    text: str


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """One client for the life of the service."""
    user = os.environ["MAIL_USER"]
    app.state.sender = os.environ.get("MAIL_SENDER", user)
    async with pillarbox.connect_async(
        os.environ["MAIL_SERVER"],
        auth=(user, os.environ["MAIL_PASSWORD"]),
        ca_file=os.environ.get("MAIL_CA_FILE", ""),
        pool=pillarbox.Pool(connections=3, wait=10),
    ) as client:
        app.state.client = client
        yield


app = FastAPI(lifespan=lifespan)


def client_of(request: Request) -> pillarbox.AsyncClient:
    """The client, for the functions that need it."""
    client: pillarbox.AsyncClient = request.app.state.client
    return client


@app.post("/letters")
async def post_letter(
    letter: Letter,
    request: Request,
    client: Annotated[pillarbox.AsyncClient, Depends(client_of)],
) -> dict[str, str]:
    """Mail a letter."""
    try:
        result = await client.send(
            pillarbox.Message(
                sender=request.app.state.sender,
                to=letter.to,
                subject=letter.subject,
                text=letter.text,
            )
        )
    except pillarbox.ClientError as error:
        raise _http_error(error) from error
    return {one.address: one.text for one in result}


def _http_error(error: pillarbox.ClientError) -> HTTPException:
    """The client of the service may try again where `is_transient`; the fix is for its owner."""
    is_refused = isinstance(error, pillarbox.MessageRefused | pillarbox.ArgumentError)
    if is_refused and not error.is_transient:
        return HTTPException(422, detail={"code": error.code, "error": str(error)})
    seconds = str(int(error.retry_after or RETRY_SECONDS))
    return HTTPException(503, detail={"code": error.code}, headers={"Retry-After": seconds})

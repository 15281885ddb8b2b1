"""A typical authorizer: FastAPI, keys and endpoints in dicts.

RULES=rules.json uvicorn fastapi_app:app
"""

import json
import os
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import FastAPI, Header, Response

with open(os.environ["RULES"]) as file:
    RULES = json.load(file)

app = FastAPI()


@app.get("/{_:path}")
async def authorize(
    response: Response,
    client_key: Annotated[str | None, Header()] = None,
    original_request_uri: Annotated[str, Header()] = "/",
):
    client_type = RULES["keys"].get(client_key)
    if client_type is None:
        return Response(status_code=401)
    path = urlsplit(original_request_uri).path
    if client_type not in RULES["endpoints"].get("/" + path.split("/")[1], []):
        return Response(status_code=403)
    return Response(status_code=200, headers={"client-type": client_type})

"""The requests in every variant: 1,000 keys and 100 endpoints."""

import hashlib
from pathlib import Path

KEYS = 1000
ENDPOINTS = 100
CLIENT_TYPES = 20
WRONG_KEY = "kg_" + "0" * 43

# The headers of a browser's request in a web application: about 1.3 kB.
BROWSER = {
    "user-agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/141.0.0.0 Safari/537.36",
    "accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,"
    "image/apng,*/*;q=0.8",
    "accept-language": "en-GB,en;q=0.9,it;q=0.8,de;q=0.7",
    "accept-encoding": "gzip, deflate, br, zstd",
    "referer": "https://app.example.com/dashboard/orders?page=2&sort=created",
    "sec-ch-ua": '"Chromium";v="141", "Not?A_Brand";v="8", "Google Chrome";v="141"',
    "sec-ch-ua-mobile": "?0",
    "sec-ch-ua-platform": '"Linux"',
    "sec-fetch-dest": "empty",
    "sec-fetch-mode": "cors",
    "sec-fetch-site": "same-origin",
    "priority": "u=1, i",
    "x-request-id": "6f1c0a3e-0f6a-4c5b-9a57-0b1f6f2f8f11",
    "cookie": "; ".join(
        f"{name}={hashlib.sha256(name.encode()).hexdigest()[:length]}"
        for name, length in [("_ga", 26), ("_ga_V2", 48), ("session", 64), ("csrf", 32), ("theme", 4),
                             ("consent", 64), ("locale", 5), ("cart", 64), ("experiment", 24)]
    ),
}  # fmt: skip
HEADERS = {"small": {"user-agent": "bench/1", "accept": "application/json"}, "browser": BROWSER}


def key(number):
    """Returns a key of the length of a generated one: `kg_` and 43 characters."""
    return "kg_" + hashlib.sha256(f"key {number}".encode()).hexdigest()[:43]


def client_type(number):
    return f"client-{number % CLIENT_TYPES:02}"


def allowed(endpoint):
    """Returns the two client types that an endpoint allows."""
    return [client_type(endpoint), client_type(endpoint + 1)]


def prefix(endpoint):
    return f"/service-{endpoint:02}"


def target(endpoint):
    return f"{prefix(endpoint)}/items/{endpoint * 37}?page=2"


def write_keygate_files(folder: Path):
    """Writes keys.yaml and policy.yaml."""
    keys = ["version: 1", "keys:"]
    for number in range(KEYS):
        digest = hashlib.sha256(key(number).encode()).hexdigest()
        keys.append(f"  - id: key-{number:04}\n    clientType: {client_type(number)}\n    digest: sha256:{digest}")
    (folder / "keys.yaml").write_text("\n".join(keys) + "\n")
    policy = ["version: 1", "endpoints:"]
    for endpoint in range(ENDPOINTS):
        expression = " || ".join(f"clientType === '{name}'" for name in allowed(endpoint))
        policy.append(f"  - path: {prefix(endpoint)}\n    groupExpression: {expression}")
    (folder / "policy.yaml").write_text("\n".join(policy) + "\n")


def write_wrk_script(folder: Path, headers: str) -> Path:
    """Writes a script that sends every key in turn, to an endpoint that allows it; the requests are prepared.

    Arguments of the script: a file with one more header line for each request, and the line to start at.
    These requests are formatted when they are sent, for there may be many.
    """
    lines = "".join(f'["{name}"] = [[{value}]],\n' for name, value in HEADERS[headers].items())
    pairs = ",\n".join(
        f'{{"{key(number)}", "{target(number % ENDPOINTS)}"}}' for number in range(KEYS)
    )
    script = folder / f"{headers}.lua"
    script.write_text(f"""
local pairs_of_key_and_target = {{
{pairs}
}}
local requests, credentials, turn = {{}}, nil, 0

local function format(pair, name, value)
    local headers = {{ ["Host"] = "api.example.com", ["client-key"] = pair[1],
{lines}}}
    if name then headers[name] = value end
    return wrk.format("GET", pair[2], headers)
end

function init(args)
    if args[1] then
        credentials, turn = {{}}, tonumber(args[2])
        for line in io.lines(args[1]) do credentials[#credentials + 1] = line end
        return
    end
    for i, pair in ipairs(pairs_of_key_and_target) do requests[i] = format(pair) end
end

function request()
    turn = turn + 1
    if not credentials then return requests[(turn - 1) % #requests + 1] end
    local name, value = credentials[(turn - 1) % #credentials + 1]:match("^(.-): (.*)$")
    return format(pairs_of_key_and_target[(turn - 1) % #pairs_of_key_and_target + 1], name, value)
end
""")
    return script

-- Keygate behind HAProxy: `http-request lua.keygate` sends an authorization request for each client request.
-- If Keygate denies the request, the client gets the denial; otherwise, `txn.keygate` is set to `allowed`.

local CHECK = "http://127.0.0.1:7080/check"
local TIMEOUT_MS = 2000

-- Headers from the client that concern its connection and the request body.
local NOT_SENT = {
    "connection", "content-length", "expect", "host", "keep-alive", "proxy-connection", "te", "trailer",
    "transfer-encoding", "upgrade",
}

-- Headers of the response that are passed to the backend. The returned cookies do not contain the key.
local TO_BACKEND = {
    "client-type", "miauserid", "miausergroups", "miauserproperties", "x-keygate-key-id",
    "x-keygate-token", "cookie",
}

-- Headers of a denial that are passed to the client.
local TO_CLIENT = { "content-type", "cache-control", "www-authenticate", "x-keygate-reason" }

-- Headers that are removed, because backends do not get the key.
local KEYS = { "client-key", "secret" }

-- HAProxy counts the values of a header from 0, and `core.httpclient` takes a list.
local function list(values)
    local copied = {}
    for n = 0, #values do
        copied[#copied + 1] = values[n]
    end
    return copied
end

local function request_headers(txn)
    local headers = {}
    for name, values in pairs(txn.http:req_get_headers()) do
        headers[name] = list(values)
    end
    for _, name in ipairs(NOT_SENT) do
        headers[name] = nil
    end
    -- These replace headers of the same name from the client.
    headers["x-forwarded-method"] = { txn.f:method() }
    headers["x-forwarded-uri"] = { txn.f:url() }
    headers["x-forwarded-host"] = { txn.f:req_hdr("host") }
    headers["x-forwarded-for"] = { txn.f:src() }
    return headers
end

local function deny(txn, response)
    local reply = txn:reply({ status = response.status, body = response.body })
    for _, name in ipairs(TO_CLIENT) do
        local values = response.headers[name]
        if values then
            reply:add_header(name, values[0])
        end
    end
    txn:done(reply)
end

local function allow(txn, response)
    for _, name in ipairs(KEYS) do
        txn.http:req_del_header(name)
    end
    for _, name in ipairs(TO_BACKEND) do
        local values = response.headers[name]
        txn.http:req_del_header(name)
        if values then
            txn.http:req_set_header(name, values[0])
        end
    end
    txn:set_var("txn.keygate", "allowed")
end

core.register_action("keygate", { "http-req" }, function(txn)
    local response = core.httpclient():get({
        url = CHECK,
        headers = request_headers(txn),
        timeout = TIMEOUT_MS,
    })
    -- If Keygate does not respond in time, `core.httpclient` returns its own response, which contains no
    -- reason.
    local reasons = response and response.headers["x-keygate-reason"]
    if not reasons then
        return
    end
    if response.status == 200 and reasons[0] == "ok" then
        allow(txn, response)
    elseif response.status >= 400 then
        deny(txn, response)
    end
end)

// A typical authorizer: node:http, keys and endpoints in maps.
// node node.mjs PORT KEYS.json
import { createServer } from "node:http";
import { readFileSync } from "node:fs";

const [port, file] = process.argv.slice(2);
const { keys, endpoints } = JSON.parse(readFileSync(file, "utf8"));
const clientTypes = new Map(Object.entries(keys));

createServer((request, response) => {
  const clientType = clientTypes.get(request.headers["client-key"]);
  if (clientType === undefined) {
    response.writeHead(401, { "content-length": 0 }).end();
    return;
  }
  const path = new URL(request.headers["original-request-uri"], "http://gateway").pathname;
  const allowed = endpoints[`/${path.split("/")[1]}`];
  if (!allowed?.includes(clientType)) {
    response.writeHead(403, { "content-length": 0 }).end();
    return;
  }
  response.writeHead(200, { "content-length": 0, "client-type": clientType }).end();
}).listen(Number(port), "127.0.0.1");

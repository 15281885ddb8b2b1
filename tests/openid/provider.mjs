// An OpenID provider for the system tests: oauth2-mock-server, driven by lines of JSON.
//
//   node provider.mjs FOLDER PORT        FOLDER has the node_modules of package.json
//
// Each line of standard input is a command, and each line of standard output the result of one:
//   {"do": "key", "alg": "ES256", "kid": "…"}       generates a key; the former ones stay published
//   {"do": "only", "kid": "…"}                      stops publishing all other keys
//   {"do": "token", "kid": "…", "claims": {…}}      issues a token
//   {"do": "stop"}, {"do": "start"}                 closes the listener, and opens it on the same port
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { createInterface } from "node:readline";

const [folder, port] = process.argv.slice(2);
const { OAuth2Server } = createRequire(resolve(folder, "package.json"))("oauth2-mock-server");

const address = [Number(port), "127.0.0.1"];
let server = new OAuth2Server();
await server.start(...address);
const issuer = server.issuer.url;

function jwk(kid) {
  const found = server.issuer.keys.toJSON(true).find((key) => key.kid === kid);
  if (!found) throw new Error(`there is no key ${kid}`);
  return found;
}

async function stop() {
  await server.stop();
  // It can go on issuing tokens.
  server.issuer.url = issuer;
}

const commands = {
  async key({ alg, kid }) {
    await server.issuer.keys.generate(alg, { kid });
  },
  async only({ kid }) {
    const kept = jwk(kid);
    await server.stop();
    server = new OAuth2Server();
    await server.issuer.keys.add(kept);
    await server.start(...address);
  },
  token({ kid, claims }) {
    const transform = (_header, payload) => Object.assign(payload, claims);
    return server.issuer.buildToken({ kid, scopesOrTransform: transform });
  },
  stop,
  start: () => server.start(...address),
};

const respond = (result) => process.stdout.write(`${JSON.stringify(result)}\n`);
respond({ value: issuer });
for await (const line of createInterface({ input: process.stdin })) {
  const { do: name, ...options } = JSON.parse(line);
  try {
    respond({ value: (await commands[name](options)) ?? null });
  } catch (error) {
    respond({ error: String(error) });
  }
}
process.exit(0);

// Tokens of one key, and its key set: FOLDER/tokens with a header line each, FOLDER/jwks.json.
//
//   node tokens.mjs FOLDER ALGORITHM ISSUER COUNT
import { generateKeyPairSync, sign } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

const [folder, alg, issuer, count] = process.argv.slice(2);
const { privateKey, publicKey } =
  alg === "RS256"
    ? generateKeyPairSync("rsa", { modulusLength: 2048 })
    : generateKeyPairSync("ec", { namedCurve: "P-256" });
const jwk = { ...publicKey.export({ format: "jwk" }), kid: "bench", use: "sig", alg };
writeFileSync(join(folder, "jwks.json"), JSON.stringify({ keys: [jwk] }));

const encoded = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
const header = encoded({ alg, typ: "JWT", kid: "bench" });
const now = Math.floor(Date.now() / 1000);
// About a kilobyte, as tokens of common providers are.
const roles = Array.from({ length: 20 }, (_, n) => `application-role-${n}`);
const lines = [];
for (let n = 0; n < Number(count); n += 1) {
  const claims = encoded({
    iss: issuer, aud: "bench", sub: `user-${n}`, iat: now, exp: now + 24 * 3600, jti: `token-${n}`,
    groups: ["admin", "editor"], realm_access: { roles }, email: `user-${n}@example.com`,
  });
  const message = `${header}.${claims}`;
  const signature = sign("sha256", Buffer.from(message), { key: privateKey, dsaEncoding: "ieee-p1363" });
  lines.push(`authorization: Bearer ${message}.${signature.toString("base64url")}`);
}
writeFileSync(join(folder, "tokens"), `${lines.join("\n")}\n`);

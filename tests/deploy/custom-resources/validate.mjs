// Validates custom resources against the validators of @kubernetes-models, which are installed in the folder
// that the argument names. Reads a JSON array of objects, and writes a JSON array of problems.
//
// The validators ignore unknown fields. They read every field that they know, so a field that none of them has
// read is unknown.

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const PACKAGES = {
  "bitnami.com": "sealed-secrets",
  "external-secrets.io": "external-secrets",
  "gateway.envoyproxy.io": "envoy-gateway",
  "gateway.networking.k8s.io": "gateway-api",
  "networking.istio.io": "istio",
  "security.istio.io": "istio",
  "traefik.io": "traefik",
};

const objects = JSON.parse(readFileSync(0, "utf8"));
const problems = [];
for (const object of objects) {
  const { apiVersion, kind, metadata } = object;
  const report = (text) => problems.push(`${kind} \`${metadata?.name}\`: ${text}`);
  const { [kind]: Model } = await modelsOf(apiVersion, kind);
  if (!Model) {
    problems.push(`${apiVersion} has no kind \`${kind}\``);
    continue;
  }
  const read = new Map();
  try {
    Model.prototype.validate.call(recording(object, read));
  } catch (error) {
    report(error.message);
  }
  for (const field of unread(object, read, "")) report(`unknown field ${field}`);
}
process.stdout.write(JSON.stringify(problems));

async function modelsOf(apiVersion, kind) {
  const name = PACKAGES[apiVersion.split("/")[0]];
  const file = resolve(process.argv[2], "node_modules/@kubernetes-models", `${name}/${apiVersion}/${kind}.js`);
  return import(pathToFileURL(file)).catch((error) => {
    if (error.code === "ERR_MODULE_NOT_FOUND") return {};
    throw error;
  });
}

/** Returns a view of a value; `read` gets the fields of each object that are read through it. */
function recording(value, read) {
  if (value === null || typeof value !== "object") return value;
  const fields = new Set();
  read.set(value, fields);
  const views = new Map();
  return new Proxy(value, {
    get(target, name) {
      fields.add(name);
      if (!views.has(name)) views.set(name, recording(target[name], read));
      return views.get(name);
    },
  });
}

function* unread(value, read, path) {
  const fields = read.get(value);
  // No validator has read a field: the schema allows any content here.
  if (!fields?.size) return;
  for (const [name, content] of Object.entries(value)) {
    const place = Array.isArray(value) ? `${path}[${name}]` : path ? `${path}.${name}` : name;
    if (!fields.has(name)) yield place;
    else if (content !== null && typeof content === "object") yield* unread(content, read, place);
  }
}

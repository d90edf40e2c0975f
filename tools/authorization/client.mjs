// A small OAuth client of an MCP server, for what SDKs do not let anybody try: it does nothing by itself.
import { createHash, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { readFileSync } from "node:fs";
import { request as httpsRequest } from "node:https";

const MODERN = "2026-07-28";

const random = () => randomBytes(32).toString("base64url");
const sha256 = (text) => createHash("sha256").update(text).digest("base64url");

/** One authorization request: its address, and what its client has to remember. */
export function authorization(endpoint, { client_id, redirect_uri, ...more }) {
  const [verifier, state] = [random(), random()];
  const parameters = {
    response_type: "code",
    client_id,
    redirect_uri,
    state,
    code_challenge: sha256(verifier),
    code_challenge_method: "S256",
    ...more,
  };
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined);
  return { url: `${endpoint}?${new URLSearchParams(given)}`, verifier, state, client_id, redirect_uri };
}

/** Asks the token endpoint; returns `{ status, json }`. */
export async function token(endpoint, form, { headers = {}, ca } = {}) {
  return exchange(endpoint, {
    method: "POST",
    headers: { "content-type": "application/x-www-form-urlencoded", ...headers },
    body: String(new URLSearchParams(form)),
    ca,
  });
}

/** Redeems the code of an answer for the request that it answers. */
export function redeem(endpoint, request, answer, { more = {}, ...options } = {}) {
  const form = {
    grant_type: "authorization_code",
    code: answer.code,
    client_id: request.client_id,
    redirect_uri: request.redirect_uri,
    code_verifier: request.verifier,
    ...more,
  };
  return token(endpoint, form, options);
}

/** Calls the tool `add` with 2 and 3; returns `{ status, json, challenge, sum }`. */
export async function callAdd(url, bearer, { ca, headers = {} } = {}) {
  const meta = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": { name: "authorization-tests", version: "1" },
    "io.modelcontextprotocol/clientCapabilities": {},
  };
  const params = { name: "add", arguments: { a: 2, b: 3 }, _meta: meta };
  const answer = await exchange(url, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      "mcp-protocol-version": MODERN,
      "mcp-method": "tools/call",
      "mcp-name": "add",
      ...(bearer && { authorization: `Bearer ${bearer}` }),
      ...headers,
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params }),
    ca,
  });
  return { ...answer, sum: answer.json?.result?.content?.[0]?.text };
}

/** Where a server's metadata are, by its challenge, and what they and their first issuer's say. */
export async function discover(url) {
  const { challenge } = await callAdd(url);
  const [, at] = challenge.match(/resource_metadata="([^"]+)"/);
  const resource = (await exchange(at)).json;
  const [issuer] = resource.authorization_servers;
  for (const kind of ["oauth-authorization-server", "openid-configuration"]) {
    const { status, json } = await exchange(`${issuer}/.well-known/${kind}`);
    if (status === 200) return { resource, issuer: json };
  }
  throw new Error(`${issuer} has no metadata`);
}

/** A DPoP key (RFC 9449), which makes proofs. */
export function dpopKey() {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const { kty, crv, x, y } = publicKey.export({ format: "jwk" });
  return {
    thumbprint: sha256(JSON.stringify({ crv, kty, x, y })),
    proof(method, uri, accessToken, nonce) {
      const claims = { jti: random(), htm: method, htu: uri, iat: Math.floor(Date.now() / 1000) };
      if (accessToken) claims.ath = sha256(accessToken);
      if (nonce) claims.nonce = nonce;
      return jws({ typ: "dpop+jwt", alg: "ES256", jwk: { kty, crv, x, y } }, claims, privateKey);
    },
  };
}

function jws(header, claims, key) {
  const text = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
  const signature = sign("sha256", Buffer.from(text), { key, dsaEncoding: "ieee-p1363" });
  return `${text}.${signature.toString("base64url")}`;
}

/** The claims of a token, unverified: that is for the gateway. */
export const claimsOf = (jwt) => JSON.parse(Buffer.from(jwt.split(".")[1], "base64url"));

/** One request without redirects; over TLS to an authority of the tests' own where `ca` names its file. */
export async function exchange(url, { ca, ...init } = {}) {
  const { status, headers, text } = ca ? await overTls(url, init, ca) : await plain(url, init);
  return { status, headers, text, json: parsed(text), challenge: headers["www-authenticate"] };
}

async function plain(url, init) {
  const response = await fetch(url, { redirect: "manual", ...init });
  return { status: response.status, headers: Object.fromEntries(response.headers), text: await response.text() };
}

function overTls(url, { method = "GET", headers, body }, ca) {
  return new Promise((resolve, reject) => {
    const request = httpsRequest(url, { method, headers, ca: readFileSync(ca) }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk) => (text += chunk));
      response.on("end", () => resolve({ status: response.statusCode, headers: response.headers, text }));
    });
    request.on("error", reject).end(body);
  });
}

/** JSON, also where it is the one event of a stream. */
function parsed(text) {
  const data = text.match(/^data: ?(\{.*)$/m)?.[1] ?? text;
  try {
    return JSON.parse(data);
  } catch {
    return undefined;
  }
}

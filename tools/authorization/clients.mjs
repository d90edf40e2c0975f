// Real MCP clients log in: each discovers the authorization server, introduces itself, opens a browser with a person in
// front of it, and calls a tool. `tools/clients/README.md` has the drivers and what each client cannot do.
import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { fileURLToPath } from "node:url";
import { ACCOUNT } from "./person.mjs";
import { openidProvider } from "./provider.mjs";
import { TENANT, gateway } from "./stand.mjs";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const driver = (name) => here(`../clients/${name}`);
const RMCP = join(process.env.CARGO_TARGET_DIR ?? here("../../target"), "oauth-rmcp/debug/oauth-rmcp");

/**
 * `refusal` is how a client tells of a person who says no, where that is not by its code. A client that `asksOffline`
 * asks for `offline_access` as OpenID Connect wants it, with `prompt=consent`; others get no refresh token from
 * `oidc-provider`.
 */
const CLIENTS = [
  { name: "python mcp", command: [driver(".venv/bin/python3"), driver("oauth_python_mcp.py")], asksOffline: true },
  { name: "typescript 2", command: [process.execPath, driver("oauth_ts2.mjs")], asksOffline: true, bindsTokens: true },
  { name: "typescript 1", command: [process.execPath, driver("oauth_ts1.mjs")] },
  { name: "rmcp", command: [RMCP], refusal: /callback missing code/ },
];

/** What servers know beforehand: any port of the redirect will do. */
const CLIENT = { id: "real-client", redirect: "http://127.0.0.1/callback" };

/** The same, whose tokens are short of life where the server tells clients apart. */
const BRIEF = { id: "brief-client", redirect: CLIENT.redirect };

/** Long enough for a slow machine to make its calls, and then to be waited for. */
const BRIEF_TTL_S = 20;

const KNOWN = ["--client-id", CLIENT.id];

/** What a client is told to do, and what its report must then say beside that it worked. */
const WAYS = {
  known: { name: "is known beforehand", args: KNOWN, registered: "pre-registered" },
  renews: { name: "gets a new token at the end of the first", args: ["--client-id", BRIEF.id, "--refresh"], registered: "pre-registered" },
  registers: { name: "registers itself", args: [], registered: "dynamic" },
  document: { name: "is known by its document", args: [], registered: "document" },
  binds: { name: "binds its tokens to a key", args: [...KNOWN, "--dpop"], registered: "pre-registered" },
  denied: { name: "is told that the person says no", args: KNOWN, decision: "deny" },
};

/** Clients at a time: each is a program with a browser. */
const WORKERS = 2;

/** What hangs is given up: first by the driver, then here, last by the table. */
const DRIVER_WITHIN_S = 200;
const WITHIN_MS = 220_000;

export default async function clients(table, world) {
  const host = await documentHost();
  try {
    for (const open of [builtIn, external]) await at(await open(world, host), table);
  } finally {
    await host.stop();
  }
}

async function at(stand, table) {
  try {
    await all(table, stand);
  } finally {
    await stand.stop();
  }
}

/** A gateway with an authorization server of its own, whose tokens have the shortest life that there is. */
async function builtIn(world, host) {
  const server = {
    access_ttl: "30s",
    registration: true,
    clients: [CLIENT, BRIEF].map(({ id, redirect }) => ({ id, redirect_uris: [redirect] })),
    private_document_hosts: { localhost: { ca_file: host.caFile } },
  };
  const stand = await gateway({ server, upstream: world.upstream });
  const person = await world.browser.person(ACCOUNT);
  await person.setUp(stand.links[0]);
  await person.close();
  return { part: "clients", url: stand.url, document: host.url, stop: stand.stop };
}

/** A gateway that takes the tokens of `oidc-provider`, which clients find by it. */
async function external(world, host) {
  // The provider fetches documents with the authorities of this process.
  setDefaultCACertificates([...getCACertificates(), readFileSync(host.caFile, "utf8")]);
  const provider = await openidProvider({
    accounts: { [ACCOUNT.name]: ACCOUNT.password },
    clients: [CLIENT, BRIEF].map(({ id, redirect }) => ({
      client_id: id,
      application_type: "native",
      redirect_uris: [redirect],
      grant_types: ["authorization_code", "refresh_token"],
      token_endpoint_auth_method: "none",
    })),
    accessTtlS: (client) => (client === BRIEF.id ? BRIEF_TTL_S : 300),
    registration: true,
    documents: true,
  });
  // Clients ask for the scopes that the gateway names. Where it names none they ask for none, and get nothing here.
  const issuers = [{ issuer: provider.issuer, tenant: TENANT, required_scopes: ["mcp"] }];
  const stand = await gateway({ server: null, config: { issuers }, upstream: world.upstream });
  const stop = async () => {
    await stand.stop();
    await provider.stop();
  };
  return { part: "clients, external", url: stand.url, document: host.url, needsOffline: true, stop };
}

async function all(table, stand) {
  const waiting = CLIENTS.flatMap((client) => waysOf(client, stand).map((way) => ({ client, way })));
  // Those that wait for the end of a token wait beside the others.
  waiting.sort((a, b) => (b.way === WAYS.renews) - (a.way === WAYS.renews));
  await Promise.all(
    Array.from({ length: WORKERS }, async () => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const { client, way } = next;
        await table.check(stand.part, `${client.name} ${way.name}`, () => judge(stand, client, way), { attempts: 2 });
      }
    }),
  );
}

function waysOf({ asksOffline, bindsTokens }, { needsOffline }) {
  const { known, renews, registers, document, binds, denied } = WAYS;
  const first = asksOffline || !needsOffline ? renews : known;
  return [first, registers, document, ...(bindsTokens ? [binds] : []), denied];
}

async function judge(stand, client, way) {
  // A bound token must be worth nothing as bare text, even where it is for.
  const elsewhere = stand.url(way === WAYS.binds ? "tools" : "other");
  const report = await drive(client.command, way.decision, [
    ...["--url", stand.url("tools"), "--call", "add", "--args", '{"a":2,"b":3}', "--elsewhere", elsewhere],
    ...["--timeout-s", String(DRIVER_WITHIN_S)],
    ...(way === WAYS.document ? ["--client-metadata-url", stand.document] : []),
    ...way.args,
  ]);
  if (way === WAYS.denied) refused(report, client);
  else completed(report, way);
}

function refused({ error }, client) {
  assert.ok(error, "the client got in");
  if (client.refusal) assert.match(error.message, client.refusal);
  else assert.equal(error.code, "access_denied", JSON.stringify(error));
}

function completed(report, way) {
  const text = JSON.stringify(report);
  assert.equal(report.error, undefined, text);
  assert.equal(report.result_text, "5", text);
  assert.equal(report.registered, way.registered, text);
  assert.equal(report.authorizations, 1, text);
  assert.ok(report.scopes.includes("mcp"), text);
  assert.equal(report.elsewhere.status, 401, text);
  assert.match(report.elsewhere.www_authenticate, /error="invalid_token"/, text);
  if (way === WAYS.renews) assert.equal(report.refreshed, true, text);
  if (way === WAYS.binds) assert.equal(report.token_type, "DPoP", text);
}

function drive([program, ...before], decision = "allow", args) {
  const person = { PERSON_NAME: ACCOUNT.name, PERSON_PASSWORD: ACCOUNT.password, PERSON_DECISION: decision };
  const options = { env: { ...process.env, ...person }, timeout: WITHIN_MS, maxBuffer: 16 << 20 };
  const browser = ["--browser", here("person.mjs")];
  return new Promise((resolve) => {
    execFile(program, [...before, ...browser, ...args], options, (failure, stdout, stderr) => {
      try {
        resolve(JSON.parse(stdout));
      } catch {
        resolve({ error: { message: `it printed no report: ${failure?.message ?? ""} ${stderr.slice(-2000)}` } });
      }
    });
  });
}

/** The host of the client's metadata document, over TLS with a certificate that only `caFile` vouches for. */
async function documentHost() {
  const folder = mkdtempSync(join(tmpdir(), "cardea-document-"));
  const { caFile, keyFile } = certificate(folder);
  const options = { cert: readFileSync(caFile), key: readFileSync(keyFile) };
  const server = createServer(options, (_request, response) => {
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(document));
  });
  // By name: it is then the address that whoever looks the name up finds first.
  await new Promise((resolve) => server.listen(0, "localhost", resolve));
  const url = `https://localhost:${server.address().port}/client.json`;
  const document = {
    client_id: url,
    client_name: "Real client",
    application_type: "native",
    redirect_uris: [CLIENT.redirect],
    grant_types: ["authorization_code", "refresh_token"],
    response_types: ["code"],
    token_endpoint_auth_method: "none",
  };
  const stop = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    rmSync(folder, { recursive: true, force: true });
  };
  return { url, caFile, stop };
}

/** A certificate for localhost that vouches for itself, without being an authority: those name no servers. */
function certificate(folder) {
  const [caFile, keyFile, request] = ["cert.pem", "key.pem", "request.cnf"].map((name) => join(folder, name));
  const subject = ["[req]", "distinguished_name=name", "x509_extensions=more", "prompt=no", "[name]", "CN=localhost"];
  writeFileSync(request, [...subject, "[more]", "subjectAltName=DNS:localhost", "basicConstraints=CA:FALSE"].join("\n"));
  const kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
  execFileSync("openssl", ["req", ...kind, "-config", request, "-out", caFile, "-keyout", keyFile], { stdio: "pipe" });
  return { caFile, keyFile };
}

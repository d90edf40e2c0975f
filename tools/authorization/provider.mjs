// `oidc-provider`, an OpenID provider of other people's, with the two pages that it leaves to whoever runs it.
//
//   const provider = await openidProvider({ accounts, clients, claims });
//   provider.issuer            its name
//   provider.tamper            what an attacker in the middle of the browser changes: { request, redirect }
//   await provider.stop()
import Provider from "oidc-provider";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { freePort } from "./stand.mjs";

/** A page's form is a few fields. */
const FORM_BYTES_MAX = 8192;

const ACCESS_TTL_S = 300;

/** Longer than any login: clients that keep connections for longer than Node does meet them as they are closed. */
const IDLE_MS = 300_000;

/**
 * Starts a provider on loopback.
 *
 * `accounts` are names with their passwords, `claims(name)` is what ID tokens and access tokens say of somebody beside
 * `sub`, `clients` are its clients as RFC 7591 describes them. Tokens for a resource (RFC 8707) are JWTs by RFC 9068
 * whose audience it is; they are good for `accessTtlS(client)` seconds, by the client's id. `registration` lets clients register themselves,
 * `documents` lets them be known by their metadata document. Clients in `trusted` are not asked about.
 */
export async function openidProvider({
  accounts,
  clients = [],
  claims = () => ({}),
  scope = "mcp",
  accessTtlS = () => ACCESS_TTL_S,
  registration = false,
  documents = false,
  trusted = [],
}) {
  const port = await freePort();
  const issuer = `http://127.0.0.1:${port}`;
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const named = Object.keys(claims(Object.keys(accounts)[0] ?? ""));
  const provider = new Provider(issuer, {
    clients,
    jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), use: "sig", alg: "ES256", kid: randomBytes(8).toString("hex") }] },
    cookies: { keys: [randomBytes(32).toString("base64url")] },
    clientDefaults: { id_token_signed_response_alg: "ES256" },
    enabledJWA: { idTokenSigningAlgValues: ["ES256"] },
    // ID tokens say who somebody is by themselves; nobody here asks the userinfo endpoint.
    conformIdTokenClaims: false,
    claims: { openid: ["sub", ...named] },
    // A client that registers itself says which scopes it will ask for; those of the resource count only if they are here.
    scopes: ["openid", "offline_access", ...scope.split(" ")],
    findAccount: (_, name) =>
      Object.hasOwn(accounts, name) ? { accountId: name, claims: () => ({ sub: name, ...claims(name) }) } : undefined,
    extraTokenClaims: (_, token) => (token.accountId ? claims(token.accountId) : undefined),
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    loadExistingGrant: (context) => existingGrant(provider, context, trusted),
    // Without its guard against loopback addresses, on which everything is here.
    fetch: (url, { dispatcher, ...options }) => fetch(url, options),
    ttl: {
      AccessToken: (_context, _token, client) => accessTtlS(client.clientId),
      ...{ Grant: 3600, IdToken: 300, Interaction: 600, Session: 3600, RefreshToken: 3600 },
    },
    features: {
      devInteractions: { enabled: false },
      registration: { enabled: registration },
      ...(documents && { clientIdMetadataDocument: { enabled: true, ack: "draft-02" } }),
      resourceIndicators: {
        enabled: true,
        useGrantedResource: () => true,
        getResourceServerInfo: (_, resource) => ({
          scope,
          audience: resource,
          accessTokenFormat: "jwt",
          jwt: { sign: { alg: "ES256" } },
        }),
      },
    },
  });
  provider.on("server_error", (_, error) => console.error(error));
  const tamper = {};
  const server = createServer((request, response) => {
    request.url = tamper.request?.(request.url) ?? request.url;
    if (tamper.redirect) tamperRedirect(response, tamper);
    serve(provider, accounts, request, response).catch((error) => {
      console.error(error);
      response.writeHead(500).end(String(error));
    });
  });
  server.keepAliveTimeout = IDLE_MS;
  await new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
  const stop = () => (server.closeAllConnections(), new Promise((resolve) => server.close(resolve)));
  return { issuer, tamper, stop };
}

/** Lets a change be made to where the provider sends browsers. */
function tamperRedirect(response, tamper) {
  const set = response.setHeader.bind(response);
  response.setHeader = (name, value) => {
    const isLocation = name.toLowerCase() === "location";
    return set(name, isLocation ? (tamper.redirect?.(String(value)) ?? value) : value);
  };
}

/** A client that belongs to the house needs nobody's consent. */
async function existingGrant(provider, context, trusted) {
  const { client, session, result } = context.oidc;
  const id = result?.consent?.grantId ?? session.grantIdFor(client.clientId);
  if (id) return provider.Grant.find(id);
  if (!trusted.includes(client.clientId)) return undefined;
  const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
  grant.addOIDCScope("openid");
  await grant.save();
  return grant;
}

async function serve(provider, accounts, request, response) {
  const [, uid] = request.url.match(/^\/interaction\/([\w-]+)$/) ?? [];
  if (!uid) return provider.callback()(request, response);
  const details = await provider.interactionDetails(request, response);
  if (request.method !== "POST") return show(response, details.prompt.name, details);
  const form = await formOf(request);
  if (details.prompt.name === "login") {
    const name = form.get("subject");
    if (!Object.hasOwn(accounts, name) || accounts[name] !== form.get("password")) return show(response, "login", details);
    return finish(provider, request, response, { login: { accountId: name, amr: ["pwd"] } });
  }
  if (form.get("decision") !== "allow") {
    return finish(provider, request, response, { error: "access_denied", error_description: "the person said no" });
  }
  return finish(provider, request, response, { consent: { grantId: await grant(provider, details) } });
}

function finish(provider, request, response, result) {
  return provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true });
}

/** Grants everything that was asked for. */
async function grant(provider, { grantId, session, params, prompt: { details } }) {
  const found = grantId && (await provider.Grant.find(grantId));
  const granted = found || new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  if (details.missingOIDCScope) granted.addOIDCScope(details.missingOIDCScope.join(" "));
  if (details.missingOIDCClaims) granted.addOIDCClaims(details.missingOIDCClaims);
  for (const [resource, scopes] of Object.entries(details.missingResourceScopes ?? {})) {
    granted.addResourceScope(resource, scopes.join(" "));
  }
  return granted.save();
}

async function formOf(request) {
  let text = "";
  for await (const chunk of request) {
    text += chunk;
    if (text.length > FORM_BYTES_MAX) throw new Error("the form is too long");
  }
  return new URLSearchParams(text);
}

function show(response, page, { uid }) {
  const fields = {
    login: `<label>Name <input name="subject"></label> <label>Password <input name="password" type="password"></label>
      <button type="submit">Log in</button>`,
    consent: `<button name="decision" value="allow">Allow</button> <button name="decision" value="deny">Deny</button>`,
  };
  response.writeHead(200, { "content-type": "text/html; charset=utf-8", "cache-control": "no-store" });
  response.end(`<!doctype html><html lang="en"><title>The provider</title><link rel="icon" href="data:,">
    <h1>The provider</h1><form method="post" action="/interaction/${uid}">${fields[page]}</form>`);
}

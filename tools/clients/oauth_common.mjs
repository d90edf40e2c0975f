// What the JavaScript OAuth drivers share: the command line, the way back from the browser, and a provider that keeps in
// memory what the SDKs ask it to. See README.md.
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";

/** Between two looks at whether a token has ended. */
const LOOK_MS = 250;

export function commandLine() {
  const { values } = parseArgs({
    options: {
      url: { type: "string" },
      browser: { type: "string" },
      "client-id": { type: "string" },
      "client-metadata-url": { type: "string" },
      "redirect-port": { type: "string", default: "0" },
      call: { type: "string" },
      args: { type: "string", default: "{}" },
      elsewhere: { type: "string" },
      refresh: { type: "boolean", default: false },
      dpop: { type: "boolean", default: false },
      "timeout-s": { type: "string", default: "120" },
    },
  });
  if (!values.url || !values.browser || !values.call) throw new Error("--url, --browser and --call are required");
  return {
    url: new URL(values.url),
    browser: values.browser,
    clientId: values["client-id"],
    clientMetadataUrl: values["client-metadata-url"],
    redirectPort: Number(values["redirect-port"]),
    call: values.call,
    args: JSON.parse(values.args),
    elsewhere: values.elsewhere,
    refresh: values.refresh,
    dpop: values.dpop,
    timeoutMs: Number(values["timeout-s"]) * 1000,
  };
}

export function emptyReport(client) {
  return {
    client,
    registered: null,
    client_id: null,
    protocol: null,
    token_type: null,
    scopes: null,
    authorizations: 0,
    result_text: null,
    elsewhere: null,
    refreshed: null,
    http_refusals: [],
  };
}

/** A loopback listener to which the browser comes back; `told` is what the authorization server said by it. */
export async function callbackListener(port) {
  let tell;
  const told = new Promise((resolve) => {
    tell = resolve;
  });
  const server = createServer((request, response) => {
    const url = new URL(request.url, "http://127.0.0.1");
    if (url.pathname !== "/callback") return response.writeHead(404).end();
    response.writeHead(200, { "content-type": "text/plain" }).end("You can close this page.\n");
    return tell(url.searchParams);
  });
  await new Promise((resolve, reject) => server.once("error", reject).listen(port, "127.0.0.1", resolve));
  return { redirectUrl: `http://127.0.0.1:${server.address().port}/callback`, told };
}

/** An `OAuthClientProvider` of either SDK. */
export class Provider {
  #options;
  #listener;
  #browser;
  #client;
  #tokens;
  #verifier;
  #discovery;
  #state;

  /** How often a person was asked. */
  authorizations = 0;

  constructor(options, listener, extraMetadata = {}) {
    this.#options = options;
    this.#listener = listener;
    this.extraMetadata = extraMetadata;
    this.clientMetadataUrl = options.clientMetadataUrl;
    if (options.clientId) this.#client = { client_id: options.clientId };
  }

  get redirectUrl() {
    return this.#listener.redirectUrl;
  }

  get clientMetadata() {
    return {
      client_name: "Real client",
      redirect_uris: [this.redirectUrl],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      ...this.extraMetadata,
    };
  }

  /** How the client came by its id. */
  get registered() {
    if (this.#client?.client_id === undefined) return null;
    if (this.#client.client_id === this.#options.clientId) return "pre-registered";
    return this.#client.client_id === this.clientMetadataUrl ? "document" : "dynamic";
  }

  state() {
    this.#state = randomUUID();
    return this.#state;
  }

  clientInformation() {
    return this.#client;
  }

  saveClientInformation(information) {
    this.#client = information;
  }

  tokens() {
    return this.#tokens;
  }

  saveTokens(tokens) {
    this.#tokens = tokens;
  }

  saveCodeVerifier(verifier) {
    this.#verifier = verifier;
  }

  codeVerifier() {
    return this.#verifier;
  }

  saveDiscoveryState(state) {
    this.#discovery = state;
  }

  discoveryState() {
    return this.#discovery;
  }

  redirectToAuthorization(url) {
    this.authorizations += 1;
    this.#browser = browse(this.#options.browser, url);
  }

  /** What the browser came back with. That `state` is the one that was sent is left to applications by both SDKs. */
  async answer() {
    const gone = this.#browser.then(() => this.#listener.told);
    const answer = await Promise.race([this.#listener.told, gone]);
    if (answer.get("state") !== this.#state) throw new Error("the answer has another state");
    return answer;
  }
}

/** Opens an address in the browser; fails when the person in front of it does. */
function browse(program, url) {
  const opened = new Promise((resolve, reject) => {
    execFile(program, [String(url)], (failure, _stdout, stderr) => {
      if (failure) reject(new Error(`the browser failed: ${failure.message} ${stderr.slice(-2000)}`));
      else resolve();
    });
  });
  // Whoever waits for the answer hears of it.
  opened.catch(() => {});
  return opened;
}

/** How an endpoint takes a bare bearer token. */
export async function presented(url, token) {
  const response = await fetch(url, {
    method: "POST",
    headers: {
      authorization: `Bearer ${token}`,
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "ping" }),
  });
  await response.body?.cancel();
  return { status: response.status, www_authenticate: response.headers.get("www-authenticate") };
}

/** Connects, logs in when that is asked for, and does what the command line says. */
export async function drive(report, options, provider, sdk) {
  let session = await loggedIn(provider, sdk);
  const { token_type, scope, access_token } = provider.tokens();
  Object.assign(report, {
    registered: provider.registered,
    client_id: provider.clientInformation().client_id,
    protocol: session.protocol(),
    token_type,
    scopes: scope?.split(" ") ?? null,
    authorizations: provider.authorizations,
  });
  report.result_text = await session.call(options.call, options.args);
  if (options.elsewhere) report.elsewhere = await presented(options.elsewhere, access_token);
  if (options.refresh) {
    const bearer = () => provider.tokens().access_token;
    const before = bearer();
    while ((await presented(options.url, before)).status !== 401) await pause(LOOK_MS);
    report.result_text = await session.call(options.call, options.args);
    report.refreshed = bearer() !== before && provider.authorizations === 1;
  }
  await session.close();
}

async function loggedIn(provider, sdk) {
  const first = await sdk.connect();
  if (first.session) return first.session;
  await first.finish(await provider.answer());
  const second = await sdk.connect();
  if (!second.session) throw new Error("the client asks for a login again");
  return second.session;
}

#!/usr/bin/env node
// What the TypeScript SDKs do with a 403 that says that a token is not enough, where no other token would be: a grant is
// missing, which people give. See README.md for the command line and the output.
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: { url: { type: "string" }, token: { type: "string" }, call: { type: "string" }, sdk: { type: "string" } },
});
const name = values.sdk === "1" ? "@modelcontextprotocol/sdk" : "@modelcontextprotocol/client";
const { Client, StreamableHTTPClientTransport } =
  values.sdk === "1"
    ? {
        ...(await import(`${name}/client/index.js`)),
        ...(await import(`${name}/client/streamableHttp.js`)),
      }
    : await import(name);

const { version } = JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url), "utf8"));
const report = { client: `${name} ${version}`, refreshes: 0, logins: 0, calls: [] };
const tokens = { access_token: values.token, token_type: "Bearer", refresh_token: "r" };

/** Has a token and can have it again: the token endpoint, which is not the gateway's to answer here, gives the same one. */
const provider = {
  redirectUrl: "http://127.0.0.1:1/callback",
  clientMetadata: { redirect_uris: ["http://127.0.0.1:1/callback"] },
  clientInformation: () => ({ client_id: "stepup" }),
  tokens: () => tokens,
  saveTokens: () => {},
  saveCodeVerifier: () => {},
  codeVerifier: () => "v",
  redirectToAuthorization: () => {
    report.logins += 1;
  },
};

async function watchedFetch(url, init) {
  const body = String(init?.body ?? "");
  if (body.includes("grant_type=refresh_token")) {
    report.refreshes += 1;
    return Response.json(tokens);
  }
  const response = await fetch(url, init);
  if (body.includes('"tools/call"')) report.calls.push(response.status);
  return response;
}

const transport = new StreamableHTTPClientTransport(new URL(values.url), { authProvider: provider, fetch: watchedFetch });
const client = new Client({ name: "cardea-stepup", version: "1" }, { capabilities: {} });
await client.connect(transport);
await client.listTools();
report.errors = [];
for (let n = 0; n < 3; n += 1) {
  try {
    await client.callTool({ name: values.call, arguments: { n } });
  } catch (error) {
    report.errors.push(String(error.message));
  }
}
await client.close();
console.log(JSON.stringify(report));

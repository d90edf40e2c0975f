#!/usr/bin/env node
// A host for one client scenario of the MCP conformance suite: launches `cardea connect` over stdio, as hosts do, and
// drives it with the TypeScript SDK's client. The suite appends its server's URL and tells the rest by MCP_CONFORMANCE_*.
//
// CARDEA_BIN names the binary. The person in front of the browser is browser.mjs.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Client } from "../clients/node_modules/@modelcontextprotocol/client/dist/index.mjs";
import { StdioClientTransport } from "../clients/node_modules/@modelcontextprotocol/client/dist/stdio.mjs";

const url = process.argv[2];
const scenario = process.env.MCP_CONFORMANCE_SCENARIO;
const version = process.env.MCP_CONFORMANCE_PROTOCOL_VERSION;
const context = JSON.parse(process.env.MCP_CONFORMANCE_CONTEXT ?? "{}");

/** The suite's fixed address of a client metadata document; nobody fetches it. */
const CLIENT_METADATA_URL = "https://conformance-test.local/client-metadata.json";

const home = mkdtempSync(join(tmpdir(), "cardea-host-"));
process.on("exit", () => rmSync(home, { recursive: true, force: true }));

function file(name, content) {
  const path = join(home, name);
  writeFileSync(path, content, { mode: 0o600 });
  return path;
}

/** How the program comes by its tokens in this scenario. */
function identity() {
  const person = ["--interactive", "--client-metadata-url", CLIENT_METADATA_URL];
  switch (scenario) {
    case "auth/pre-registration":
      return ["--interactive", "--client-id", context.client_id, "--client-secret-file", file("secret", context.client_secret)];
    case "auth/client-credentials-jwt":
      return ["--client-credentials", "--client-id", context.client_id, "--client-key-file", file("key.pem", context.private_key_pem)];
    case "auth/client-credentials-basic":
      return ["--client-credentials", "--client-id", context.client_id, "--client-secret-file", file("secret", context.client_secret)];
    case "auth/wif-jwt-bearer":
      return ["--workload-token-file", file("workload.jwt", context.valid_jwt), "--client-id", context.client_id];
    case "auth/enterprise-managed-authorization":
      return [
        ...["--id-token-file", file("id.jwt", context.idp_id_token), "--idp-client-id", context.idp_client_id],
        ...["--idp-token-endpoint", context.idp_token_endpoint],
        ...["--client-id", context.client_id, "--client-secret-file", file("secret", context.client_secret)],
      ];
    default:
      return person;
  }
}

const transport = new StdioClientTransport({
  command: process.env.CARDEA_BIN ?? fileURLToPath(new URL("../../target/debug/cardea", import.meta.url)),
  args: ["connect", "--url", url, "--store", join(home, "store"), ...identity()],
  env: {
    PATH: process.env.PATH,
    HOME: home,
    BROWSER: fileURLToPath(new URL("browser.mjs", import.meta.url)),
    ...(process.env.RUST_LOG ? { RUST_LOG: process.env.RUST_LOG } : {}),
  },
});

/** request-metadata refuses the first version that is offered, so that one must be open to another. */
function negotiation() {
  if (version !== "2026-07-28") return { mode: "legacy" };
  return { mode: scenario === "request-metadata" ? "auto" : { pin: version } };
}

const client = new Client(
  { name: "conformance-host", version: "1.0.0" },
  { capabilities: { elicitation: { form: { applyDefaults: true } } }, versionNegotiation: negotiation() },
);
client.setRequestHandler("elicitation/create", () => {
  // The defaults scenario wants them filled in; the others a confirmation.
  const content = scenario.startsWith("elicitation") ? {} : { confirmed: true };
  return { action: "accept", content };
});

const call = (name, args = {}) => client.callTool({ name, arguments: args });

async function listAndCall(args) {
  const { tools } = await client.listTools();
  for (const tool of tools) await call(tool.name, args);
}

const behaviours = {
  initialize: () => client.listTools(),
  tools_call: () => listAndCall({ a: 5, b: 3 }),
  "json-schema-ref-no-deref": () => client.listTools(),
  "request-metadata": () => client.listTools(),
  "auth/client-credentials-jwt": () => client.listTools(),
  "auth/client-credentials-basic": () => client.listTools(),
  "http-custom-headers": async () => {
    await client.listTools();
    for (const one of context.toolCalls) await call(one.name, one.arguments);
  },
  "http-invalid-tool-headers": () => listAndCall({ region: "eu", value: "x", field1: "a", field2: "b" }),
  "http-standard-headers": async () => {
    await listAndCall();
    for (const { uri } of (await client.listResources()).resources) await client.readResource({ uri });
    for (const { name } of (await client.listPrompts()).prompts) await client.getPrompt({ name });
  },
  "sep-2322-client-request-state": async () => {
    const { tools } = await client.listTools();
    for (const { name } of tools) {
      // The SDK refuses a result without `resultType` that the specification lets pass; the bridge has passed it.
      if (name === "test_mrtr_no_result_type") await call(name).catch(() => {});
      else await call(name);
    }
  },
  "json-schema-2020-12-preservation": async () => {
    const { tools } = await client.listTools();
    const { inputSchema } = tools.find((tool) => tool.name === "json_schema_2020_12_tool");
    await call("json_schema_echo", { schema: inputSchema });
  },
};

async function ordinary() {
  await client.listTools();
  await call("test-tool");
}

const drive = scenario.startsWith("auth/") ? (behaviours[scenario] ?? ordinary) : (behaviours[scenario] ?? listAndCall);

try {
  await client.connect(transport);
  await drive();
  await client.close();
} catch (error) {
  console.error(`${error.name}: ${error.message}`);
  await client.close().catch(() => {});
  process.exit(1);
}

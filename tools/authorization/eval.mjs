#!/usr/bin/env node
// The authorization server with other people's software: a real browser, the MCP conformance suite, an OpenID provider,
// and clients. Prints a table, and last one line of JSON: {"checks": n, "passed": n, "failed": [...], "again": [...]}.
//
// eval.mjs [PART...]
import { browser } from "./person.mjs";
import { mcpServer } from "./stand.mjs";
import { Table } from "./table.mjs";

/** Each is a file whose default export takes the table and the world, and adds its checks. */
const PARTS = ["conformance", "pages", "accessibility", "login-provider", "external-issuer", "command-line", "clients"];

const wanted = process.argv.length > 2 ? process.argv.slice(2) : PARTS;
const unknown = wanted.find((part) => !PARTS.includes(part));
if (unknown) throw new Error(`there is no part ${unknown}: it is one of ${PARTS.join(", ")}`);

const table = new Table();
const [started, server] = await Promise.all([browser(), mcpServer()]);
/** What the parts share: one browser, with a profile for each person, and one MCP server behind their gateways. */
const world = { browser: started, upstream: server.url };
for (const part of wanted) {
  const { default: checks } = await import(`./${part}.mjs`);
  // What a part begins with and ends with is no check of its own; the other parts go on.
  await checks(table, world).catch((error) => table.broken(part, error));
}
await Promise.all([started.close(), server.stop()]);
// What a failed check left open must not keep this alive.
process.exit(table.end());

// The MCP conformance suite's scenarios for authorization servers, all that it lists, with a person who logs in.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ACCOUNT } from "./person.mjs";
import { freePort, gateway, run } from "./stand.mjs";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const node = here("../conformance/node_modules/node/bin/node");
const suite = here("../conformance/node_modules/@modelcontextprotocol/conformance/dist/index.js");

const REVISIONS = ["2025-11-25", "2026-07-28"];

export default async function conformance(table, world) {
  const client = { id: "conformance", redirect_uris: ["http://127.0.0.1/callback"] };
  const stand = await gateway({ server: { clients: [client] }, upstream: world.upstream });
  const person = await world.browser.person(ACCOUNT);
  try {
    await person.setUp(stand.links[0]);
    const listed = scenarios();
    for (const revision of REVISIONS) {
      const scenarios = (attempt) => judge(stand, person, revision, listed, attempt);
      await table.check("conformance", `${listed.join(", ")} at ${revision}`, scenarios, { attempts: 2 });
    }
  } finally {
    await person.close();
    await stand.stop();
  }
}

/** The scenarios that the suite has for authorization servers. */
function scenarios() {
  const text = execFileSync(node, [suite, "list"], { encoding: "utf8" });
  const [, lines] = text.match(/Authorization server scenarios[^\n]*\n((?: {2}- [^\n]+\n?)+)/);
  return [...lines.matchAll(/- (\S+)/g)].map(([, name]) => name);
}

/** Runs the suite once; every check of every scenario has to be a success, neither skipped nor a warning. */
async function judge(stand, person, revision, listed, attempt) {
  if (attempt > 1) await person.afresh();
  const out = join(stand.folder, `suite-${revision}-${attempt}`);
  const named = ["--url", stand.origin, "--client-id", "conformance", "--resource", stand.url()];
  const args = [...named, "--port", String(await freePort()), "--spec-version", revision, "-o", out];
  const started = run(node, [suite, "authorization", ...args]);
  try {
    await person.follow(await started.until("address to log in at", (log) => log.match(/^http\S+\/authorize\?\S+$/m)?.[0]));
    const how = await started.ended;
    assert.equal(how, "it ended with 0", started.log());
  } finally {
    await started.stop();
  }
  const files = readdirSync(out, { recursive: true }).filter((name) => name.endsWith("checks.json"));
  for (const scenario of listed) {
    const file = files.find((name) => name.includes(scenario));
    assert.ok(file, `${scenario} was not run: ${files}`);
    const checks = JSON.parse(readFileSync(join(out, file), "utf8"));
    assert.ok(checks.length > 0, `${scenario} checked nothing`);
    for (const check of checks) assert.equal(check.status, "SUCCESS", JSON.stringify(check, null, 2));
  }
}

#!/usr/bin/env node
// Just-in-time access with other people's software: unmodified clients are refused, ask by being refused, a person approves in a
// real browser, they call once, and are refused again. Prints a table, and last one line of JSON:
// {"checks": n, "passed": n, "failed": [...], "again": [...]}.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { browser } from "../authorization/person.mjs";
import { gateway, TENANT } from "../authorization/stand.mjs";
import { Table } from "../authorization/table.mjs";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const PYTHON = [here("../clients/.venv/bin/python3"), here("../clients/python_mcp.py")];
const TS1 = ["node", here("../clients/ts1.mjs")];
const TS2 = ["node", here("../clients/ts2.mjs")];

const CLIENTS = [
  { name: "python mcp, 2026-07-28: input_required", command: PYTHON, mode: "2026-07-28", pages: true },
  { name: "python mcp, 2025-11-25: no pages, a failed tool", command: PYTHON, mode: "legacy", pages: false },
  { name: "typescript 1, 2025-11-25: URL elicitation", command: TS1, mode: "legacy", pages: true },
  { name: "typescript 1, 2025-11-25: no pages, a failed tool", command: TS1, mode: "legacy", pages: false },
  { name: "typescript 2, 2026-07-28: input_required", command: TS2, mode: "2026-07-28", pages: true },
];

/** Ada's agents may connect and nothing else; `add` may be asked for, and Bob decides. */
const ENTITLEMENTS = {
  "add-numbers": {
    title: "Add numbers",
    resources: [{ upstream: "tools", tools: ["add"] }],
    approval: [{ subjects: ["bob"] }],
  },
};

const started = await browser();
const stand = await gateway({
  config: { issuers: [{ embedded: true }], policies: [], entitlements: ENTITLEMENTS },
});
const link = (subject) =>
  stand.command("account", "add", "--tenant", TENANT, "--subject", subject).match(/https?:\S+setup\?link=[\w-]+/)[0];
const bob = await started.person({ name: "bob", password: "correct horse battery staple" });
await bob.setUp(link("bob"));
const ada = await started.person({ name: "ada", password: "correct horse battery staple" });
await ada.setUp(link("ada"));

/** What the address that a client opens leads to: Ada sees her request, and Bob approves it. */
const opened = [];
async function approve(url) {
  opened.push(url);
  await ada.follow(url);
  assert.match(await ada.page.locator("main").innerText(), /asked for in your name/i);
  assert.equal(await ada.page.getByRole("button", { name: "Approve", exact: true }).count(), 0, "nobody approves for themselves");
  await bob.follow(url);
  const shown = await bob.page.locator("main").innerText();
  for (const word of ["ada", "add", "\"a\": 2"]) assert.ok(shown.includes(word), `${word} is not in ${shown}`);
  await bob.page.getByRole("button", { name: "Approve", exact: true }).click();
  await bob.page.waitForURL(/done=approved/);
}

let atDesk = Promise.resolve();

/** Where drivers send the addresses that their client opens; answers when a person has decided. */
const desk = createServer((request, response) => {
  const url = new URL(request.url, "http://127.0.0.1").searchParams.get("url");
  // One at a time: whoever gave up has left the two in the middle of a page.
  const approved = atDesk.then(() => approve(url));
  atDesk = approved.catch(() => {});
  approved.then(
    () => response.end("approved"),
    (error) => response.writeHead(500).end(String(error.stack ?? error)),
  );
});
await new Promise((resolve) => desk.listen(0, "127.0.0.1", resolve));
const deskUrl = `http://127.0.0.1:${desk.address().port}/`;

function drive({ command, mode, pages }, actor, call) {
  const token = stand.command("token", "--tenant", TENANT, "--subject", "ada", "--actor", actor).trim();
  const [program, ...before] = command;
  const args = [
    ...before,
    ...["--url", stand.url("tools"), "--token", token, "--mode", mode],
    ...["--call", "add", "--args", JSON.stringify(call)],
    ...["--expect-denied", "add", "--denied-args", JSON.stringify(call)],
    ...["--timeout-s", "200"],
    ...(pages ? ["--pages", deskUrl] : ["--approve-failed", deskUrl]),
  ];
  return new Promise((resolve) => {
    execFile(program, args, { timeout: 220_000, maxBuffer: 16 << 20 }, (failure, stdout, stderr) => {
      try {
        resolve(JSON.parse(stdout));
      } catch {
        resolve({ error: `printed no report: ${failure?.message ?? ""} ${stderr.slice(-2000)}` });
      }
    });
  });
}

const table = new Table();
for (const [index, client] of CLIENTS.entries()) {
  const loop = async (attempt) => {
    await atDesk;
    const before = opened.length;
    const actor = `agent-${index}-${attempt}`;
    const report = await drive(client, actor, { a: 2, b: 40 + index });
    assert.equal(report.error, undefined, JSON.stringify(report));
    assert.equal(report.result_text, String(42 + index), JSON.stringify(report));
    assert.ok(report.denied, "the second call was not refused");
    assert.equal(opened.length, before + 1, "the address was opened once");
    const records = stand.records().filter((record) => record.actor === actor);
    const made = records.filter(({ kind, method }) => kind === "intent" && method === "tools/call");
    assert.equal(made.length, 1, "the server was called once");
    assert.ok(made[0].access.grant, JSON.stringify(made[0]));
    assert.ok(records.some(({ event }) => event?.name === "access_granted"));
  };
  await table.check("loop", client.name, loop, { attempts: 2 });
}
await table.check("people", "no complaint of the browsers", () => assert.deepEqual([...ada.complaints, ...bob.complaints], []));
desk.close();
await Promise.all([started.close(), stand.stop()]);
process.exit(table.end());

#!/usr/bin/env node
// The MCP conformance suite's client scenarios against `cardea connect`: every one of both revisions, also those that the
// suite does not score. Prints a table, and last one line of JSON: {"scenarios": n, "passed": n, "failed": [...]}.
//
// eval.mjs [SCENARIO...]
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const node = here("../conformance/node_modules/node/bin/node");
const suite = here("../conformance/node_modules/@modelcontextprotocol/conformance/dist/index.js");
const host = `${node} ${here("host.mjs")}`;

const REVISIONS = ["2025-11-25", "2026-07-28"];

/** At a time: each is a suite, a host, a browser and a bridge. */
const WORKERS = 2;

/** The suite allows 30 s for the client itself. */
const WITHIN_MS = 180_000;

function run(...args) {
  return new Promise((resolve) => {
    execFile(node, [suite, ...args], { timeout: WITHIN_MS, maxBuffer: 64 << 20 }, (failure, stdout, stderr) => {
      resolve({ status: failure ? (failure.code ?? 1) : 0, text: `${stdout}\n${stderr}` });
    });
  });
}

/** The client scenarios of a revision, and whether each is on the specification's timeline. */
async function scenarios(revision) {
  const { status, text } = await run("list", "--requirements", revision);
  if (status !== 0) throw new Error(`the suite lists nothing: ${text}`);
  const [, required] = text.match(/Client scenarios[^\n]*\n((?: {2}- \S+\n)+)/);
  const names = [...required.matchAll(/- (\S+)/g)].map(([, name]) => ({ revision, name }));
  const others = [...text.matchAll(/- (\S+) \[client\]/g)].map(([, name]) => ({ revision, name, unscored: true }));
  return [...names, ...others];
}

async function judge({ revision, name, unscored }) {
  // A scenario of an extension has no revision, and the suite skips it where one is named.
  const at = unscored && name.startsWith("auth/") ? [] : ["--spec-version", revision];
  const { status, text } = await run("client", "--command", host, "--scenario", name, "--timeout", "120000", ...at);
  const [, passed, checks] = text.match(/Passed: (\d+)\/(\d+), \d+ failed/) ?? [undefined, 0, 0];
  const good = status === 0 && Number(checks) > 0;
  return { revision, name, passed, checks, good, text };
}

const only = process.argv.slice(2);
const listed = (await Promise.all(REVISIONS.map(scenarios))).flat();
// An extension's scenario is the same in both lists.
const wanted = listed.filter(({ name, unscored }, at) => {
  const first = listed.findIndex((other) => other.name === name) === at;
  return (only.length === 0 || only.includes(name)) && (first || !(unscored && name.startsWith("auth/")));
});
if (wanted.length === 0) throw new Error("no such scenario");
const waiting = [...wanted];
const results = [];
await Promise.all(
  Array.from({ length: WORKERS }, async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      // The suite gives some of its steps a fixed time, whatever the machine does meanwhile: what is wrong is so each time.
      let result = await judge(next);
      if (!result.good) {
        console.log(`${result.revision} | ${result.name} | ${result.passed}/${result.checks} | once more`);
        result = await judge(next);
      }
      results.push(result);
      console.log(`${result.revision} | ${result.name} | ${result.passed}/${result.checks} | ${result.good ? "ok" : "FAILED"}`);
      if (!result.good) console.error(result.text.slice(-4000));
    }
  }),
);
const failed = results.filter(({ good }) => !good).map(({ revision, name }) => `${revision} ${name}`);
console.log(JSON.stringify({ scenarios: results.length, passed: results.length - failed.length, failed }));
process.exit(failed.length === 0 ? 0 : 1);

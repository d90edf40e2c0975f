#!/usr/bin/env node
// Drives every client of this folder, in the modes that people use, against the quickstart's three upstreams, and checks
// what it sees: the permitted call works, the tool that is not permitted is neither listed nor callable, and a wrong
// token gets nothing.
//
// matrix.mjs --url http://127.0.0.1:8808 --token TOKEN [--inspector-token TOKEN] [--again-token TOKEN] [--client NAME]
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const { values: options } = parseArgs({
  options: {
    url: { type: "string" },
    token: { type: "string" },
    "inspector-token": { type: "string" },
    "again-token": { type: "string" },
    client: { type: "string" },
  },
});

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const python = here(".venv/bin/python3");

// A pinned 2026-07-28 is left out: two of the upstreams speak older versions only.
const CLIENTS = [
  { name: "python mcp", command: [python, here("python_mcp.py")], modes: ["auto", "legacy"] },
  { name: "fastmcp", command: [python, here("fastmcp_client.py")], modes: ["auto", "legacy"] },
  { name: "typescript 1", command: ["node", here("ts1.mjs")], modes: ["legacy"] },
  { name: "typescript 2", command: ["node", here("ts2.mjs")], modes: ["legacy", "auto"] },
  { name: "inspector", command: ["node", here("inspector.mjs")], modes: ["legacy", "auto"] },
];

const UPSTREAMS = [
  {
    name: "time",
    call: ["convert_time", { source_timezone: "UTC", time: "12:00", target_timezone: "Asia/Tokyo" }],
    answer: "T21:00:00+09:00",
    denied: ["no_such_tool", {}],
  },
  {
    name: "files",
    call: ["read_text_file", { path: "welcome.md" }],
    answer: "You are reading this through Cardea.",
    denied: ["write_file", { path: "written-by-the-agent.md", content: "it should not be here" }],
  },
  {
    name: "everything",
    call: ["get-sum", { a: 2, b: 3 }],
    answer: "The sum of 2 and 3 is 5.",
    denied: ["get-env", {}],
  },
];

let passed = 0;
let failed = 0;

/** Programs of other people fail by themselves now and then: what is wrong here is wrong each time. */
const ATTEMPTS = 2;

/** Prints a line for each attempt. `attempt` takes its number, and returns what identifies it and what was wrong. */
async function check(attempt) {
  for (let n = 1; n <= ATTEMPTS; n += 1) {
    const { line, wrong } = await attempt(n);
    const how = wrong.length === 0 ? "ok" : `${n < ATTEMPTS ? "once more" : "FAILED"}: ${wrong.join("; ")}`;
    console.log([...line, how].join(" | "));
    if (wrong.length === 0) {
      passed += 1;
      return;
    }
  }
  failed += 1;
}

function drive(command, ...args) {
  const [program, ...before] = command;
  return new Promise((resolve) => {
    execFile(program, [...before, "--timeout-s", "200", ...args], { timeout: 220_000, maxBuffer: 16 << 20 }, (failure, stdout, stderr) => {
      try {
        resolve(JSON.parse(stdout));
      } catch {
        resolve({ error: { message: `printed no report: ${failure?.message ?? ""} ${stderr.slice(-500)}` } });
      }
    });
  });
}

async function permitted(client, mode, upstream, attempt) {
  // A person may have as many sessions as these checks need, and what failed may not have ended its own.
  const again = attempt > 1 && options["again-token"];
  const token = again || (client.name === "inspector" && options["inspector-token"]) || options.token;
  const [tool, args] = upstream.call;
  const [denied, deniedArgs] = upstream.denied;
  const report = await drive(
    client.command,
    ...["--url", `${options.url}/mcp/${upstream.name}`, "--token", token, "--mode", mode],
    ...["--call", tool, "--args", JSON.stringify(args)],
    ...["--expect-denied", denied, "--denied-args", JSON.stringify(deniedArgs)],
  );
  const wrong = [];
  if (report.error) wrong.push(`${tool} failed: ${JSON.stringify(report.error)}`);
  else {
    if (report.is_error || !report.result_text?.includes(upstream.answer)) {
      wrong.push(`${tool} answered ${JSON.stringify(report.result_text)}`);
    }
    if (!report.tools.includes(tool)) wrong.push(`${tool} is not listed`);
    if (report.tools.includes(denied)) wrong.push(`${denied} is listed`);
    if (!report.denied) wrong.push(`${denied} was not refused`);
  }
  const line = [client.name, mode, upstream.name, report.protocol ?? "-", `${report.tools?.length ?? 0} tools`];
  return { line, wrong };
}

async function wrongToken(client, mode) {
  const report = await drive(
    client.command,
    ...["--url", `${options.url}/mcp/time`, "--token", "not-a-token", "--mode", mode, "--call", "get_current_time"],
  );
  const wrong = [];
  if (!report.error) wrong.push("a wrong token was let in");
  if (report.tools?.length) wrong.push("a wrong token was shown tools");
  return { line: [client.name, mode, "wrong token"], wrong };
}

for (const client of CLIENTS) {
  if (options.client && client.name !== options.client) continue;
  for (const mode of client.modes) {
    for (const upstream of UPSTREAMS) await check((attempt) => permitted(client, mode, upstream, attempt));
  }
  await check(() => wrongToken(client, client.modes[0]));
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);

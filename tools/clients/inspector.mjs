#!/usr/bin/env node
// Drives the MCP Inspector's command line (mcp-inspector --cli), one process per method, on the Node that it needs.
// It lists the tools before each call and refuses by itself to call one that is not listed (code "tool_not_found").
// See README.md for the command line and the output.
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as common from "./common.mjs";

const options = common.commandLine(["legacy", "auto", "2026-07-28"]);
const name = "@modelcontextprotocol/inspector";
const node = fileURLToPath(new URL("node_modules/.bin/node", import.meta.url));
const launcher = fileURLToPath(new URL(`node_modules/${name}/clients/launcher/build/index.js`, import.meta.url));

/** A home of its own, so that nothing of the person's Inspector is read or written. */
const home = mkdtempSync(join(tmpdir(), "cardea-inspector-"));
process.on("exit", () => rmSync(home, { recursive: true, force: true }));

function inspect(...method) {
  const era = options.mode === "2026-07-28" ? "modern" : options.mode;
  // Its own options and those of the command look alike, so the command is told by variables.
  const told = Object.entries(process.env).filter(([name]) => name.startsWith("CARDEA_"));
  const server = options.command
    ? [...options.command, ...told.flatMap(([name, value]) => ["-e", `${name}=${value}`])]
    : [options.url.href, "--transport", "http"];
  const header = options.token ? ["--header", `Authorization: Bearer ${options.token}`] : [];
  const args = [
    launcher, "--cli", ...server, "--protocol-era", era, ...(options.command ? [] : ["--stored-auth-only"]),
    "--format", "json", "--quiet", ...header, "--method", ...method,
  ];
  const env = { PATH: process.env.PATH, HOME: home };
  return new Promise((resolve, reject) => {
    execFile(node, args, { env, maxBuffer: 64 << 20 }, (failure, stdout, stderr) => {
      // A tool's error result comes on both: the result, and an error which only says so.
      const line = stdout.trim() || stderr.trim().split("\n").findLast((text) => text.startsWith("{"));
      if (!line) return reject(failure ?? new Error("the Inspector printed nothing"));
      const { result, error } = JSON.parse(line);
      if (result) resolve(result);
      else reject(Object.assign(new Error(error.message), { refusal: { ...error, as: "client" } }));
    });
  });
}

await common.run(options, common.emptyReport(`${name} ${common.packageVersion(name)}`), async (report) => {
  const opened = await inspect("initialize");
  report.protocol = opened.protocolVersion;
  report.server = opened.serverInfo?.name ?? null;
  report.tools = (await inspect("tools/list")).tools.map((tool) => tool.name);
  const call = (tool, args) => inspect("tools/call", "--tool-name", tool, "--tool-args-json", JSON.stringify(args));
  if (options.call) Object.assign(report, common.resultFields(await call(options.call, options.args)));
  if (options.expectDenied) report.denied = await common.attempt(() => call(options.expectDenied, options.deniedArgs));
});

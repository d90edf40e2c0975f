// A gateway with its authorization server switched on and a real MCP server behind it, in a folder of its own.
//
//   const stand = await gateway({ server: { clients: [{ id: "app", redirect_uris: [...] }] } });
//   stand.url("tools")   the MCP endpoint of an upstream; "other" is a second one
//   stand.links          the one-time links by which first accounts are set up
//   await stand.stop()
//
// CARDEA_BIN names the binary; without it the debug build is started.
import { execFileSync, spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

export const TENANT = "demo";

const CARDEA =
  process.env.CARDEA_BIN ?? join(process.env.CARGO_TARGET_DIR ?? here("../../target"), "debug/cardea");
const PYTHON = here("../clients/.venv/bin/python3");
const DUAL_SERVER = here("../clients/dual_server.py");

/** A debug build on a busy machine starts well within this. */
const READY_WITHIN_MS = 30_000;
const STOP_WITHIN_MS = 10_000;

/** Nothing that was started here outlives this process, however it ends. */
const children = new Set();
process.on("exit", () => children.forEach((child) => child.kill("SIGKILL")));
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => process.exit(1));

/** Below the ports that Linux gives by itself (32768 and up). */
const PORTS = { first: 20_000, count: 12_000 };
const given = new Set();

/** A port of 127.0.0.1 that was free a moment ago, and is given once. */
export async function freePort() {
  for (;;) {
    const port = PORTS.first + randomInt(PORTS.count);
    if (given.has(port)) continue;
    given.add(port);
    const probe = createServer();
    const isFree = await new Promise((resolve) => {
      probe.once("error", () => resolve(false)).listen(port, "127.0.0.1", () => resolve(true));
    });
    if (!isFree) continue;
    await new Promise((resolve) => probe.close(resolve));
    return port;
  }
}

/** A program that runs until `stop()`; what it writes is in `log()`. */
export function run(program, args, options = {}) {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], ...options });
  children.add(child);
  let written = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (written += text));
  const ended = new Promise((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", (code, signal) => resolve(`it ended with ${signal ?? code}`));
  }).then((how) => {
    children.delete(child);
    return how;
  });
  const log = () => written;
  /** Waits until `found(log())` is truthy, and returns it. */
  const until = async (what, found) => {
    const late = Date.now() + READY_WITHIN_MS;
    for (;;) {
      const value = await found(written);
      if (value) return value;
      const over = await Promise.race([ended, pause(50)]);
      if (over || Date.now() > late) throw new Error(`no ${what} from ${program}: ${over ?? "too late"}\n${written}`);
    }
  };
  const stop = async () => {
    const force = setTimeout(() => child.kill("SIGKILL"), STOP_WITHIN_MS);
    child.kill("SIGTERM");
    await ended;
    clearTimeout(force);
  };
  return { log, until, stop, ended };
}

/** The MCP server of `tools/clients/dual_server.py`, which speaks both eras; `add` adds `a` and `b`. */
export async function mcpServer() {
  const server = run(PYTHON, [DUAL_SERVER]);
  const url = await server.until("address", (log) => log.match(/^http:\S+$/m)?.[0]);
  return { url, stop: server.stop };
}

/**
 * Starts a gateway for one tenant, whose people may call everything.
 *
 * `server` is its `authorization_server`, or null for none; `config` are further members of the configuration;
 * `upstream` is the URL of a running MCP server, without which one is started; `port` is its own, where others must know
 * it beforehand; `tls` makes it speak TLS, with a certificate of its own in `caFile`.
 */
export async function gateway({ server = {}, config = {}, upstream, port, tls = false, environment = {} } = {}) {
  port ??= await freePort();
  const folder = mkdtempSync(join(tmpdir(), "cardea-authorization-"));
  const own = upstream ? undefined : await mcpServer();
  const adminPort = await freePort();
  const origin = `${tls ? "https" : "http"}://127.0.0.1:${port}`;
  const http = { url: upstream ?? own.url };
  const whole = {
    listen: `127.0.0.1:${port}`,
    admin_listen: `127.0.0.1:${adminPort}`,
    public_url: origin,
    state_dir: "state",
    workers: 1,
    tenants: { [TENANT]: {} },
    issuers: [],
    upstreams: { tools: { tenants: [TENANT], http, pins: "first" }, other: { tenants: [TENANT], http, pins: "first" } },
    policies: ["policies"],
    ...(server && { authorization_server: server }),
    ...(tls && { tls: certificate(folder) }),
    ...config,
  };
  mkdirSync(join(folder, "policies"));
  writeFileSync(join(folder, "policies/all.cedar"), '@id("permit-all") permit(principal, action, resource);\n');
  const file = join(folder, "cardea.yaml");
  // JSON is YAML.
  writeFileSync(file, JSON.stringify(whole, null, 2));
  const child = run(CARDEA, ["serve", "--config", file], { env: { PATH: process.env.PATH, NO_COLOR: "1", ...environment } });
  const stop = async () => {
    await child.stop();
    await own?.stop();
    // A browser that `cardea login` opened may still write there.
    rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  };
  try {
    await child.until("answer", () => isReady(adminPort));
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    origin,
    folder,
    config: file,
    caFile: tls ? join(folder, "tls.pem") : undefined,
    links: [...child.log().matchAll(/https?:\/\/\S+\/setup\?link=[\w-]+/g)].map(([link]) => link),
    url: (name = "tools") => `${origin}/mcp/${name}`,
    log: child.log,
    records: () => records(join(folder, "state/audit")),
    /** The records of something that is no call, such as `login`. */
    events: (name) => records(join(folder, "state/audit")).filter((record) => record.event?.name === name),
    /** Runs the binary with a subcommand that takes `--config`, and returns what it prints. */
    command: (...args) => execFileSync(CARDEA, [...args, "--config", file], { encoding: "utf8" }),
    stop,
  };
}

/** The program under test, for those that start it themselves. */
export const binary = CARDEA;

async function isReady(port) {
  try {
    return (await fetch(`http://127.0.0.1:${port}/readyz`)).ok;
  } catch {
    return false;
  }
}

/** A certificate for 127.0.0.1 that is its own authority, and its key. */
function certificate(folder) {
  const [cert, key] = ["tls.pem", "tls.key"];
  const subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"];
  const kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
  execFileSync("openssl", ["req", ...kind, ...subject, "-out", cert, "-keyout", key], { cwd: folder, stdio: "pipe" });
  return { certificate: cert, key };
}

/** Every record of every log below a folder, the oldest first. */
function records(folder) {
  const files = readdirSync(folder, { recursive: true }).filter((name) => name.endsWith(".jsonl")).sort();
  const lines = files.flatMap((name) => readFileSync(join(folder, name), "utf8").split("\n"));
  // The last line may be one that is being written.
  const records = lines.flatMap((line) => {
    try {
      return [JSON.parse(line)];
    } catch {
      return [];
    }
  });
  // Each log is in order already.
  return records.sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0));
}

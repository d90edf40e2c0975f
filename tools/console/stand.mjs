// The console with so many rows behind it: `crates/console/examples/stand.rs`.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const STAND = join(process.env.CARGO_TARGET_DIR ?? here("../../target"), "debug/examples/stand");

/** Nothing that was started here outlives this process. */
const children = new Set();
process.on("exit", () => children.forEach((child) => child.kill("SIGKILL")));

/** Starts it; `origin` is where it answers, `links` are one-time links by person. */
export async function stand(rows) {
  const child = spawn(STAND, [String(rows)], { stdio: ["pipe", "pipe", "inherit"] });
  children.add(child);
  const ended = new Promise((resolve) => child.once("close", resolve)).then(() => children.delete(child));
  const lines = createInterface({ input: child.stdout });
  const first = await Promise.race([new Promise((resolve) => lines.once("line", resolve)), ended]);
  if (typeof first !== "string") throw new Error(`the stand with ${rows} rows ended while starting`);
  const stop = async () => {
    child.stdin.end();
    await ended;
  };
  return { ...JSON.parse(first), stop };
}

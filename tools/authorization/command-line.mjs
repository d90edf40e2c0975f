// `cardea login` with a real browser, what `cardea connect` then does for a real client, and the end of it.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Scene } from "./pages.mjs";
import { ACCOUNT } from "./person.mjs";
import { binary, run } from "./stand.mjs";

const PART = "command line";
const here = (name) => fileURLToPath(new URL(name, import.meta.url));

export default async function commandLine(table, world) {
  const scene = await Scene.open(world);
  try {
    await scene.person.setUp(scene.stand.links[0]);
    await checks(table, scene);
  } finally {
    await scene.close();
  }
}

async function checks(table, { stand, person }) {
  const check = (name, run) => table.check(PART, name, run);
  const server = (store) => ["--url", stand.url(), "--store", join(stand.folder, store)];
  const environment = (decision = "allow") => ({
    PATH: process.env.PATH,
    HOME: stand.folder,
    BROWSER: here("person.mjs"),
    PERSON_NAME: ACCOUNT.name,
    PERSON_PASSWORD: ACCOUNT.password,
    PERSON_DECISION: decision,
    ...(process.env.CHROMIUM && { CHROMIUM: process.env.CHROMIUM }),
  });
  /** The binary with a subcommand, to its end. */
  const cardea = (args, decision) => finished(binary, args, { env: environment(decision) });
  /** What a host sees that launches `cardea connect`: the report of the TypeScript SDK's client. */
  const connect = async (store) => {
    const command = JSON.stringify([binary, "connect", ...server(store)]);
    const call = ["--mode", "auto", "--call", "add", "--args", '{"a":2,"b":3}'];
    const { out } = await finished(process.execPath, [here("../clients/ts2.mjs"), "--command", command, ...call], { env: environment() });
    return JSON.parse(out);
  };
  const lastCall = () => stand.records().findLast(({ kind, method }) => kind === "outcome" && method === "tools/call");

  await check("a person logs in by a browser, and the tokens are bound to a key", async () => {
    const { status, out, errors } = await cardea(["login", ...server("browser")]);
    assert.equal(status, 0, errors);
    assert.match(out, /^logged in to /);
    assert.match(out, /bound to a key of this installation/);
  });

  await check("a host that launches cardea connect calls a tool with them", async () => {
    const report = await connect("browser");
    assert.equal(report.result_text, "5", JSON.stringify(report));
    const { subject, actor, binding, run_source } = lastCall();
    assert.deepEqual([subject, actor, run_source], [ACCOUNT.name, "cardea-cli", "token"]);
    assert.match(binding.dpop, /^[\w-]{43}$/);
  });

  await check("each launch is a run of its own", async () => {
    const before = lastCall().run;
    await connect("browser");
    assert.notEqual(lastCall().run, before);
  });

  await check("a person who denies: login says so, and nothing is kept", async () => {
    const { status, errors } = await cardea(["login", ...server("denied")], "deny");
    assert.equal(status, 1, errors);
    assert.match(errors, /access_denied/);
    assert.match((await connect("denied")).error.message, /not logged in/);
  });

  await check("a device shows a code, a person types it in a browser, and the login is there", async () => {
    const login = run(binary, ["login", "--device", ...server("device")], { env: environment() });
    try {
      const [, place, code] = await login.until("code", (log) => log.match(/(http\S+\/device)\s[^]*?\b([A-Z]{4}-[A-Z]{4})\b/));
      await person.follow(place, { code });
      assert.equal(await person.page.getByRole("heading").first().textContent(), "Allowed");
      assert.equal(await login.ended, "it ended with 0", login.log());
    } finally {
      await login.stop();
    }
    assert.equal((await connect("device")).result_text, "5");
  });

  await check("logging out ends the login at the server, and here", async () => {
    const before = stand.events("token_revoked").length;
    for (const store of ["browser", "device"]) {
      const { status, out, errors } = await cardea(["logout", ...server(store)]);
      assert.equal(status, 0, errors);
      assert.match(out, /^logged out of /);
      assert.match((await connect(store)).error.message, /not logged in/);
    }
    const after = stand.events("token_revoked").length;
    assert.equal(after, before + 2);
  });

  await check("the browser complained of nothing", async () => {
    assert.deepEqual(person.complaints, []);
  });
}

function finished(program, args, options) {
  return new Promise((resolve) => {
    execFile(program, args, { timeout: 220_000, ...options }, (failure, out, errors) => {
      resolve({ status: failure ? (failure.code ?? 1) : 0, out, errors });
    });
  });
}

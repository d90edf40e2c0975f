#!/usr/bin/env node
// The console in a real Chromium: every page with 0, 3 and 5,000 rows, light and dark, at 1280 and 390 px, every text in
// them an attack on the page. Prints a table, and last one line of JSON: {"checks": n, "passed": n, "failed": [...]}.
// Screenshots go to the folder SHOTS, without which none are kept. Arguments are numbers of rows.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { Browser } from "./browser.mjs";
import { decisions } from "./decisions.mjs";
import { stand } from "./stand.mjs";

const ROWS = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [0, 3, 5000];
const PAGES = {
  overview: "/console",
  requests: "/console/requests",
  inbox: "/console/requests?view=decide&state=pending",
  ask: "/console/requests/new",
  grants: "/console/grants?state=any",
  reach: "/console/reach",
  entitlements: "/console/reach?why=entitlement",
  standing: "/console/reach?why=policy&upstream=files",
  explain: "/console/explain?subject=ada&actor=agent&upstream=files&tool=write_file",
  agents: "/console/agents",
  locks: "/console/locks",
  servers: "/console/servers",
  server: "/console/servers/files",
  refusal: "/console/requests/nothing-of-this-name",
};
const SIZES = [{ width: 1280, height: 900 }, { width: 390, height: 844 }];
/** A list of 5,000 rows in a debug build on a busy machine. */
const PAGE_WITHIN_MS = 15_000;
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const failed = [];
let checks = 0;

/** Runs one check, which throws when what it looks at is wrong, and prints its line. */
async function check(name, run) {
  checks += 1;
  try {
    const said = (await run()) ?? "";
    console.log(`${name.padEnd(80)} | ok ${said}`);
  } catch (error) {
    failed.push(name);
    console.log(`${name.padEnd(80)} | FAILED\n${String(error.stack ?? error).replace(/^/gm, "    ")}`);
  }
}

/** No serious finding of axe-core, nothing to scroll sideways for, nothing that ran or was put in. */
async function audit(page) {
  // Beside the page's own scripts: its policy allows no other.
  const { violations } = await page.evaluate(`${AXE}; axe.run()`);
  const serious = violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
  assert.deepEqual(serious.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" ").slice(0, 400)}`), []);
  const sideways = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth");
  assert.ok(sideways <= 0, `${sideways} px to scroll sideways`);
  const foreign = await page.evaluate("document.querySelectorAll('img, iframe, object, [onerror], script:not([src])').length");
  assert.equal(foreign, 0, "an element that no template has");
  const text = await page.evaluate("document.body.innerText");
  assert.ok(!/[\u202a-\u202e\u2066-\u2069\u200b]/.test(text), "a character that hides or reorders text");
}

/** What an approver sees of the same: the inbox, and a request with its forms. */
const OF_APPROVERS = ["overview", "inbox", "request"];

async function look(browser, rows, served) {
  const [cleo, ben] = [await browser.person(served, "cleo"), await browser.person(served, "ben")];
  const pages = { ...PAGES };
  if (rows > 0) {
    await ben.goto(pages.inbox);
    pages.request = await ben.page.locator("tbody a").first().getAttribute("href");
  }
  for (const [name, path] of Object.entries(pages)) {
    await check(`${rows} rows: ${name}`, () => inspect(cleo, path, `${name}-${rows}`));
    if (OF_APPROVERS.includes(name)) {
      await check(`${rows} rows: ${name}, as an approver`, () => inspect(ben, path, `${name}-approver-${rows}`));
    }
  }
  // A refusal is answered with 404, which browsers say on the console.
  const complaints = [...cleo.complaints, ...ben.complaints].filter((text) => !text.includes("nothing-of-this-name"));
  await check(`${rows} rows: no complaint of the browser`, () => assert.deepEqual(complaints, []));
  await Promise.all([cleo.close(), ben.close()]);
}

/** One page, wide and narrow, light and dark; returns how long it took to come. */
async function inspect({ page, served }, path, name) {
  const began = Date.now();
  await page.goto(served.origin + path);
  const tookMs = Date.now() - began;
  assert.ok(tookMs < PAGE_WITHIN_MS, `it took ${tookMs} ms`);
  for (const size of SIZES) {
    for (const colorScheme of ["light", "dark"]) {
      await page.setViewportSize(size);
      await page.emulateMedia({ colorScheme });
      await shoot(page, `${name}-${size.width}-${colorScheme}`);
      await audit(page);
    }
  }
  return `${tookMs} ms`;
}

async function shoot(page, name) {
  if (!process.env.SHOTS) return;
  mkdirSync(process.env.SHOTS, { recursive: true });
  await page.screenshot({ path: join(process.env.SHOTS, `${name}.png`), fullPage: true });
}

const browser = await Browser.launch();
for (const rows of ROWS) {
  const served = await stand(rows);
  await look(browser, rows, served);
  if (rows > 0 && rows < 50) await decisions(check, browser, served);
  await served.stop();
}
await browser.close();
console.log(JSON.stringify({ checks, passed: checks - failed.length, failed }));
process.exit(failed.length === 0 && checks > 0 ? 0 : 1);

#!/usr/bin/env node
// A person in a real browser: headless Chromium, which knows nothing of tests.
//
// As a program, `person.mjs URL` opens the address as a login page would be opened for somebody, and does what the
// pages ask for until none asks any more; `cardea login` and SDK clients start it as their browser. It prints where it
// ended. PERSON_NAME and PERSON_PASSWORD are the account, PERSON_DECISION is `allow` (the default) or `deny`.
import { chromium } from "playwright-core";
import { createServer } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const QUIET = ["quic", "background-networking", "component-update", "sync"].map((what) => `--disable-${what}`);
const ARGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", ...QUIET];

/** Somebody whose password is long enough. */
export const ACCOUNT = { name: "ada", password: "correct horse battery staple" };

/** A page of a busy machine is there well within this. */
const WITHIN_MS = 60_000;

/** A browser that does not close is left to the end of the process, which ends it. */
const CLOSED_WITHIN_MS = 15_000;

/** More pages than any login has. */
const PAGES_MAX = 12;

/** One browser; each person has a profile of their own in it. */
export async function browser() {
  const started = await chromium.launch({ executablePath: CHROMIUM, args: ARGS });
  return {
    person: (account, options) => Person.in(started, account, options),
    close: () => Promise.race([started.close(), pause(CLOSED_WITHIN_MS, undefined, { ref: false })]),
  };
}

/** Somebody with an account and a browser profile. */
export class Person {
  /** What the browser complained of: console errors, violations of a policy, scripts that failed. */
  complaints = [];

  static async in(started, account, { colorScheme = "light", locale = "en-GB" } = {}) {
    // The tests' own certificates are known to nobody.
    const context = await started.newContext({ colorScheme, locale, ignoreHTTPSErrors: true });
    context.setDefaultTimeout(WITHIN_MS);
    return new Person(context, await context.newPage(), account);
  }

  constructor(context, page, account) {
    Object.assign(this, { context, page, account });
    context.on("console", (line) => {
      if (["error", "warning"].includes(line.type())) this.complaints.push(`${line.location().url}: ${line.text()}`);
    });
    context.on("weberror", (error) => this.complaints.push(String(error.error())));
  }

  /** Leaves the page as it is, and goes on in a new one. */
  async afresh() {
    this.page = await this.context.newPage();
  }

  /** Chooses a password by a one-time link. */
  async setUp(link) {
    await this.page.goto(link);
    await this.#fill({ subject: this.account.name, password: this.account.password, again: this.account.password });
    await this.#submit("button");
    return this.page.getByRole("heading").first().textContent();
  }

  /** Opens an address and does what its pages ask for; returns the address of the page that asks for nothing. */
  async follow(url, options) {
    await this.page.goto(url);
    return this.goOn(options);
  }

  /** As `follow`, from the page that is there. */
  async goOn({ decision = "allow", code } = {}) {
    for (let pages = 0; pages < PAGES_MAX; pages += 1) {
      if (!(await this.step({ decision, code }))) return new URL(this.page.url());
    }
    throw new Error(`there is no end to the pages: ${this.page.url()}`);
  }

  /** Does what one page asks for; false when it asks for nothing. */
  async step({ decision = "allow", code } = {}) {
    const asks = await this.asks();
    if (asks === "login") await this.logIn();
    else if (asks === "consent") await this.decide(decision);
    else if (asks === "code" && code) await this.type(code);
    else if (asks === "provider") await this.#submit("a.act");
    else return false;
    return true;
  }

  /** What the page wants: `login`, `consent`, `code` (of a device), `provider` (to be chosen), or undefined. */
  async asks() {
    const marks = {
      consent: 'button[name="decision"]',
      login: 'input[name="password"]',
      code: 'input[name="user_code"]',
      provider: 'a.act[href^="/login/start"]',
    };
    for (const [what, mark] of Object.entries(marks)) if (await this.page.locator(mark).count()) return what;
  }

  /** Fills in the login form that is shown. */
  async logIn({ name, password } = this.account) {
    const fields = { subject: name, password };
    if (this.account.tenant) fields.tenant = this.account.tenant;
    await this.#fill(fields);
    await this.#submit('button[type="submit"]');
  }

  /** Presses one of the two buttons of the consent page. */
  async decide(decision) {
    await this.#submit(`button[name="decision"][value="${decision}"]`);
  }

  /** Says on the consent page that this is somebody else's login. */
  async switchAccount() {
    await this.#submit('form[action="/logout"] button');
  }

  /** Types the code that a device shows. */
  async type(code) {
    await this.#fill({ user_code: code });
    await this.#submit('button[type="submit"]');
  }

  close() {
    return this.context.close();
  }

  async #fill(fields) {
    for (const [name, value] of Object.entries(fields)) {
      const field = this.page.locator(`input[name="${name}"]`);
      if (await field.isEditable({ timeout: WITHIN_MS }).catch(() => false)) await field.fill(value);
    }
  }

  /** Presses something that leads to another page, and waits for that. */
  async #submit(selector) {
    const left = this.page.waitForEvent("framenavigated", { predicate: (frame) => frame === this.page.mainFrame() });
    await Promise.all([left, this.page.locator(selector).first().click()]);
    await this.page.waitForLoadState();
  }
}

/** The loopback address of a client that waits for its code; `answers` are the queries that came. */
export async function callback(path = "/callback") {
  const answers = [];
  const server = createServer((request, response) => {
    const url = new URL(request.url, "http://127.0.0.1");
    if (url.pathname === path) answers.push(Object.fromEntries(url.searchParams));
    response.writeHead(url.pathname === path ? 200 : 404, { "content-type": "text/html" });
    response.end('<!doctype html><html lang="en"><title>Done</title><link rel="icon" href="data:,"><h1>Done</h1>');
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = () => (server.closeAllConnections(), new Promise((resolve) => server.close(resolve)));
  return { url: `http://127.0.0.1:${server.address().port}${path}`, answers, close };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { PERSON_NAME: name, PERSON_PASSWORD: password, PERSON_DECISION: decision, PERSON_TENANT: tenant } = process.env;
  const started = await browser();
  try {
    const person = await started.person({ name, password, tenant });
    const end = await person.follow(process.argv[2], { decision });
    console.log(end.href);
    if (await person.asks()) throw new Error(`${end.href} still asks`);
  } catch (error) {
    console.error(error);
    process.exitCode = 1;
  } finally {
    await started.close();
  }
  process.exit();
}

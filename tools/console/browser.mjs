// People in a headless Chromium, each with a profile of their own and a login at the stand.
import { chromium } from "playwright-core";
import { setTimeout as pause } from "node:timers/promises";

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const QUIET = ["quic", "background-networking", "component-update", "sync"].map((what) => `--disable-${what}`);
const ARGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", ...QUIET];
const PASSWORD = "correct horse battery staple";
/** A page of a busy machine is there well within this. */
const WITHIN_MS = 60_000;
/** A browser that does not close is left to the end of the process, which ends it. */
const CLOSED_WITHIN_MS = 15_000;

export class Browser {
  static async launch() {
    return new Browser(await chromium.launch({ executablePath: CHROMIUM, args: ARGS }));
  }

  constructor(started) {
    this.started = started;
  }

  /** Somebody who has set their password, logged in, and stands before the console. */
  async person(served, name) {
    const context = await this.started.newContext({ locale: "en-GB" });
    context.setDefaultTimeout(WITHIN_MS);
    const person = new Person(context, await context.newPage(), served, name);
    await person.enter();
    return person;
  }

  close() {
    return Promise.race([this.started.close(), pause(CLOSED_WITHIN_MS, undefined, { ref: false })]);
  }
}

class Person {
  /** What the browser complained of: console errors, violations of the policy, scripts that failed. */
  complaints = [];

  constructor(context, page, served, name) {
    Object.assign(this, { context, page, served, name });
    context.on("console", (line) => {
      if (["error", "warning"].includes(line.type())) this.complaints.push(`${line.location().url}: ${line.text()}`);
    });
    context.on("weberror", (error) => this.complaints.push(String(error.error())));
    context.on("dialog", (dialog) => this.complaints.push(`a dialog: ${dialog.message()}`));
  }

  async enter() {
    if (this.served.links[this.name]) await this.setUp();
    await this.goto("/console");
    await this.page.locator("input[name=subject]").fill(this.name);
    await this.page.locator("input[name=password]").fill(PASSWORD);
    await this.submit("button[type=submit]");
    if (new URL(this.page.url()).pathname !== "/console") throw new Error(`not at the console but at ${this.page.url()}`);
  }

  /** Chooses a password by the one-time link, which is then used up. */
  async setUp() {
    await this.page.goto(this.served.links[this.name]);
    delete this.served.links[this.name];
    for (const field of ["password", "again"]) await this.page.locator(`input[name=${field}]`).fill(PASSWORD);
    await this.submit("button");
  }

  goto(path) {
    return this.page.goto(this.served.origin + path);
  }

  /** Presses something that leads to another page, and waits for that. */
  async submit(selector) {
    const left = this.page.waitForEvent("framenavigated", { predicate: (frame) => frame === this.page.mainFrame() });
    await Promise.all([left, this.page.locator(selector).first().click()]);
    await this.page.waitForLoadState();
  }

  close() {
    return this.context.close();
  }
}

// A person in a browser, from the link in the log to a tool call, and what a browser must not let happen on the way.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { authorization, callAdd, claimsOf, dpopKey, redeem } from "./client.mjs";
import { ACCOUNT, callback } from "./person.mjs";
import { gateway } from "./stand.mjs";

const PART = "pages";
const CLIENT = { id: "app", name: "The App", redirect_uris: ["http://127.0.0.1/callback"] };

export default async function pages(table, world) {
  for (const tls of [false, true]) {
    const scene = await Scene.open(world, tls);
    try {
      await flow(table, scene);
      if (!tls) await refusals(table, scene);
    } finally {
      await scene.close();
    }
  }
}

/** A gateway, somebody who uses it, and the client that waits for their answer. */
export class Scene {
  static async open(world, tls = false) {
    const stand = await gateway({ server: { clients: [CLIENT] }, upstream: world.upstream, tls });
    return new Scene(world, stand, await world.browser.person(ACCOUNT), await callback());
  }

  constructor(world, stand, person, back) {
    Object.assign(this, { world, stand, person, back });
  }

  request(more = {}) {
    const client = { client_id: CLIENT.id, redirect_uri: this.back.url, resource: this.stand.url() };
    return authorization(`${this.stand.origin}/authorize`, { ...client, ...more });
  }

  /** The one answer that came to the client's address since the last was taken; undefined where none did. */
  answer() {
    const answers = this.back.answers.splice(0);
    assert.ok(answers.length <= 1, `the client was answered more than once: ${JSON.stringify(answers)}`);
    return answers[0];
  }

  /** What the page says first. */
  heading(person = this.person) {
    return person.page.getByRole("heading").first().textContent();
  }

  redeem(request, answer) {
    return redeem(`${this.stand.origin}/token`, request, answer, { ca: this.stand.caFile });
  }

  call(bearer, upstream) {
    return callAdd(this.stand.url(upstream), bearer, { ca: this.stand.caFile });
  }

  async close() {
    await this.person.close();
    await this.back.close();
    await this.stand.stop();
  }
}

async function flow(table, scene) {
  const { stand, person } = scene;
  const over = stand.caFile ? "over TLS" : "over plain HTTP on loopback";
  await table.check(PART, `the link in the log sets a password, ${over}`, async () => {
    assert.equal(stand.links.length, 1, stand.log());
    assert.equal(await person.setUp(stand.links[0]), "The password is set");
  });
  await table.check(PART, `login, consent, code, token, tool call, ${over}`, async () => {
    const request = scene.request();
    await person.follow(request.url);
    const answer = scene.answer();
    assert.equal(answer.state, request.state);
    assert.equal(answer.iss, stand.origin);
    const { status, json } = await scene.redeem(request, answer);
    assert.equal(status, 200, JSON.stringify(json));
    const claims = claimsOf(json.access_token);
    assert.deepEqual([claims.sub, claims.act.sub, claims.aud, claims.tenant], [ACCOUNT.name, "app", stand.url(), "demo"]);
    assert.equal((await scene.call(json.access_token)).sum, "5");
    assert.equal((await scene.call(json.access_token, "other")).status, 401);
  });
  await table.check(PART, `the browser keeps the session's cookie, as narrow as it can be, ${over}`, async () => {
    const cookies = await person.context.cookies(stand.origin);
    const kinds = cookies.map(({ name, secure, httpOnly, sameSite, path }) => ({ name, secure, httpOnly, sameSite, path }));
    const prefix = stand.caFile ? "__Host-" : "";
    const kind = { secure: Boolean(stand.caFile), httpOnly: true, sameSite: "Lax", path: "/" };
    const expected = ["browser", "session"].map((name) => ({ name: `${prefix}cardea-${name}`, ...kind }));
    assert.deepEqual(kinds.sort((a, b) => a.name.localeCompare(b.name)), expected);
    const again = scene.request();
    await person.page.goto(again.url);
    assert.equal(await person.asks(), "consent", "the person has to log in again");
  });
  await table.check(PART, `the browser complained of nothing, ${over}`, async () => {
    assert.deepEqual(person.complaints, []);
  });
}

async function refusals(table, scene) {
  const { stand, person, back } = scene;
  const check = (name, run) => table.check(PART, name, run);

  await check("the link works once", async () => {
    const reply = await person.page.goto(stand.links[0]);
    assert.equal(reply.status(), 400);
    assert.equal(await scene.heading(), "This does not work");
  });

  await check("a person who denies: the client is told access_denied and gets no code", async () => {
    const request = scene.request();
    await person.follow(request.url, { decision: "deny" });
    const { error, state, iss, code } = scene.answer();
    assert.deepEqual([error, state, iss, code], ["access_denied", request.state, stand.origin, undefined]);
  });

  await check("a wrong password goes nowhere, says nothing, and the right one still works", async () => {
    const other = await scene.world.browser.person(ACCOUNT);
    await other.page.goto(scene.request().url);
    const texts = [];
    for (const name of [ACCOUNT.name, "nobody"]) {
      await other.logIn({ name, password: "wrong horse battery staple" });
      assert.equal(await other.asks(), "login");
      texts.push(await other.page.getByRole("alert").textContent());
    }
    assert.equal(texts[0], texts[1]);
    await other.goOn();
    assert.ok(scene.answer().code);
    await other.close();
  });

  await check("no page of another origin shows the consent page or the login page in a frame", async () => {
    await framing(scene);
  });

  await check("a redirect URI that is not the client's is never gone to", async () => {
    const { port } = new URL(back.url);
    const foreign = [
      `http://127.0.0.1:${port}/callback/`,
      `http://127.0.0.1:${port}/elsewhere`,
      `http://127.0.0.1:${port}/callback?more=1`,
      `http://localhost:${port}/callback`,
      `http://127.0.0.1:${port}@evil.example/callback`,
      "https://evil.example/callback",
      "javascript:alert(1)",
    ];
    for (const redirect_uri of foreign) {
      const reply = await person.page.goto(scene.request({ redirect_uri }).url);
      assert.equal(reply.status(), 400, redirect_uri);
      assert.equal(new URL(person.page.url()).origin, stand.origin, redirect_uri);
    }
    assert.equal(scene.answer(), undefined);
  });

  await check("a consent form that is sent a second time gives no second code", async () => {
    const before = stand.events("code_issued").length;
    await person.page.goto(scene.request().url);
    await person.decide("allow");
    assert.ok(scene.answer().code);
    await person.page.goBack();
    await person.decide("allow");
    assert.match(await person.page.textContent("main"), /this was decided already/);
    assert.equal(scene.answer(), undefined);
    assert.equal(stand.events("code_issued").length, before + 1);
  });

  await check("a code that comes a second time ends what came of the first", async () => {
    const request = scene.request();
    await person.follow(request.url);
    const answer = scene.answer();
    const first = await scene.redeem(request, answer);
    assert.equal((await scene.call(first.json.access_token)).sum, "5");
    const second = await scene.redeem(request, answer);
    assert.deepEqual([second.status, second.json.error], [400, "invalid_grant"]);
    assert.equal((await scene.call(first.json.access_token)).status, 401);
  });

  await check("a token bound to a key needs a fresh proof by that key for this very call", async () => {
    const key = dpopKey();
    const request = scene.request();
    await person.follow(request.url);
    const endpoint = `${stand.origin}/token`;
    const code = scene.answer();
    const redeemed = (nonce) =>
      redeem(endpoint, request, code, { headers: { dpop: key.proof("POST", endpoint, undefined, nonce) } });
    // In the first seconds after its start the gateway does not know which proofs were used before: it asks for a nonce.
    let { json, headers } = await redeemed();
    if (json.error === "use_dpop_nonce") ({ json } = await redeemed(headers["dpop-nonce"]));
    assert.equal(json.token_type, "DPoP", JSON.stringify(json));
    assert.equal(claimsOf(json.access_token).cnf.jkt, key.thumbprint);
    const call = (dpop) =>
      callAdd(stand.url(), undefined, { headers: { authorization: `DPoP ${json.access_token}`, ...(dpop && { dpop }) } });
    const { headers: challenged } = await call(key.proof("POST", stand.url(), json.access_token));
    const proved = (by, url) => by.proof("POST", url, json.access_token, challenged["dpop-nonce"]);
    const proof = proved(key, stand.url());
    assert.equal((await call(proof)).sum, "5");
    assert.equal((await call(proof)).status, 401, "the same proof again");
    assert.equal((await call(proved(dpopKey(), stand.url()))).status, 401, "another key");
    assert.equal((await call(proved(key, stand.url("other")))).status, 401, "another address");
    assert.equal((await call()).status, 401, "no proof");
    assert.equal((await scene.call(json.access_token)).status, 401, "as a bearer token");
  });

  await check("a page of another site cannot send the consent form, even with the person's own fields", async () => {
    await forgery(scene);
  });

  await check("whoever is somebody else logs in anew, and decides on the same request", async () => {
    const request = scene.request();
    await person.page.goto(request.url);
    assert.equal(await person.asks(), "consent");
    await person.switchAccount();
    assert.equal(await person.asks(), "login");
    await person.goOn();
    assert.equal(scene.answer()?.state, request.state);
  });

  await check("logging out ends the session", async () => {
    // Without a request to go on with, as a form of the gateway's would.
    await person.page.goto(scene.request().url);
    await person.page.evaluate(() => {
      const form = document.body.appendChild(document.createElement("form"));
      Object.assign(form, { method: "post", action: "/logout" }).submit();
    });
    await person.page.getByRole("heading", { name: "Logged out" }).waitFor();
    await person.page.goto(scene.request().url);
    assert.equal(await person.asks(), "login");
  });
}

/** The consent page and the login page in frames of another origin stay empty. */
async function framing(scene) {
  const { person } = scene;
  await person.page.goto(scene.request().url);
  assert.equal(await person.asks(), "consent");
  const consent = person.page.url();
  const login = consent.replace("/consent?", "/login?");
  const page = `<!doctype html>${[consent, login].map((url) => `<iframe src="${url}"></iframe>`).join("")}`;
  const evil = await site(page);
  const victim = await person.context.newPage();
  await victim.goto(evil.url, { waitUntil: "load" });
  const frames = victim.frames().slice(1);
  assert.equal(frames.length, 2);
  for (const frame of frames) {
    await frame.waitForURL("chrome-error://chromewebdata/");
    assert.equal(await frame.locator("form").count(), 0);
  }
  await victim.close();
  await evil.close();
}

/** A form on another site, with the hidden fields that the person was shown. */
async function forgery(scene) {
  const { person, stand } = scene;
  const before = stand.events("consent_given").length;
  await person.page.goto(scene.request().url);
  const hidden = person.page.locator('form[action="/consent"] input[type=hidden]');
  const fields = await hidden.evaluateAll((inputs) => inputs.map((input) => input.outerHTML));
  const evil = await site(`<!doctype html><form method="post" action="${stand.origin}/consent">${fields.join("")}
    <button name="decision" value="allow">Win</button></form>`);
  // The same address, and therefore the same site: cookies come along; and a name, which is another site.
  for (const host of ["127.0.0.1", "localhost"]) {
    await person.page.goto(evil.url.replace("127.0.0.1", host));
    await person.decide("allow");
    assert.equal(new URL(person.page.url()).origin, stand.origin);
    assert.match(await person.page.textContent("main"), /this form was not shown to this browser/);
  }
  assert.equal(stand.events("consent_given").length, before);
  assert.equal(scene.answer(), undefined);
  await evil.close();
}

/** A page of somebody else's on loopback. */
async function site(html) {
  const server = createServer((_, response) => {
    response.writeHead(200, { "content-type": "text/html" }).end(html);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = () => (server.closeAllConnections(), new Promise((resolve) => server.close(resolve)));
  return { url: `http://127.0.0.1:${server.address().port}/`, close };
}

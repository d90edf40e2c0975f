// People log in at `oidc-provider` and come back to the built-in authorization server; and what it refuses when
// something between the two was changed.
import assert from "node:assert/strict";
import { authorization, callAdd, claimsOf, redeem } from "./client.mjs";
import { ACCOUNT, callback } from "./person.mjs";
import { openidProvider } from "./provider.mjs";
import { freePort, gateway } from "./stand.mjs";

const PART = "login provider";
const BOB = { name: "bob", password: "bob's own long password" };
const SECRET = "a-secret-of-the-tests-alone-0123456789";

export default async function loginProvider(table, world) {
  const bySecret = {
    id: { token_endpoint_auth_method: "client_secret_basic", client_secret: SECRET },
    credential: { client_secret: { env: "LOGIN_SECRET" } },
  };
  await at(world, bySecret, (scene) => checks(table, scene));
  const byKeys = {
    id: { token_endpoint_auth_method: "private_key_jwt", token_endpoint_auth_signing_alg: "ES256" },
    credential: { own_keys: true },
  };
  await at(world, byKeys, (scene) =>
    table.check(PART, "the gateway shows who it is there by its own keys (private_key_jwt)", () => throughAndThrough(scene)),
  );
}

/** A gateway whose people log in at a provider, by one way of showing there who the gateway is. */
async function at(world, { id, credential }, run) {
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const back = await callback();
  const client = { client_id: "cardea", redirect_uris: [`${origin}/login/callback`], ...id };
  if (credential.own_keys) client.jwks_uri = `${origin}/.well-known/jwks.json`;
  const provider = await openidProvider({
    accounts: { [ACCOUNT.name]: ACCOUNT.password, [BOB.name]: BOB.password },
    claims: (name) => ({ org_id: name === BOB.name ? "org_of_others" : "org_123", groups: ["ops", "dev"] }),
    clients: [client],
    trusted: ["cardea"],
  });
  const claims = { tenant_claim: "/org_id", tenant_values: { org_123: "demo" }, groups_claim: "/groups" };
  const stand = await gateway({
    port,
    upstream: world.upstream,
    environment: { LOGIN_SECRET: SECRET },
    server: {
      clients: [{ id: "app", redirect_uris: ["http://127.0.0.1/callback"] }],
      login: [{ name: "The Provider", issuer: provider.issuer, client_id: "cardea", ...claims, ...credential }],
    },
  });
  const request = () =>
    authorization(`${origin}/authorize`, { client_id: "app", redirect_uri: back.url, resource: stand.url() });
  try {
    await run({ world, stand, provider, back, request });
  } finally {
    await stand.stop();
    await provider.stop();
    await back.close();
  }
}

/** From the client's request over a login at the provider to a tool call. */
async function throughAndThrough({ world, stand, back, request }) {
  const person = await world.browser.person(ACCOUNT);
  const asked = request();
  await person.follow(asked.url);
  const answer = back.answers.shift();
  assert.equal(answer?.iss, stand.origin, `${person.page.url()} ${await person.page.textContent("body")}`);
  const { json } = await redeem(`${stand.origin}/token`, asked, answer);
  const { sub, tenant, groups } = claimsOf(json.access_token);
  assert.deepEqual([sub, tenant, groups.toSorted()], [ACCOUNT.name, "demo", ["dev", "ops"]]);
  assert.equal((await callAdd(stand.url(), json.access_token)).sum, "5");
  assert.deepEqual(person.complaints, []);
  await person.close();
}

async function checks(table, scene) {
  const { world, stand, provider, back, request } = scene;
  const check = (name, run) => table.check(PART, name, run);
  const logins = () => stand.events("login").length;
  const begin = (account = ACCOUNT) => world.browser.person(account);

  await check("a person logs in there, consents here, and the client calls a tool", () => throughAndThrough(scene));

  await check("whoever is somebody else has to log in at the provider too, which remembers the other", async () => {
    const person = await begin();
    await person.page.goto(request().url);
    while ((await person.asks()) !== "consent") await person.step();
    await person.switchAccount();
    assert.equal(await person.asks(), "provider");
    await person.step();
    assert.equal(new URL(person.page.url()).origin, provider.issuer);
    assert.equal(await person.asks(), "login");
    await person.goOn();
    assert.ok(back.answers.shift()?.code);
    await person.close();
  });

  /** A login in which something is changed ends on a page of the gateway's, without a session and without a code. */
  const refused = (name, said, tamper, account = ACCOUNT) =>
    check(name, async () => {
      const before = logins();
      back.answers.length = 0;
      const person = await begin(account);
      Object.assign(provider.tamper, tamper);
      try {
        await person.follow(request().url);
      } finally {
        delete provider.tamper.request;
        delete provider.tamper.redirect;
      }
      assert.equal(new URL(person.page.url()).origin, stand.origin);
      assert.match(await person.page.textContent("main"), said);
      const cookies = await person.context.cookies(stand.origin);
      assert.ok(!cookies.some(({ name }) => name.endsWith("cardea-session")), "there is a session");
      assert.equal(logins(), before);
      assert.deepEqual(back.answers, []);
      await person.close();
    });

  const another = /not that of the provider which was asked/;
  const useless = /your login cannot be used here/;
  const onWay = (name, said, change) => refused(name, said, { redirect: onWayBack(change) });
  await onWay("a changed state is refused", /this login has ended/, (query) => query.set("state", turned(query.get("state"))));
  await onWay("no state is refused", /`state` is missing/, (query) => query.delete("state"));
  await refused("an ID token with another nonce is refused", useless, {
    request: (url) => (url.startsWith("/auth?") ? url.replace(/nonce=[^&]+/, "nonce=of-somebody-else") : undefined),
  });
  await onWay("the answer of another issuer is refused", another, (query) => query.set("iss", "https://evil.example"));
  await onWay("an answer that does not say whose it is is refused", another, (query) => query.delete("iss"));
  await onWay("an error of the provider's is told, and logs nobody in", /your provider did not log you in/, (query) => {
    query.delete("code");
    query.set("error", "access_denied");
  });
  await onWay("a code of nobody's is refused", /try again in a moment/, (query) => query.set("code", "made-up"));
  await refused("a person of no known organisation is refused", useless, {}, BOB);

  await check("the answer to one browser is worth nothing in another", async () => {
    const [victim, attacker] = [await begin(), await begin()];
    let stolen;
    provider.tamper.redirect = (url) => {
      if (!url.includes("/login/callback?")) return undefined;
      stolen = url;
      return "about:blank";
    };
    await attacker.follow(request().url).finally(() => delete provider.tamper.redirect);
    assert.ok(stolen);
    const reply = await victim.page.goto(stolen);
    assert.equal(reply.status(), 400);
    const cookies = await victim.context.cookies(stand.origin);
    assert.ok(!cookies.some(({ name }) => name.endsWith("cardea-session")));
    await Promise.all([victim.close(), attacker.close()]);
  });

  await check("the records say at which provider", async () => {
    for (const name of ["login", "login_failed"]) {
      const events = stand.events(name);
      assert.ok(events.length > 0, name);
      for (const event of events) assert.ok(JSON.stringify(event).includes(provider.issuer), JSON.stringify(event));
    }
  });
}

/** Changes the query with which the provider sends somebody back to the gateway. */
function onWayBack(change) {
  return (location) => {
    if (!location.includes("/login/callback?")) return undefined;
    const url = new URL(location);
    change(url.searchParams);
    return url.href;
  };
}

/** The same text with another letter in its middle. */
function turned(text) {
  const at = Math.floor(text.length / 2);
  return text.slice(0, at) + (text[at] === "A" ? "B" : "A") + text.slice(at + 1);
}

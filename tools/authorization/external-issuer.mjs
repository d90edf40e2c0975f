// `oidc-provider` as the issuer of the access tokens: the gateway is a resource server and has no part in the login.
import assert from "node:assert/strict";
import { authorization, callAdd, claimsOf, discover, redeem } from "./client.mjs";
import { ACCOUNT, callback } from "./person.mjs";
import { openidProvider } from "./provider.mjs";
import { gateway } from "./stand.mjs";

const PART = "external issuer";
const BOB = { name: "bob", password: "bob's own long password" };

export default async function externalIssuer(table, world) {
  const back = await callback();
  const provider = await openidProvider({
    accounts: { [ACCOUNT.name]: ACCOUNT.password, [BOB.name]: BOB.password },
    claims: (name) => ({ org_id: name === BOB.name ? "org_of_others" : "org_123", roles: { mcp: ["ops"] }, upn: `${name}@example.com` }),
    clients: [
      {
        client_id: "desk",
        application_type: "native",
        token_endpoint_auth_method: "none",
        redirect_uris: [back.url],
      },
    ],
    scope: "mcp other",
  });
  const issuer = {
    issuer: provider.issuer,
    tenant_claim: "/org_id",
    tenant_values: { org_123: "demo" },
    subject_claim: "/upn",
    groups_claim: "/roles/mcp",
    required_scopes: ["mcp"],
  };
  const stand = await gateway({ server: null, config: { issuers: [issuer] }, upstream: world.upstream });
  const person = await world.browser.person(ACCOUNT);
  try {
    await checks(table, { world, stand, provider, person, back });
  } finally {
    await person.close();
    await stand.stop();
    await provider.stop();
    await back.close();
  }
}

async function checks(table, { world, stand, provider, person, back }) {
  const check = (name, run) => table.check(PART, name, run);

  /** What the provider gives to the client for a resource, by the browser of somebody. */
  const tokens = async ({ who = person, ...more }) => {
    const client = { client_id: "desk", redirect_uri: back.url, scope: "mcp" };
    const request = authorization(`${provider.issuer}/auth`, { ...client, ...more });
    await who.follow(request.url);
    const answer = back.answers.shift();
    assert.ok(answer?.code, `no code: ${who.page.url()} ${JSON.stringify(answer)}`);
    const { json } = await redeem(`${provider.issuer}/token`, request, answer, { more: more.resource && { resource: more.resource } });
    assert.ok(json.access_token, JSON.stringify(json));
    return json;
  };
  const refused = async (bearer, status, code, detail) => {
    const answer = await callAdd(stand.url(), bearer);
    assert.equal(answer.status, status, answer.text);
    const record = stand.records().findLast(({ kind }) => kind === "denial");
    assert.equal(record.denial.code, code);
    assert.match(record.denial.detail ?? "", detail);
    return answer;
  };

  await check("a client finds it by the gateway's challenge, a person logs in there, a tool is called", async () => {
    const { resource, issuer } = await discover(stand.url());
    assert.equal(issuer.issuer, provider.issuer);
    assert.equal(resource.resource, stand.url());
    assert.deepEqual(resource.scopes_supported, ["mcp"]);
    const { access_token } = await tokens({ resource: stand.url() });
    assert.equal(claimsOf(access_token).aud, stand.url());
    assert.equal((await callAdd(stand.url(), access_token)).sum, "5");
    assert.deepEqual(person.complaints, []);
  });

  await check("the record names the person and the agent by the mapped claims", async () => {
    const { tenant, subject, actor } = stand.records().findLast(({ kind }) => kind === "outcome");
    assert.deepEqual([tenant, subject, actor], ["demo", `${ACCOUNT.name}@example.com`, "desk"]);
  });

  await check("a token for another upstream, or for another server, is refused", async () => {
    for (const resource of [stand.url("other"), "https://elsewhere.example/mcp"]) {
      const { access_token } = await tokens({ resource });
      await refused(access_token, 401, "E_TOKEN_INVALID", /issued for/);
    }
  });

  await check("a token without the scope is refused, and the challenge names it", async () => {
    const { access_token } = await tokens({ resource: stand.url(), scope: "other" });
    const { challenge } = await refused(access_token, 403, "E_SCOPE_INSUFFICIENT", /^/);
    assert.match(challenge, /error="insufficient_scope"/);
    assert.match(challenge, /scope="mcp"/);
  });

  await check("an ID token is no access token", async () => {
    const { id_token } = await tokens({ scope: "openid" });
    await refused(id_token, 401, "E_TOKEN_INVALID", /typ/);
  });

  await check("an opaque token of the provider's is refused", async () => {
    const { access_token } = await tokens({ scope: "openid" });
    assert.equal((await callAdd(stand.url(), access_token)).status, 401);
  });

  await check("a person of another organisation is refused", async () => {
    const bob = await world.browser.person(BOB);
    const { access_token } = await tokens({ who: bob, resource: stand.url() });
    await refused(access_token, 401, "E_TOKEN_INVALID", /org_of_others/);
    await bob.close();
  });
}

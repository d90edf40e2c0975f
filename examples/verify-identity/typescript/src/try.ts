// Tries verify.ts: one JSON object per line on standard input, one verdict per line on standard output.
//
//   node dist/try.js JWKS_URL ISSUER AUDIENCE TENANT
//
// A line is {"token": "…", "tool": "…", "arguments": {…}}; calls of other tenants than TENANT are refused.

import { createInterface } from "node:readline";
import { verifier } from "./verify.js";

const [jwksUrl, issuer, audience, tenant] = process.argv.slice(2);
const verify = verifier(jwksUrl, issuer, audience);
for await (const line of createInterface({ input: process.stdin })) {
  const call = JSON.parse(line);
  try {
    const claims = await verify(call.token, call.tool, call.arguments);
    if (claims.tctx.tenant !== tenant) {
      throw new Error("another tenant");
    }
    console.log(`accepted ${claims.sub} by ${claims.act.sub}`);
  } catch (why) {
    console.log(`refused: ${(why as Error).message}`);
  }
}

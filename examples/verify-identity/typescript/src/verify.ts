// Verifies who calls: the statement that a Cardea gateway signs for each request.

import { createHash } from "node:crypto";
import canonicalize from "canonicalize";
import { createRemoteJWKSet, jwtVerify, type JWTPayload } from "jose";

export interface Statement extends JWTPayload {
  txn: string;
  act: { sub: string };
  tctx: { tenant: string; upstream: string; method: string; tool?: string; args_sha256?: string; run: string };
}

/** Gives a function that verifies statements of one gateway for one server; each statement is good once. */
export function verifier(jwksUrl: string, issuer: string, audience: string) {
  const keys = createRemoteJWKSet(new URL(jwksUrl));
  const seen = new Map<string, number>();

  return async (token: string, tool: string, args: unknown): Promise<Statement> => {
    const { payload } = await jwtVerify<Statement>(token, keys, {
      algorithms: ["ES256"],
      typ: "txntoken+jwt",
      issuer,
      audience,
      requiredClaims: ["iat", "exp", "sub", "txn", "tctx"],
    });
    if (payload.tctx.tool !== tool) {
      throw new Error("made for another tool");
    }
    const canonical = canonicalize(args ?? {}) as string;
    if (payload.tctx.args_sha256 !== createHash("sha256").update(canonical).digest("base64url")) {
      throw new Error("made for other arguments");
    }
    const now = Date.now() / 1000;
    for (const [txn, expires] of seen) {
      if (expires <= now) seen.delete(txn);
    }
    if (seen.has(payload.txn)) {
      throw new Error("seen before");
    }
    seen.set(payload.txn, payload.exp as number);
    return payload;
  };
}

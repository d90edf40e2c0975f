"""Tries verify.py: one JSON object per line on standard input, one verdict per line on standard output.

    python3 try.py JWKS_URL ISSUER AUDIENCE TENANT

A line is {"token": "…", "tool": "…", "arguments": {…}}; calls of other tenants than TENANT are refused.
"""

import json
import sys

from verify import Refused, Verifier

jwks_url, issuer, audience, tenant = sys.argv[1:]
verifier = Verifier(jwks_url, issuer, audience)
for line in sys.stdin:
    call = json.loads(line)
    try:
        claims = verifier.verify(call["token"], call["tool"], call.get("arguments"))
        if claims["tctx"]["tenant"] != tenant:
            raise Refused("another tenant")
        print(f"accepted {claims['sub']} by {claims['act']['sub']}", flush=True)
    except Refused as why:
        print(f"refused: {why}", flush=True)

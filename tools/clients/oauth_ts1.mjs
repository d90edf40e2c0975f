#!/usr/bin/env node
// Drives the OAuth flow of the TypeScript SDK 1.x client (@modelcontextprotocol/sdk).
// See README.md for the command line and the output.
import { UnauthorizedError } from "@modelcontextprotocol/sdk/client/auth.js";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import * as common from "./common.mjs";
import * as oauth from "./oauth_common.mjs";

const options = oauth.commandLine();
const name = "@modelcontextprotocol/sdk";

/** What this SDK's own example says when it registers: many clients are made from it. */
const AS_IN_THE_EXAMPLE = { token_endpoint_auth_method: "client_secret_post" };

/** This SDK takes the code only; that a person may have said no is left to applications. */
function codeOf(answer) {
  const code = answer.get("code");
  if (code === null) throw Object.assign(new Error(answer.get("error_description")), { code: answer.get("error") });
  return code;
}

await common.run(options, oauth.emptyReport(`${name} ${common.packageVersion(name)}`), async (report) => {
  const listener = await oauth.callbackListener(options.redirectPort);
  const provider = new oauth.Provider(options, listener, AS_IN_THE_EXAMPLE);

  async function connect() {
    const fetch = common.rememberingFetch(report);
    const transport = new StreamableHTTPClientTransport(options.url, { authProvider: provider, fetch });
    const client = new Client({ name: "cardea-oauth-ts1", version: "1" }, { capabilities: {} });
    try {
      await client.connect(transport);
    } catch (error) {
      if (!(error instanceof UnauthorizedError)) throw error;
      return { finish: (answer) => transport.finishAuth(codeOf(answer)) };
    }
    const session = {
      protocol: () => transport.protocolVersion,
      call: async (tool, args) => common.textOf(await client.callTool({ name: tool, arguments: args })),
      close: async () => {
        await transport.terminateSession();
        await client.close();
      },
    };
    return { session };
  }

  await oauth.drive(report, options, provider, { connect });
});

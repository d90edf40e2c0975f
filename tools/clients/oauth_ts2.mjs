#!/usr/bin/env node
// Drives the OAuth flow of the TypeScript SDK 2.x client (@modelcontextprotocol/client); --dpop binds its tokens.
// See README.md for the command line and the output.
import { Client, DpopSession, StreamableHTTPClientTransport, UnauthorizedError } from "@modelcontextprotocol/client";
import * as common from "./common.mjs";
import * as oauth from "./oauth_common.mjs";

const options = oauth.commandLine();
const name = "@modelcontextprotocol/client";

await common.run(options, oauth.emptyReport(`${name} ${common.packageVersion(name)}`), async (report) => {
  const provider = new oauth.Provider(options, await oauth.callbackListener(options.redirectPort));
  if (options.dpop) {
    const session = await DpopSession.create();
    provider.dpop = () => session;
  }

  async function connect() {
    const fetch = common.rememberingFetch(report);
    const transport = new StreamableHTTPClientTransport(options.url, { authProvider: provider, fetch });
    const client = new Client({ name: "cardea-oauth-ts2", version: "1" }, { versionNegotiation: { mode: "auto" } });
    try {
      await client.connect(transport);
    } catch (error) {
      if (!(error instanceof UnauthorizedError)) throw error;
      // The whole answer: the SDK itself looks at `iss`, and at `error` of a person who says no.
      return { finish: (answer) => transport.finishAuth(answer) };
    }
    const session = {
      protocol: () => client.getNegotiatedProtocolVersion(),
      call: async (tool, args) => common.textOf(await client.callTool({ name: tool, arguments: args })),
      close: () => client.close(),
    };
    return { session };
  }

  await oauth.drive(report, options, provider, { connect });
});

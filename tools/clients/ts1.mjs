#!/usr/bin/env node
// Drives the TypeScript SDK 1.x client (@modelcontextprotocol/sdk), which knows the legacy era only.
// See README.md for the command line and the output.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ElicitRequestSchema, UrlElicitationRequiredError } from "@modelcontextprotocol/sdk/types.js";
import * as common from "./common.mjs";

const options = common.commandLine(["legacy"]);
const name = "@modelcontextprotocol/sdk";

await common.run(options, common.emptyReport(`${name} ${common.packageVersion(name)}`), async (report) => {
  const transport = options.command
    ? new StdioClientTransport(common.launch(options))
    : new StreamableHTTPClientTransport(options.url, {
        requestInit: { headers: common.headers(options) },
        fetch: common.rememberingFetch(report),
      });
  const client = new Client(
    { name: "cardea-ts1", version: "1" },
    { capabilities: options.pages ? { elicitation: { url: {} } } : options.elicit === undefined ? {} : { elicitation: {} } },
  );
  if (options.elicit !== undefined) {
    client.setRequestHandler(ElicitRequestSchema, ({ params }) => {
      report.elicited.push(params.message);
      return { action: "accept", content: options.elicit };
    });
  }
  if (options.command) transport.setProtocolVersion = (version) => { transport.protocolVersion = version; };
  await client.connect(transport);
  report.protocol = transport.protocolVersion;
  report.server = client.getServerVersion()?.name ?? null;

  let cursor;
  do {
    const page = await client.listTools(cursor === undefined ? {} : { cursor });
    report.tools.push(...page.tools.map((tool) => tool.name));
    cursor = page.nextCursor;
  } while (cursor !== undefined);

  if (options.call) {
    const onprogress = ({ progress }) => report.progress.push(progress);
    const params = { name: options.call, arguments: options.args };
    const call = () => client.callTool(params, undefined, { onprogress });
    let result;
    try {
      result = await call();
    } catch (error) {
      // It throws what sends the person to a page, and leaves the rest to the host.
      if (!options.pages || !(error instanceof UrlElicitationRequiredError)) throw error;
      for (const { url } of error.elicitations) await common.openPage(options.pages, url, report);
      result = await call();
    }
    if (options.approveFailed && common.pageOf(result)) {
      await common.openPage(options.approveFailed, common.pageOf(result), report);
      result = await call();
    }
    Object.assign(report, common.resultFields(result));
  }
  if (options.expectDenied) {
    const params = { name: options.expectDenied, arguments: options.deniedArgs };
    report.denied = await common.attempt(() => client.callTool(params));
  }
  await transport.terminateSession?.();
  await client.close();
});

#!/usr/bin/env node
// Drives the TypeScript SDK 2.x client (@modelcontextprotocol/client), whose default is the legacy era.
// See README.md for the command line and the output.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import * as common from "./common.mjs";

const options = common.commandLine(["legacy", "auto", "2026-07-28"]);
const name = "@modelcontextprotocol/client";

await common.run(options, common.emptyReport(`${name} ${common.packageVersion(name)}`), async (report) => {
  const transport = options.command
    ? new StdioClientTransport(common.launch(options))
    : new StreamableHTTPClientTransport(options.url, {
        requestInit: { headers: common.headers(options) },
        fetch: common.rememberingFetch(report),
      });
  const negotiated = ["legacy", "auto"].includes(options.mode) ? options.mode : { pin: options.mode };
  const client = new Client(
    { name: "cardea-ts2", version: "1" },
    {
      capabilities: options.pages
        ? { elicitation: { url: {} } }
        : options.elicit === undefined ? {} : { elicitation: { form: {} } },
      versionNegotiation: { mode: negotiated },
    },
  );
  if (options.elicit !== undefined) {
    client.setRequestHandler("elicitation/create", ({ params }) => {
      report.elicited.push(params.message);
      return { action: "accept", content: options.elicit };
    });
  }
  if (options.pages) {
    client.setRequestHandler("elicitation/create", async ({ params }) => {
      // One page is opened; a host asks its person before each.
      if (report.opened.length > 0) return { action: "decline" };
      await common.openPage(options.pages, params.url, report);
      return { action: "accept" };
    });
  }
  await client.connect(transport);
  report.protocol = client.getNegotiatedProtocolVersion();
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
    Object.assign(report, common.resultFields(await client.callTool(params, { onprogress })));
  }
  if (options.expectDenied) {
    const params = { name: options.expectDenied, arguments: options.deniedArgs };
    report.denied = await common.attempt(() => client.callTool(params));
  }
  if (client.getProtocolEra() === "legacy") await transport.terminateSession?.();
  await client.close();
});

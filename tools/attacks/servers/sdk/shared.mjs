// A server as the advisory of CVE-2026-25536 has it: one transport for all clients. What it tells is whose call it was.
import { createServer } from "node:http";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { z } from "zod";

const server = new McpServer({ name: "shared", version: "1.0.0" });
server.registerTool(
  "report",
  { inputSchema: { whose: z.string(), wait_ms: z.number() } },
  async ({ whose, wait_ms }) => {
    await new Promise((resolve) => setTimeout(resolve, wait_ms));
    return { content: [{ type: "text", text: `report of ${whose}` }] };
  },
);

const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined });
await server.connect(transport);
createServer((request, response) => transport.handleRequest(request, response)).listen(Number(process.env.PORT), "127.0.0.1");

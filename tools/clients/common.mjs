// What the JavaScript client drivers share: the command line and the one line of JSON that they print. See README.md.
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";

/** The exit status when the tool of --expect-denied was not refused. */
const NOT_DENIED = 3;

export function commandLine(modes) {
  const { values } = parseArgs({
    options: {
      url: { type: "string" },
      command: { type: "string" },
      token: { type: "string" },
      mode: { type: "string", default: modes[0] },
      call: { type: "string" },
      args: { type: "string", default: "{}" },
      "expect-denied": { type: "string" },
      "denied-args": { type: "string", default: "{}" },
      elicit: { type: "string" },
      pages: { type: "string" },
      "approve-failed": { type: "string" },
      "timeout-s": { type: "string", default: "60" },
    },
  });
  if (!values.url === !values.command) throw new Error("--url or --command is required");
  if (!modes.includes(values.mode)) throw new Error(`--mode must be one of ${modes.join(", ")}`);
  return {
    url: values.url && new URL(values.url),
    command: values.command && JSON.parse(values.command),
    token: values.token,
    mode: values.mode,
    call: values.call,
    args: JSON.parse(values.args),
    expectDenied: values["expect-denied"],
    deniedArgs: JSON.parse(values["denied-args"]),
    elicit: values.elicit === undefined ? undefined : JSON.parse(values.elicit),
    pages: values.pages,
    approveFailed: values["approve-failed"],
    timeoutMs: Number(values["timeout-s"]) * 1000,
  };
}

/** How a stdio transport of either SDK launches --command. */
export function launch({ command: [command, ...args] }) {
  return { command, args, env: process.env, stderr: "inherit" };
}

export function headers(options) {
  return options.token ? { Authorization: `Bearer ${options.token}` } : {};
}

export function packageVersion(name) {
  const file = new URL(`node_modules/${name}/package.json`, import.meta.url);
  return JSON.parse(readFileSync(file, "utf8")).version;
}

/** A fetch that remembers answers of 400 and above with the authentication challenge, which the SDKs drop. */
export function rememberingFetch(report) {
  return async (url, init) => {
    const response = await fetch(url, init);
    if (response.status >= 400) {
      report.http_refusals.push({
        method: init?.method ?? "GET",
        status: response.status,
        www_authenticate: response.headers.get("www-authenticate"),
      });
    }
    return response;
  };
}

/** Has the desk (`--pages`, `--approve-failed`) open an address; returns once a person has dealt with it. */
export async function openPage(desk, url, report) {
  const answer = await fetch(`${desk}?url=${encodeURIComponent(url)}`);
  if (!answer.ok) throw new Error(await answer.text());
  report.opened.push(url);
}

/** The page of the gateway that a failed tool names. */
export function pageOf(result) {
  return result.isError ? textOf(result).match(/https?:\S+\/console\/requests\/[\w-]+/)?.[0] : undefined;
}

export function resultFields(result) {
  return {
    result_text: textOf(result),
    is_error: result.isError ?? false,
    structured: result.structuredContent ?? null,
  };
}

export function textOf(result) {
  return (result.content ?? []).filter((block) => block.type === "text").map((block) => block.text).join("\n");
}

/** The refusal of a call, or null when it was carried out. */
export async function attempt(call) {
  try {
    const result = await call();
    return result.isError ? { code: null, message: textOf(result), as: "result" } : null;
  } catch (error) {
    return refusalOf(error);
  }
}

export function refusalOf(error) {
  if (error.refusal) return error.refusal;
  if (typeof error.code === "number" && error.code < 0) {
    return { code: error.code, message: error.message, data: error.data ?? null, as: "error" };
  }
  const status = error.status ?? (typeof error.code === "number" ? error.code : undefined);
  if (status !== undefined) return { code: status, message: error.message, as: "http" };
  return { code: error.code ?? null, message: `${error.name}: ${error.message}`, as: "exception" };
}

export function emptyReport(client) {
  return {
    client,
    protocol: null,
    server: null,
    tools: [],
    result_text: null,
    is_error: null,
    structured: null,
    progress: [],
    elicited: [],
    opened: [],
    denied: null,
    http_refusals: [],
  };
}

/** Runs `drive`, which fills the report, prints the report and exits. */
export async function run(options, report, drive) {
  let status = 0;
  const late = setTimeout(() => finish(1, new Error(`no end within ${options.timeoutMs} ms`)), options.timeoutMs);
  const finish = (code, error) => {
    clearTimeout(late);
    if (error) report.error = refusalOf(error);
    process.stdout.write(`${JSON.stringify(report)}\n`, () => process.exit(code));
  };
  try {
    await drive(report);
    if (options.expectDenied && report.denied === null) {
      console.error(`${options.expectDenied} was not refused`);
      status = NOT_DENIED;
    }
    finish(status);
  } catch (error) {
    finish(1, error);
  }
}

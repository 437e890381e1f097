import { createSocket } from "node:dgram";
import { isIP, Socket } from "node:net";
import { parseArgs } from "node:util";
import { parseDurationMs } from "../../core/duration.ts";
import type { NetworkNamespace } from "../../kernel/namespace.ts";
import { openSocket } from "../../kernel/sockets.ts";
import { bindInTurn } from "../../kernel/source-ports.ts";
import { lookup, LookupError, type ResolverFiles } from "./resolver.ts";

/** Where a command runs, as far as it sees it. */
export interface CommandPlace {
  network: NetworkNamespace;
  files: ResolverFiles;
}

/** What a command leaves: its exit code and what it wrote to its standard error. */
export interface CommandResult {
  exitCode: number;
  stderr: string;
}

interface Target {
  host: string;
  port: number;
}

/** An end with a word for it, as agnhost prints it. */
class Failed extends Error {}

const DONE: CommandResult = { exitCode: 0, stderr: "" };

/** Go's words for what connect(2) and recv(2) say (syscall/zerrors_linux). */
const ERRNO_TEXTS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  EHOSTUNREACH: "no route to host",
  ENETUNREACH: "network is unreachable",
  ECONNRESET: "connection reset by peer",
  EACCES: "permission denied",
  EPERM: "operation not permitted",
  ENOPROTOOPT: "protocol not available",
  EINVAL: "invalid argument",
};

/**
 * `agnhost connect HOST:PORT [--timeout=1s] [--protocol=tcp|udp|sctp] [--udp-data=…]`: one connection, or one datagram and its answer, from
 * the pod's network (kubernetes test/images/agnhost/connect/connect.go). No SCTP is sent: it ends as on a kernel that has none.
 */
export async function agnhostConnect(
  args: readonly string[],
  place: CommandPlace,
  signal: AbortSignal,
): Promise<CommandResult> {
  try {
    const { target, timeoutMs, protocol, udpData } = optionsOf(args);
    if (protocol === "sctp") await addressesOf(place, target, signal);
    if (protocol === "sctp") throw new Failed("OTHER: protocol not supported");
    if (protocol === "udp") await connectUdp(place, target, { timeoutMs, udpData, signal });
    else await connectTcp(place, target, { timeoutMs, signal });
    return DONE;
  } catch (error) {
    if (!(error instanceof Failed)) throw error;
    return { exitCode: 1, stderr: `${error.message}\n` };
  }
}

function optionsOf(args: readonly string[]): { target: Target; timeoutMs: number; protocol: string; udpData: string } {
  const text = { type: "string" } as const;
  const options = { timeout: text, protocol: text, "udp-data": text, "sctp-data": text };
  const { values, positionals } = parsed(args, options);
  const { timeout = "0", protocol = "tcp", "udp-data": udpData = "hostname" } = values as Record<string, string>;
  const timeoutMs = timeout === "0" ? 0 : parseDurationMs(timeout);
  if (timeoutMs === undefined)
    throw new Failed(
      `Error: invalid argument "${timeout}" for "--timeout" flag: time: invalid duration ${JSON.stringify(timeout)}`,
    );
  const [address = "", ...others] = positionals;
  if (positionals.length === 0 || others.length > 0)
    throw new Failed(`Error: accepts 1 arg(s), received ${positionals.length}`);
  if (!["", "tcp", "udp", "sctp"].includes(protocol)) throw new Failed(`Unsupported protocol\n${protocol}`);
  return { target: targetOf(address), timeoutMs, protocol, udpData };
}

function parsed(
  args: readonly string[],
  options: Record<string, { type: "string" }>,
): { values: Record<string, unknown>; positionals: string[] } {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    throw new Failed(`Error: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Go's net.SplitHostPort, of numbered ports alone. */
function targetOf(text: string): Target {
  const match = /^(?:\[([^\][]*)\]|([^:\][]*)):([^:]*)$/.exec(text);
  if (match === null) {
    const what = text.includes(":") ? "too many colons in address" : "missing port in address";
    throw new Failed(`UNKNOWN: address ${text}: ${what}`);
  }
  const [, bracketed, plain, port = ""] = match;
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535) throw new Failed(`DNS: address ${port}: invalid port`);
  const host = bracketed ?? plain ?? "";
  return { host: host === "" ? "127.0.0.1" : host, port: Number(port) };
}

async function addressesOf({ network, files }: CommandPlace, { host }: Target, signal: AbortSignal): Promise<string[]> {
  if (isIP(host) !== 0) return [host];
  try {
    return await lookup(network, files, host, signal);
  } catch (error) {
    if (!(error instanceof LookupError)) throw error;
    throw new Failed(`DNS: ${error.message}`, { cause: error });
  }
}

async function connectTcp(
  place: CommandPlace,
  target: Target,
  { timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal },
): Promise<void> {
  const addresses = await addressesOf(place, target, signal);
  const until = performance.now() + timeoutMs;
  let failure: NodeJS.ErrnoException | undefined;
  for (const address of addresses) {
    const leftMs = timeoutMs === 0 ? undefined : Math.max(1, until - performance.now());
    const end = await dial(place, { address, port: target.port }, leftMs, signal);
    if (end === "connected") return;
    if (end === "late" || end.code === "ETIMEDOUT") throw new Failed("TIMEOUT");
    failure = end;
  }
  if (failure?.code === "ECONNREFUSED") throw new Failed("REFUSED");
  throw new Failed(`OTHER: dial tcp ${addresses.at(-1)}:${target.port}: connect: ${textOf(failure)}`);
}

/** Resolves with why there is no connection, where there is none. */
function dial(
  { network }: CommandPlace,
  { address, port }: { address: string; port: number },
  timeoutMs: number | undefined,
  signal: AbortSignal,
): Promise<NodeJS.ErrnoException | "connected" | "late"> {
  // A socket is of the network that it is made in, wherever it is connected from.
  const socket = new Socket({ fd: network.enter(() => openSocket("tcp", address)), writable: true });
  return new Promise<NodeJS.ErrnoException | "connected" | "late">((resolve) => {
    const giveUp = (): void => resolve("late");
    const timer = timeoutMs === undefined ? undefined : setTimeout(giveUp, timeoutMs);
    signal.addEventListener("abort", giveUp, { once: true });
    socket.once("close", () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", giveUp);
    });
    socket.on("error", resolve);
    socket.connect({ host: address, port }, () => resolve("connected"));
  }).finally(() => socket.destroy());
}

async function connectUdp(
  place: CommandPlace,
  target: Target,
  { timeoutMs, udpData, signal }: { timeoutMs: number; udpData: string; signal: AbortSignal },
): Promise<void> {
  const [address = ""] = await addressesOf(place, target, signal);
  const { network } = place;
  const family = isIP(address) === 6 ? 6 : 4;
  const socket = createSocket(family === 6 ? "udp6" : "udp4");
  const fd = network.enter(() => {
    const opened = openSocket("udp", address);
    bindInTurn(opened, network.fd, family);
    return opened;
  });
  const where = `udp ${address}:${target.port}`;
  await new Promise<void>((resolve, reject) => {
    const timer =
      timeoutMs === 0
        ? undefined
        : setTimeout(() => reject(new Failed(`TIMEOUT: read ${where}: i/o timeout`)), timeoutMs);
    const giveUp = (): void => reject(new Failed(`UNKNOWN: read ${where}: operation was canceled`));
    signal.addEventListener("abort", giveUp, { once: true });
    socket.once("close", () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", giveUp);
    });
    socket.on("error", (error: NodeJS.ErrnoException) =>
      reject(new Failed(`${error.code === "ECONNREFUSED" ? "REFUSED" : "UNKNOWN"}: read ${where}: ${textOf(error)}`)),
    );
    socket.on("message", (data) =>
      data.length > 0
        ? resolve()
        : reject(
            new Failed("OTHER: No data received from the server. Cannot guarantee the server received the request."),
          ),
    );
    socket.bind({ fd }, () => socket.connect(target.port, address, () => socket.send(`${udpData}\n`)));
  }).finally(() => socket.close());
}

function textOf(error: NodeJS.ErrnoException | undefined): string {
  return ERRNO_TEXTS[error?.code ?? ""] ?? error?.message ?? "no suitable address found";
}

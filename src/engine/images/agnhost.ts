import { flagIsSet, flagValue, portOf } from "./flags.ts";
import { keyPairFault } from "./key-pair.ts";
import {
  ended,
  GO_UNHANDLED,
  http,
  IDLE,
  type ProcessContext,
  type ProcessListen,
  type ProcessPlan,
} from "./process.ts";

/** serve-hostname awaits "pod deletion" for so long (serve_hostname.go). */
const AWAITED_MS = 60_000;

/** The subcommands of kubernetes' test image that serve or wait (kubernetes test/images/agnhost/README.md). */
export function agnhost(context: ProcessContext): ProcessPlan {
  const [subcommand = "pause", ...args] = context.args;
  const run = Object.hasOwn(subcommands, subcommand) ? subcommands[subcommand] : undefined;
  return run === undefined ? ended(0, `agnhost ${subcommand} has done its work`) : run(args, context);
}

const subcommands: Readonly<Record<string, (args: readonly string[], context: ProcessContext) => ProcessPlan>> = {
  pause: () => ({ ...IDLE, stop: GO_UNHANDLED }),
  help: () => ended(),
  netexec(args, { readFile }) {
    const tcp = portOf(flagValue(args, "http-port"), 8080);
    const udp = flagValue(args, "udp-port") === "-1" ? "off" : portOf(flagValue(args, "udp-port"), 8081);
    if (tcp === undefined || udp === undefined) return badPort("netexec");
    const [cert = "", key = ""] = ["tls-cert-file", "tls-private-key-file"].map((flag) => flagValue(args, flag));
    const tls = cert === "" ? undefined : { cert: readFile(cert), key: readFile(key) };
    for (const [path, text] of [[cert, tls?.cert] as const, [key, tls?.key] as const])
      if (tls !== undefined && text === undefined) return ended(1, `open ${path}: no such file or directory`);
    const pair = tls && { cert: tls.cert ?? "", key: tls.key ?? "" };
    const fault = pair && keyPairFault(pair);
    if (fault !== undefined) return ended(1, `agnhost netexec: ${cert} and ${key} cannot be loaded: ${fault}`);
    // It counts itself as ready once its UDP server runs, so without one it never is.
    const listens: ProcessListen[] = [
      http(tcp, "netexec", { ...(udp === "off" && { isUnready: true }), ...(pair && { tls: pair }) }),
    ];
    if (udp !== "off") listens.push({ protocol: "UDP", port: udp, behaviour: { kind: "netexec-udp" } });
    const delayS = Number(flagValue(args, "delay-shutdown") ?? 0);
    if (!Number.isInteger(delayS)) return ended(1, "agnhost netexec: --delay-shutdown is no whole number");
    return { listens, stop: { afterMs: Math.max(0, delayS) * 1000, exitCode: 0 } };
  },
  "serve-hostname"(args) {
    const port = portOf(flagValue(args, "port"), 9376);
    if (port === undefined) return badPort("serve-hostname");
    const listens: ProcessListen[] = [];
    const isTcp = flagIsSet(args, "tcp", false);
    const isUdp = flagIsSet(args, "udp", false);
    if (flagIsSet(args, "http", true)) listens.push(http(port, "hostname"));
    if (isTcp) listens.push({ protocol: "TCP", port, behaviour: { kind: "say" } });
    if (isUdp) listens.push({ protocol: "UDP", port, behaviour: { kind: "say" } });
    return listens.length > 0
      ? { listens, stop: { afterMs: AWAITED_MS, exitCode: 0 } }
      : ended(1, "serve-hostname has no protocol to serve");
  },
  porter(_args, { env }) {
    const listens = [...env].flatMap(([name, value]) => {
      const match = /^SERVE_(?:TLS_|TCP_)?PORT_(\d+)$/.exec(name);
      const port = match === null ? undefined : portOf(match[1], 0);
      if (match === null || port === undefined) return [];
      const isHttp = name.startsWith("SERVE_PORT_");
      const served: ProcessListen = isHttp
        ? http(port, "fixed-text", { text: value ?? "" })
        : { protocol: "TCP", port, behaviour: { kind: "say", text: value ?? "" } };
      return [served];
    });
    return { listens, stop: GO_UNHANDLED };
  },
  "test-webserver": (args) => {
    const port = portOf(flagValue(args, "port"), 80);
    return port === undefined
      ? badPort("test-webserver")
      : { listens: [http(port, "directory-listing")], stop: GO_UNHANDLED };
  },
  guestbook: (args) => {
    const port = portOf(flagValue(args, "http-port"), 80);
    return port === undefined ? badPort("guestbook") : { listens: [http(port, "ok")], stop: GO_UNHANDLED };
  },
};

function badPort(subcommand: string): ProcessPlan {
  return ended(1, `agnhost ${subcommand}: a port flag is no port`);
}

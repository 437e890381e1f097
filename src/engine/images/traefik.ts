import type { EntryPoint, StaticConfiguration } from "../traefik/types.ts";
import { ended, type ProcessContext, type ProcessPlan } from "./process.ts";

/**
 * Traefik (doc.traefik.io/traefik/v3.5/reference/static-configuration/cli): its entry points, ping, and whether it reads Ingresses. Names of flags count
 * without regard to case; of what else they may say nothing is modelled.
 */
export function traefik({ args }: ProcessContext): ProcessPlan {
  const flags = flagsOf(args);
  const statics = staticConfiguration(flags);
  if (typeof statics === "string") return ended(1, statics);
  return {
    listens: statics.entryPoints.map(({ name, port, address }) => ({
      protocol: "TCP",
      port,
      ...(address === undefined ? {} : { address }),
      behaviour: { kind: "traefik", entryPoint: name, statics },
    })),
  };
}

/** `--name=value`; one that stands alone is `true`. */
function flagsOf(args: readonly string[]): Map<string, string> {
  const flags = new Map<string, string>();
  for (const arg of args) {
    const [, name = "", value = "true"] = /^--?([^=]+)(?:=(.*))?$/s.exec(arg) ?? [];
    if (name !== "") flags.set(name.toLowerCase(), value);
  }
  return flags;
}

function staticConfiguration(flags: ReadonlyMap<string, string>): StaticConfiguration | string {
  const isSet = (name: string): boolean => /^(?:true|1)$/i.test(flags.get(name) ?? "");
  const names = new Set<string>();
  for (const flag of flags.keys()) {
    const name = /^entrypoints\.([^.]+)\./.exec(flag)?.[1];
    if (name !== undefined) names.add(name);
  }
  const entryPoints: EntryPoint[] = [];
  for (const name of names) {
    const of = `entrypoints.${name}`;
    const address = flags.get(`${of}.address`) ?? "";
    const [, host = "", port = ""] = /^(.*):(\d{1,5})(?:\/tcp)?$/.exec(address) ?? [];
    if (port === "" || Number(port) > 65_535)
      return `command traefik error: error while building entryPoint ${name}: error preparing server: error opening listener: listen tcp: address ${address}: missing port in address`;
    const tlsFlags = [...flags.keys()].some((flag) => flag.startsWith(`${of}.http.tls.`));
    entryPoints.push({
      name,
      port: Number(port),
      ...(host === "" ? {} : { address: host.replaceAll(/[[\]]/g, "") }),
      hasTls: isSet(`${of}.http.tls`) || tlsFlags,
      isDefault: isSet(`${of}.asdefault`),
    });
  }
  // Without one Traefik has its own.
  if (entryPoints.length === 0) entryPoints.push({ name: "http", port: 80, hasTls: false, isDefault: false });
  const ping = isSet("ping") || flags.has("ping.entrypoint") ? (flags.get("ping.entrypoint") ?? "traefik") : undefined;
  const hasIngressProvider = [...flags.keys()].some((flag) => /^providers\.kubernetesingress(?:\.|$)/.test(flag));
  return { entryPoints, ...(ping === undefined ? {} : { ping }), hasIngressProvider };
}

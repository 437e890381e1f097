import type { EntryPoint, StaticConfiguration } from "./types.ts";

/** `--name=value`; one that stands alone is `true`. */
function flagsOf(args: readonly string[]): Map<string, string> {
  const flags = new Map<string, string>();
  for (const arg of args) {
    const [, name = "", value = "true"] = /^--?([^=]+)(?:=(.*))?$/s.exec(arg) ?? [];
    if (name !== "") flags.set(name.toLowerCase(), value);
  }
  return flags;
}

/** What its command line says; a string is why it ends at once. */
export function staticConfiguration(args: readonly string[]): StaticConfiguration | string {
  const flags = flagsOf(args);
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
  const gatewayProvider = gatewayProviderOf(flags);
  return {
    entryPoints,
    ...(ping === undefined ? {} : { ping }),
    hasIngressProvider: hasProvider(flags, "kubernetesingress"),
    hasCrdProvider: hasProvider(flags, "kubernetescrd"),
    ...(gatewayProvider === undefined ? {} : { gatewayProvider }),
  };
}

/** Whether a flag says that it reads from there, if only by one of the provider's options. */
function hasProvider(flags: ReadonlyMap<string, string>, name: string): boolean {
  const of = `providers.${name}`;
  return [...flags.keys()].some((flag) => flag === of || flag.startsWith(`${of}.`));
}

function gatewayProviderOf(flags: ReadonlyMap<string, string>): StaticConfiguration["gatewayProvider"] {
  if (!hasProvider(flags, "kubernetesgateway")) return undefined;
  const of = "providers.kubernetesgateway";
  const [name, namespace] = ["name", "namespace"].map((part) => flags.get(`${of}.statusaddress.service.${part}`) ?? "");
  return name === undefined || namespace === undefined || name === "" || namespace === ""
    ? {}
    : { statusService: { namespace, name } };
}

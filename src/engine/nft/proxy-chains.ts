import { createHash } from "node:crypto";
import type { Family } from "./address-ranges.ts";
import { block } from "./block.ts";
import type { Backend, ServicePortBackends } from "./proxy-backends.ts";

/** A chain name of kube-proxy: prefix, eight letters of the name's SHA-256 in base 32, and as much of the name as fits. */
function chainName(prefix: string, name: string): string {
  const digest = createHash("sha256").update(name).digest();
  const hash = base32Prefix(digest);
  const readable = /^[A-Za-z0-9._/-]*$/.test(name) ? `${hash}-${name}` : hash;
  return `${prefix}-${readable.length > 112 ? `${readable.slice(0, 109)}...` : readable}`;
}

/** The first eight characters in RFC 4648 base 32: the first five bytes, five bits each. */
function base32Prefix(bytes: Uint8Array): string {
  const bits = [...bytes.subarray(0, 5)].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  return [0, 5, 10, 15, 20, 25, 30, 35]
    .map((start) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".charAt(Number.parseInt(bits.slice(start, start + 5), 2)))
    .join("");
}

function portName({ namespace, service, protocol, portName: name }: ServicePortBackends): string {
  return `${namespace}/${service}/${protocol}/${name}`;
}

/** The chain that a Service port's packets go to. */
export function serviceChainName(port: ServicePortBackends): string {
  return chainName("service", portName(port));
}

function endpointChainName(port: ServicePortBackends, { address, port: number }: Backend): string {
  return chainName("endpoint", `${portName(port)}__${address.replaceAll(":", ".")}/${number}`);
}

/** The chain of a Service port, then those of its endpoints. Session affinity would choose before numgen does. */
export function serviceChains(port: ServicePortBackends, family: Family, clusterCidrs: readonly string[]): string[] {
  const choices = port.backends.map((backend, index) => `${index} : goto ${endpointChainName(port, backend)}`);
  const offCluster =
    clusterCidrs.length === 0
      ? []
      : [
          `${family} daddr ${port.clusterIp} ${family} saddr != { ${clusterCidrs.join(", ")} } jump mark-for-masquerade`,
        ];
  return [
    ...block(`chain ${serviceChainName(port)}`, [
      ...offCluster,
      `numgen random mod ${choices.length} vmap { ${choices.join(", ")} }`,
    ]),
    ...port.backends.flatMap((backend) => {
      const { address, port: number } = backend;
      const target = family === "ip" ? `${address}:${number}` : `[${address}]:${number}`;
      return block(`chain ${endpointChainName(port, backend)}`, [
        // A pod that reaches itself through its Service must see an answer from the Service, not from itself.
        `${family} saddr ${address} jump mark-for-masquerade`,
        `meta l4proto ${port.protocol} dnat to ${target}`,
      ]);
    }),
  ];
}

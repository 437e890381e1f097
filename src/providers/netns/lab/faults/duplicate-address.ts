import { announceAddress } from "../../../../kernel/announce-address.ts";
import { NetworkHost } from "../../../../kernel/network-host.ts";
import type { FaultOf } from "../../../fault.ts";
import { againAndAgain } from "./again-and-again.ts";
import { hostOps } from "../underlay.ts";
import { linkOf } from "./link.ts";
import type { FaultParts, Mend } from "./types.ts";

/** Whoever asks in between may learn the right one first; then it is not for longer than this. */
const ANNOUNCE_MS = 200;
const STRANGER = "stranger";

/** The same for an address each time, and told at sight from what the kernel gives: locally administered (IEEE 802). */
function strangersLladdr(address: Uint8Array): Uint8Array {
  return Uint8Array.from([0x02, 0xff, ...address]);
}

/**
 * One more host on the node's network has the node's address. It answers ARP as the node does, and announces the address as hosts do
 * that take one into use, again and again as those that defend it (RFC 5227, sections 2.3 and 2.4); it serves and forwards nothing.
 */
export function duplicateAddress({ underlay }: FaultParts, fault: FaultOf<"duplicateAddress">): Mend {
  const { node, name, port: nodePort } = linkOf({ underlay }, fault);
  const link = node.plan.interfaces.find((each) => each.name === name);
  const network = underlay.networks.get(link?.network ?? "");
  const [address] = link?.addresses ?? [];
  if (link === undefined || network === undefined || address === undefined)
    throw new Error(`${name} of node ${fault.node} has no address in the plan`);
  const { fabric } = underlay;
  const bytes = Uint8Array.from(address.split(".").map(Number));
  const lladdr = strangersLladdr(bytes);
  const port = `dup-${nodePort}`;
  const stranger = NetworkHost.create(STRANGER);
  const resolve = (): NetworkHost => stranger;
  const end = { name: "eth0", namespace: STRANGER, mtu: link.mtu, address: Buffer.from(lladdr).toString("hex") };
  fabric.configure(
    [
      { op: "veth-add", name: port, mtu: link.mtu, peer: end },
      { op: "link-set", name: port, master: network.bridge },
      { op: "link-up", name: port },
    ],
    resolve,
  );
  stranger.configure(
    [
      ...hostOps(false),
      { op: "link-up", name: end.name },
      { op: "address-add", dev: end.name, address, prefixLength: link.prefixLengths[0] ?? 0 },
      { op: "route-add", to: "default", via: network.gateway },
    ],
    resolve,
  );
  fabric.untilCarrying([port]);
  const announce = (): void =>
    announceAddress(stranger.namespace, { index: stranger.indexes.of(end.name), lladdr, address: bytes });
  announce();
  const stop = againAndAgain(ANNOUNCE_MS, `duplicateAddress ${fault.node}`, announce);
  let isThere = true;
  return () => {
    stop();
    if (isThere) {
      fabric.configure([{ op: "link-delete", name: port }], resolve);
      stranger.close();
      isThere = false;
    }
    // What they had learnt would be believed for some seconds more; now they ask anew, and one host answers.
    fabric.configure([{ op: "neigh-delete", dev: network.bridge, address, lladdr: end.address }], resolve);
    for (const other of underlay.nodes.values()) {
      const on = other.plan.interfaces.find((each) => each.network === link.network && other !== node);
      if (on === undefined) continue;
      other.host.configure([{ op: "neigh-delete", dev: on.name, address, lladdr: end.address }], resolve);
    }
  };
}

import { setImmediate } from "node:timers/promises";
import { LabError } from "../../../../core/errors.ts";
import { deletePassingConnections } from "../../../../kernel/conntrack.ts";
import { ConnectionFlood } from "../../../../kernel/conntrack-fill.ts";
import { NetlinkSocket } from "../../../../kernel/netlink-socket.ts";
import { NETLINK_NETFILTER } from "../../../../kernel/nft-set.ts";
import type { FaultOf } from "../../../fault.ts";
import { conntrackLimit, conntrackRefusal } from "../../conntrack-limit.ts";
import { againAndAgain } from "./again-and-again.ts";
import type { FaultParts, Mend } from "./types.ts";

/** Some 15 ms; the lab answers in between. */
const AT_ONCE = 2048;
/** Where it is full already, each is refused. */
const A_FEW = 8;
const REFILL_MS = 50;

/**
 * The node's table of connections is full, and stays so: who leaves is followed by another of the same kind. What is established goes on,
 * and of what is new the kernel drops the first packet.
 */
export async function conntrackFull({ underlay }: FaultParts, { node: name }: FaultOf<"conntrackFull">): Promise<Mend> {
  const node = underlay.nodes.get(name);
  if (node === undefined) throw new LabError("SOURCE_MISSING", `node ${name} does not exist`);
  const refusal = node.host.namespace.enter(() => conntrackRefusal(conntrackLimit()));
  if (refusal !== undefined) throw new LabError("FAULT_NOT_POSSIBLE", refusal);
  const socket = node.host.namespace.enter(() => new NetlinkSocket(NETLINK_NETFILTER));
  const flood = new ConnectionFlood(socket);
  // The kernel would take them out when the table is nearly full, and leave their room to whoever comes first.
  deletePassingConnections(socket);
  try {
    while (flood.add(AT_ONCE)) await setImmediate();
  } catch (error) {
    flood.remove();
    socket.close();
    throw error;
  }
  const stop = againAndAgain(REFILL_MS, `conntrackFull ${name}`, () => {
    while (flood.add(A_FEW));
  });
  return () => {
    stop();
    flood.remove();
    socket.close();
  };
}

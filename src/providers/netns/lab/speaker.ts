import { recordEvent } from "../../../engine/event-recorder.ts";
import { systemClock } from "../../../engine/clock.ts";
import type { Controller } from "../../../engine/controllers/controller.ts";
import { announcedAddresses } from "../../../engine/metallb/election.ts";
import { ADVERTISEMENT_KEY, POOL_KEY } from "../../../engine/metallb/pools.ts";
import { ArpResponder } from "../../../kernel/arp-responder.ts";
import { NdpResponder } from "../../../kernel/ndp-responder.ts";
import { ReadLoop } from "../../../kernel/read-loop.ts";
import type { ObjectStore } from "../../../engine/store/store.ts";
import { hasAddOn } from "../../../plan/has-add-on.ts";
import type { Plan } from "../../../plan/types.ts";
import { addressPool } from "../../address-pool.ts";
import type { Underlay } from "./underlay.ts";

/** The addresses that MetalLB gives out at first; undefined where the lab has no MetalLB. Throws ADD_ON_NETWORK_TOO_SMALL. */
export function metallbPool(plan: Pick<Plan, "realCluster" | "topology">): string[] | undefined {
  return hasAddOn(plan, "metallb") ? addressPool(plan.topology.networks[0]?.subnets ?? []) : undefined;
}

/** The control loop of MetalLB's speakers, where the lab has MetalLB. */
export function speakersOf(
  plan: Pick<Plan, "realCluster" | "topology">,
  underlay: Underlay,
  store: ObjectStore,
): Controller[] {
  return metallbPool(plan) === undefined ? [] : [new Speaker(underlay, store).controller()];
}

/** What answers on one node, of each family from the first address on. */
interface Answering {
  arp?: ArpResponder;
  ndp?: NdpResponder;
}

/**
 * MetalLB's speakers: on the node that is elected for an address, something answers ARP or neighbour discovery for it. The address itself is nobody's: what
 * comes for it is translated by kube-proxy's rules, or goes nowhere.
 */
class Speaker {
  private readonly underlay: Underlay;
  private readonly store: ObjectStore;
  private readonly loop = new ReadLoop((error) => {
    process.stderr.write(`metallb-speaker: ${error instanceof Error ? error.stack : String(error)}\n`);
  });
  /** Of nodes that have announced something. */
  private readonly responders = new Map<string, Answering>();
  /** Which node announces each address. */
  private announced = new Map<string, string>();

  constructor(underlay: Underlay, store: ObjectStore) {
    this.underlay = underlay;
    this.store = store;
  }

  /** When it has reconciled, the next request is answered by the elected node, and neighbours have been told. */
  controller(): Controller {
    return {
      name: "metallb-speaker",
      kinds: ["Service", "EndpointSlice", "Node", POOL_KEY, ADVERTISEMENT_KEY],
      keysOf: () => ["addresses"],
      reconcile: () => this.announce(),
    };
  }

  private announce(): void {
    const wanted = announcedAddresses(this.store);
    const before = this.announced;
    this.announced = new Map(wanted.map(({ address, node }) => [address, node]));
    // Who loses an address falls silent before the next one speaks.
    for (const node of this.responders.keys()) this.answer(node, before);
    for (const { address, node, services } of wanted) {
      this.open(node, address.includes(":") ? "ndp" : "arp");
      if (before.get(address) === node) continue;
      this.answer(node);
      for (const service of services)
        recordEvent(
          this.store,
          systemClock,
          { kind: "Service", ...service },
          "nodeAssigned",
          `announcing from node "${node}" with protocol "layer2"`,
          "Normal",
        );
    }
  }

  /** `before` leaves out what the node did not have then. */
  private answer(node: string, before?: ReadonlyMap<string, string>): void {
    const own = [...this.announced].filter(
      ([address, elected]) => elected === node && (before === undefined || before.get(address) === node),
    );
    const addresses = own.map(([address]) => address);
    const { arp, ndp } = this.responders.get(node) ?? {};
    arp?.answerFor(addresses.filter((address) => !address.includes(":")));
    ndp?.answerFor(addresses.filter((address) => address.includes(":")));
  }

  private open(name: string, family: keyof Answering): void {
    const present = this.responders.get(name);
    if (present?.[family] !== undefined) return;
    const { host, primary } = this.underlay.node(name);
    const Responder = family === "arp" ? ArpResponder : NdpResponder;
    const responder = new Responder(host.namespace, host.indexes.of(primary.name));
    this.responders.set(name, { ...present, [family]: responder });
    this.loop.add(responder.fd, () => responder.read());
  }
}

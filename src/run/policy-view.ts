import { isIPv6 } from "node:net";
import { createPolicyMatrix, type PolicyMatrix, type PortMatrix } from "../policy/matrix.ts";
import type { OracleWorld } from "../policy/types.ts";
import type { RanCell } from "../probes/scheduler.ts";
import type { Flow } from "../providers/types.ts";
import type { FlowOracle } from "./flow-oracle.ts";

interface Ends {
  matrix: PolicyMatrix;
  /** By `shop/web-1`. */
  numbers: Map<string, number>;
  ports: Map<string, PortMatrix>;
}

/** What the cluster's policies said of flows at one moment: of pairs of pods by their classes, of everything else by the oracle. */
export class PolicyView {
  private readonly world: OracleWorld;
  private readonly oracle: FlowOracle;
  private readonly byFamily = new Map<4 | 6, Ends>();

  /** `world` and `oracle` are of the same moment. */
  constructor(world: OracleWorld, oracle: FlowOracle) {
    this.world = world;
    this.oracle = oracle;
  }

  /** Whether policies may treat the cell's flow otherwise than in `before`; also where they leave it open what becomes of it. */
  mayDiffer({ key, flow }: RanCell, before: PolicyView): boolean {
    if (flow === undefined) return true;
    if (flow.to.length === 1 && flow.to[0]?.kind === "pod") {
      const [now, then] = [this.sides(key.from, key.to, flow), before.sides(key.from, key.to, flow)];
      if (now !== undefined && then !== undefined) return now !== then;
    }
    const [now, then] = [this.oracle.answer(flow), before.oracle.answer(flow)];
    const isOpen = now.expected === undefined || then.expected === undefined;
    return isOpen || JSON.stringify(now.why) !== JSON.stringify(then.why);
  }

  /** Undefined where an end is no pod with a network of its own. */
  private sides(from: string, to: string, flow: Flow): number | undefined {
    const { address, protocol, targetPorts: [port] = [flow.port] } = flow;
    if (port === undefined || protocol === "icmp") return undefined;
    const { matrix, numbers, ports } = this.ends(isIPv6(address) ? 6 : 4);
    const [source, destination] = [numbers.get(from), numbers.get(to)];
    if (source === undefined || destination === undefined || source === destination) return undefined;
    const name = `${port}/${protocol}`;
    let verdicts = ports.get(name);
    if (verdicts === undefined) ports.set(name, (verdicts = matrix.on(port, protocol === "udp" ? "UDP" : "TCP")));
    return verdicts.sides(source, destination);
  }

  private ends(family: 4 | 6): Ends {
    const known = this.byFamily.get(family);
    if (known !== undefined) return known;
    const pods = this.world.pods.filter(({ hostNetwork }) => hostNetwork !== true);
    const ends: Ends = {
      matrix: createPolicyMatrix(
        this.world,
        pods.map((pod) => ({ pod })),
        family,
      ),
      numbers: new Map(pods.map(({ namespace, name }, number) => [`${namespace}/${name}`, number])),
      ports: new Map(),
    };
    this.byFamily.set(family, ends);
    return ends;
  }
}

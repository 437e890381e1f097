import type { CellKey } from "../grade/types.ts";
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

interface Destination {
  ends: Ends;
  /** `shop/web-1`. */
  podName: string;
  number: number;
  verdicts: PortMatrix;
}

/** What each side says, as {@link PortMatrix.sides}; undefined where an end is no pod with a network of its own, or both are one. */
type SidesOf = (key: CellKey) => number | undefined;

/** Of {@link PortMatrix.sides}: the source's egress and the destination's ingress let the flow pass. */
const BOTH_SIDES = 3;

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

  /**
   * Whether policies may treat a cell's flow otherwise than in `before`; also where they leave it open what becomes of it. Quick for cells
   * that follow each other with one destination, as a matrix has them.
   */
  comparison(before: PolicyView): (cell: RanCell) => boolean {
    const [now, then] = [this.destinations(), before.destinations()];
    return ({ key, flow }) => {
      if (flow === undefined) return true;
      const [sides, earlier] = [now(flow)?.(key), then(flow)?.(key)];
      return sides === undefined || earlier === undefined ? this.mayAnswerDiffer(flow, before) : sides !== earlier;
    };
  }

  /**
   * Whether both moments have the same pods, and policies treat no flow of a pod's to that flow's destination otherwise than in `before`.
   * Flows of pods that have no network of their own, and of others, are not looked at ({@link isEnd}).
   */
  evenness(before: PolicyView): (flow: Flow) => boolean {
    return (flow) => {
      const [now, then] = [this.destinationOf(flow), before.destinationOf(flow)];
      if (now === undefined || then === undefined || now.number !== then.number) return false;
      const pairs = classPairs(now.ends, then.ends);
      if (pairs === undefined) return false;
      const [to, toThen] = [classAt(now.ends, now.number), classAt(then.ends, then.number)];
      // Pods of the destination's own class are asked for, too, be it the destination alone: that costs no more than a look at its cells.
      return pairs.every(
        ([from, fromThen]) => now.verdicts.sidesOfClasses(from, to) === then.verdicts.sidesOfClasses(fromThen, toThen),
      );
    };
  }

  /**
   * Whether what was seen of a cell between two pods is what its policies say: an answer where both sides let the flow in, or a packet that
   * the kernel recorded as dropped or rejected by a rule where one does not.
   */
  foretells({ key, flow, observation }: RanCell): boolean {
    if (flow === undefined || observation === undefined) return false;
    const sides = this.destinations()(flow)?.(key);
    if (sides === undefined) return false;
    const { outcome, proof } = observation;
    if (sides === BOTH_SIDES) return outcome === "allowed";
    return (outcome === "dropped" || outcome === "rejected") && proof !== undefined;
  }

  /** Whether `shop/web-1` is a pod with a network of its own. */
  isEnd(name: string): boolean {
    return this.ends(4).numbers.has(name);
  }

  private mayAnswerDiffer(flow: Flow, before: PolicyView): boolean {
    const [now, then] = [this.oracle.answer(flow), before.oracle.answer(flow)];
    const isOpen = now.expected === undefined || then.expected === undefined;
    return isOpen || JSON.stringify(now.why) !== JSON.stringify(then.why);
  }

  /** Remembers the last destination: what stands for a flow's, as {@link towards}. */
  private destinations(): (flow: Flow) => SidesOf | undefined {
    let last: Flow | undefined;
    let found: SidesOf | undefined;
    return (flow) => {
      // Flows of one destination have the list of its pods in common.
      if (
        last === undefined ||
        last.to !== flow.to ||
        last.address !== flow.address ||
        last.port !== flow.port ||
        last.protocol !== flow.protocol ||
        last.targetPorts !== flow.targetPorts
      ) {
        found = this.towards(flow);
        last = flow;
      }
      return found;
    };
  }

  /** What each side says to sources of that flow's destination; undefined where that is no pod with a network of its own. */
  private towards(flow: Flow): SidesOf | undefined {
    const found = this.destinationOf(flow);
    if (found === undefined) return undefined;
    const { ends, podName, number, verdicts } = found;
    return ({ from, to: name }) => {
      const source = name === podName ? ends.numbers.get(from) : undefined;
      return source === undefined || source === number ? undefined : verdicts.sides(source, number);
    };
  }

  private destinationOf({ to, address, port: asked, protocol, targetPorts }: Flow): Destination | undefined {
    const [only, ...others] = to;
    const [port] = targetPorts ?? [asked];
    if (only?.kind !== "pod" || others.length > 0 || port === undefined || protocol === "icmp") return undefined;
    const ends = this.ends(address.includes(":") ? 6 : 4);
    const podName = `${only.namespace}/${only.name}`;
    const number = ends.numbers.get(podName);
    if (number === undefined) return undefined;
    const portName = `${port}/${protocol}`;
    let verdicts = ends.ports.get(portName);
    if (verdicts === undefined)
      ends.ports.set(portName, (verdicts = ends.matrix.on(port, protocol === "udp" ? "UDP" : "TCP")));
    return { ends, podName, number, verdicts };
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

/** Of two lists of ends: moments follow each other, and so do questions about them. */
const compared = new WeakMap<Ends, { other: Ends; pairs: [number, number][] | undefined }>();

/** The pairs of classes, of each moment, that the pods have; undefined where numbers are not of the same pods. */
function classPairs(one: Ends, other: Ends): [number, number][] | undefined {
  const known = compared.get(one);
  if (known?.other === other) return known.pairs;
  const [names, others] = [[...one.numbers.keys()], [...other.numbers.keys()]];
  const areSame = names.length === others.length && names.every((name, index) => name === others[index]);
  const distinct = new Map<string, [number, number]>();
  for (const number of areSame ? names.keys() : []) {
    const pair: [number, number] = [classAt(one, number), classAt(other, number)];
    distinct.set(pair.join(), pair);
  }
  const pairs = areSame ? [...distinct.values()] : undefined;
  compared.set(one, { other, pairs });
  return pairs;
}

/** The number of a pod's class. */
function classAt({ matrix }: Ends, number: number): number {
  return matrix.classOf[number] as number;
}

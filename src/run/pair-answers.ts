import { parseIp } from "../core/ip.ts";
import { classify } from "../policy/classes.ts";
import { explainLines } from "../policy/explain.ts";
import type { OracleEnd, OracleFlow, OraclePod, OracleVerdict, OracleWorld } from "../policy/types.ts";
import type { FlowAnswer } from "./flow-oracle.ts";

/** A flow from a pod to an address. */
export interface PairQuestion {
  from: { namespace: string; name: string };
  address: string;
  port: number;
  protocol: OracleFlow["protocol"];
  family: 4 | 6;
}

interface Ends {
  /** By `shop/web-1`. */
  numbers: ReadonlyMap<string, number>;
  byAddress: ReadonlyMap<string, number>;
  pods: readonly OraclePod[];
  classOf: Int32Array;
}

/** What is true of all pairs of two classes; lines are in pieces, between which {@link MARKS} stand. */
interface PairAnswer {
  answer: FlowAnswer;
  lines: readonly (readonly string[])[];
}

/** Stand for the source's name, the destination pod's and its address: of the private use area, which the names of objects cannot have. */
const MARKS = { from: "\uE000", to: "\uE001", address: "\uE002" };
const anyMark = /([\uE000-\uE002])(?:\/\1)?/;

/**
 * Answers flows between pods by their classes: what the policies say is worked out for one pair of two classes, and told of the others with
 * their own names. Pods that the classes may not fit have no answer here: those on the host network, those with two addresses of a family,
 * and those whose address somebody else has, too.
 */
export class PairAnswers {
  private readonly world: OracleWorld;
  private readonly workOut: (flow: OracleFlow) => { verdict: OracleVerdict; answer: FlowAnswer };
  private readonly byFamily = new Map<4 | 6, Ends>();
  /** By port, protocol and family; then by the classes of both ends. */
  private readonly known = new Map<string, Map<number, PairAnswer | "alone">>();
  /** Flows of one port follow each other. */
  private last: (Omit<PairQuestion, "from" | "address"> & { known: Map<number, PairAnswer | "alone"> }) | undefined;

  constructor(world: OracleWorld, workOut: PairAnswers["workOut"]) {
    this.world = world;
    this.workOut = workOut;
  }

  /** Undefined where the oracle has to be asked; `family` is that of the address. */
  answer({ from: source, address, port, protocol, family }: PairQuestion): FlowAnswer | undefined {
    const { numbers, byAddress, pods, classOf } = this.ends(family);
    const fromName = `${source.namespace}/${source.name}`;
    const from = numbers.get(fromName);
    const to = byAddress.get(address);
    if (from === undefined || to === undefined || from === to) return undefined;
    const known = this.knownOn(port, protocol, family);
    const key = (classOf[from] as number) * pods.length + (classOf[to] as number);
    let pair = known.get(key);
    if (pair === undefined) {
      const { namespace, name } = source;
      const flow: OracleFlow = {
        from: { kind: "pod", namespace, name },
        to: { kind: "address", address },
        port,
        protocol,
        family,
      };
      known.set(key, (pair = this.pairOf(flow)));
    }
    if (pair === "alone") return undefined;
    const { namespace, name } = pods[to] as OraclePod;
    const toName = `${namespace}/${name}`;
    const lines = pair.lines.map((pieces) => tell(pieces, fromName, toName, address));
    return { ...pair.answer, why: { ...pair.answer.why, lines } };
  }

  private knownOn(port: number, protocol: PairQuestion["protocol"], family: 4 | 6): Map<number, PairAnswer | "alone"> {
    const { last } = this;
    if (last?.port === port && last.protocol === protocol && last.family === family) return last.known;
    const key = `${port} ${protocol} ${family}`;
    let known = this.known.get(key);
    if (known === undefined) this.known.set(key, (known = new Map<number, PairAnswer | "alone">()));
    this.last = { port, protocol, family, known };
    return known;
  }

  private pairOf(flow: OracleFlow): PairAnswer | "alone" {
    const { verdict, answer } = this.workOut(flow);
    // Rules of cluster-wide policies are named by any text.
    if (answer.why.lines.some((line) => anyMark.test(line))) return "alone";
    const { egress, ingress } = verdict;
    const lines = explainLines({
      ...verdict,
      flow: { ...flow, from: marked(MARKS.from), to: { kind: "address", address: MARKS.address } },
      ...(egress && { egress: { ...egress, pod: { ...egress.pod, ...marked(MARKS.from) } } }),
      ...(ingress && { ingress: { ...ingress, pod: { ...ingress.pod, ...marked(MARKS.to) } } }),
    });
    return { answer, lines: [...new Set(lines)].map((line) => line.split(anyMark)) };
  }

  private ends(family: 4 | 6): Ends {
    let ends = this.byFamily.get(family);
    if (ends === undefined) this.byFamily.set(family, (ends = endsOf(this.world, family)));
    return ends;
  }
}

/** A name whose both parts are the mark. */
function marked(mark: string): OracleEnd & { kind: "pod" } {
  return { kind: "pod", namespace: mark, name: mark };
}

function tell(pieces: readonly string[], from: string, to: string, address: string): string {
  let line = "";
  for (const piece of pieces)
    line += piece === MARKS.from ? from : piece === MARKS.to ? to : piece === MARKS.address ? address : piece;
  return line;
}

function endsOf(world: OracleWorld, family: 4 | 6): Ends {
  const holders = new Map<string, number>();
  const count = (addresses: readonly string[]): void => {
    for (const key of addresses.flatMap((text) => keyOf(text, family) ?? []))
      holders.set(key, (holders.get(key) ?? 0) + 1);
  };
  for (const { addresses, hostNetwork } of world.pods) if (hostNetwork !== true) count(addresses);
  for (const { addresses } of world.nodes ?? []) count(addresses);
  const pods: OraclePod[] = [];
  const numbers = new Map<string, number>();
  const byAddress = new Map<string, number>();
  for (const pod of world.pods) {
    const own = pod.addresses.filter((text) => keyOf(text, family) !== undefined);
    const [address] = own;
    if (pod.hostNetwork === true || address === undefined || own.length > 1) continue;
    if (holders.get(keyOf(address, family) ?? "") !== 1) continue;
    const number = pods.push(pod) - 1;
    numbers.set(`${pod.namespace}/${pod.name}`, number);
    byAddress.set(address, number);
  }
  const { classOf } = classify(
    world,
    pods.map((pod) => ({ pod })),
    family,
  );
  return { numbers, byAddress, pods, classOf };
}

/** Undefined where it is of the other family. */
function keyOf(text: string, family: 4 | 6): string | undefined {
  const address = parseIp(text);
  return address?.family === family ? String(address.value) : undefined;
}

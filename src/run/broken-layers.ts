import { asError } from "../core/as-error.ts";
import { stoppedAt, type FlowFacts } from "../grade/layers.ts";
import type { DropProof, Evidence, GradeReport, JudgedCell, JudgedProbe, StoppedAt } from "../grade/types.ts";
import type { KubeObject } from "../kube/types.ts";
import { serviceAt, serviceBackends } from "../kube/workloads.ts";
import type { EndpointRef, Plan } from "../plan/types.ts";
import { lookedUpName } from "../probes/lookup.ts";
import type { RanCell, RanProbe } from "../probes/scheduler.ts";
import type { Cluster, Flow } from "../providers/types.ts";
import { cellId } from "./cell-id.ts";
import { factsOfEnds, factsOfFlow } from "./flow-facts.ts";
import { firstOfProbes } from "./node-evidence.ts";
import { RETRY_DEADLINE_MS, retryFlow } from "./retry-flow.ts";
import { SharedSweep, type SweepTurn } from "./shared-sweep.ts";

/** As many as nodes are asked about. */
const MOST = 6;
const DNS_PORT = 53;

interface Found {
  layer: StoppedAt;
  evidence: Evidence[];
}

/** A cell that is to be explained. */
interface Wanted {
  cell: JudgedCell;
  probe: JudgedProbe;
  ran: RanProbe | undefined;
  flow: Flow | undefined;
  /** Of a cell that is about a name: its lookup, not the server behind it. */
  lookup?: FlowFacts["lookup"];
}

/**
 * Adds to the first cells that did not pass the layer at which their flow stopped, and of what was tried again the captures. Judged
 * before and not again. Where all passed, nothing is asked of the cluster.
 */
export async function addLayers(
  grade: GradeReport,
  ran: readonly RanProbe[],
  { cluster, plan }: { cluster: Cluster; plan: Plan },
  { signal, onFlow }: { signal: AbortSignal; onFlow: (cell: JudgedCell) => void },
): Promise<GradeReport> {
  const wanted = firstOfProbes(grade.probes, isExplained).map(({ probe, cell }) => wantedOf(probe, cell, ran));
  if (wanted.length === 0) return grade;
  const objects = await cluster.list();
  // Two probes of one flow, such as tcp and curl, need it but once.
  const flows = new Map<string, Wanted>();
  for (const each of wanted) {
    if (withoutLooking(each) === undefined && flows.size < MOST && !flows.has(keyOf(each)))
      flows.set(keyOf(each), each);
  }
  signal.throwIfAborted();
  // All at once: each waits for a deadline most of the time.
  const sweep = new SharedSweep(cluster, RETRY_DEADLINE_MS);
  const turns = [...flows].map(([key, each]) => ({ key, each, turn: sweep.turn() }));
  const looks = turns.map(async ({ key, each, turn }): Promise<[string, Found | undefined]> => {
    onFlow(each.cell);
    try {
      return [key, await look(each, objects, { cluster, plan, turn, signal })];
    } finally {
      turn.end();
    }
  });
  const known = new Map(await Promise.all(looks));
  const found = new Map(
    wanted.map((each): [JudgedCell, Found | undefined] => {
      const layer = withoutLooking(each);
      return [each.cell, layer === undefined ? known.get(keyOf(each)) : { layer, evidence: [] }];
    }),
  );
  const probes = grade.probes.map((probe) => ({
    ...probe,
    cells: probe.cells.map((cell): JudgedCell => {
      const layer = found.get(cell);
      if (layer === undefined || cell.observation === undefined) return cell;
      const evidence = [...cell.observation.evidence, ...layer.evidence];
      return { ...cell, layer: layer.layer, observation: { ...cell.observation, evidence } };
    }),
  }));
  return { ...grade, probes };
}

/** Equal for cells that stopped at the same place, whatever probed it; one without a flow is like no other. */
function keyOf({ cell, flow, lookup }: Wanted): string {
  return JSON.stringify(flow === undefined && lookup === undefined ? cell : { flow, lookup });
}

/** What arrived was stopped nowhere: only a policy that should have stopped it, a wrong name and a length are told. */
function isExplained({ kind }: JudgedProbe, { expected, observation, why }: JudgedCell): boolean {
  if (observation === undefined) return false;
  if (observation.outcome !== "allowed") return true;
  return (
    (expected === "blocked" && why?.allowed === false) ||
    (typeof expected === "object" && kind === "mtu") ||
    kind === "dns"
  );
}

function wantedOf(probe: JudgedProbe, cell: JudgedCell, all: readonly RanProbe[]): Wanted {
  const ran = all.find(({ name }) => name === probe.name);
  const own: RanCell | undefined = ran?.cells.find(({ key }) => cellId(key) === cellId(cell.key));
  const flow = own?.flow;
  const name = probe.kind === "dns" ? cell.key.to : lookedUpName(cell.destination);
  const isAnswered = cell.observation?.outcome === "error";
  return {
    cell,
    probe,
    ran,
    flow,
    ...(name === undefined || isAnswered ? {} : { lookup: { name, said: cell.observation?.reason ?? "" } }),
  };
}

function withoutLooking({ cell, probe, lookup }: Wanted): StoppedAt | undefined {
  const { observation, why, reason } = cell;
  if (observation?.outcome !== "allowed") return undefined;
  if (why?.allowed === false && cell.expected === "blocked") {
    return {
      name: "policy",
      text: "nowhere: it arrived, and no rule of a policy stopped it",
      fact: observation.reason,
    };
  }
  // DNS answered, and not what it should.
  if (probe.kind !== "dns" || lookup === undefined) return undefined;
  return { name: "name", text: `${lookup.name} does not resolve as expected`, fact: reason };
}

async function look(
  { cell, probe, ran, flow, lookup }: Wanted,
  objects: readonly KubeObject[],
  { cluster, plan, turn, signal }: { cluster: Cluster; plan: Plan; turn: SweepTurn; signal: AbortSignal },
): Promise<Found | undefined> {
  // A name that did not resolve leads nowhere; its question went to cluster DNS.
  const asked =
    lookup !== undefined && probe.kind !== "dns" && flow !== undefined ? toClusterDns(flow, objects, plan) : flow;
  if (asked === undefined) {
    const { to, family } = (ran?.probe.options ?? {}) as { to?: EndpointRef; family?: string };
    const from = ran?.probe.from;
    if (from === undefined && to === undefined) return undefined;
    return {
      layer: stoppedAt({ ...factsOfEnds({ from, to, family }, objects), ...(lookup && { lookup }) }),
      evidence: [],
    };
  }
  const { nodes, networks } = plan.topology;
  const known = factsOfFlow(asked, objects, nodes);
  const facts: FlowFacts = { ...known.facts, ...(lookup && { lookup }) };
  const proof = policyDrop(cell.observation?.proof, cell.observation?.outcome === "dropped", objects);
  if (proof !== undefined) facts.drop = proof;
  if (cluster.way === undefined) {
    const unseen = ["routes", "links", "listeners", "kube-proxy's rules", "packet lengths"];
    return { layer: stoppedAt({ ...facts, unseen }), evidence: [] };
  }
  if (facts.source.trouble !== undefined) return { layer: stoppedAt(facts), evidence: [] };
  const live = known.ends.filter(({ fact }) => fact.trouble === undefined);
  const places = [known.from, ...live.map(({ fact, source }) => ({ name: fact.name, source }))];
  const byName = [...new Map(places.map(({ name, source }) => [name, { name, source }])).values()];
  const retry = retryFlow(cluster, asked, {
    places: byName,
    addresses: live.map(({ fact }) => fact.address),
    turn,
    signal,
  });
  const [tried, way] = await Promise.allSettled([
    retry,
    cluster.way({
      from: known.from,
      ends: live,
      nodes,
      routers: networks.flatMap(({ gateways }) => gateways),
      // Why it could not be tried is told by the first of the two.
      isOpen: retry.then(
        ({ retried }) => retried.outcome === "answered",
        () => false,
      ),
      signal,
      ...(known.translated === undefined ? {} : { service: known.translated }),
    }),
  ]);
  signal.throwIfAborted();
  if (tried.status === "fulfilled") {
    const { retried } = tried.value;
    const drop = policyDrop(retried.proof, retried.outcome === "no-answer", objects);
    if (drop !== undefined) facts.drop ??= drop;
  } else facts.unseen.push(`what becomes of it when it is tried again: ${asError(tried.reason).message}`);
  if (way.status === "fulfilled") {
    facts.ends = [...facts.ends.filter(({ trouble }) => trouble !== undefined), ...way.value.ends];
    if (facts.service !== undefined && way.value.rules !== undefined && known.translated !== undefined)
      facts.service.rules = { ...way.value.rules, shouldLeadTo: known.translated.backends };
  } else facts.unseen.push(`its way: ${asError(way.reason).message}`);
  return { layer: stoppedAt(facts), evidence: tried.status === "fulfilled" ? tried.value.evidence : [] };
}

function toClusterDns({ from }: Flow, objects: readonly KubeObject[], { cluster }: Plan): Flow | undefined {
  const { dnsAddress } = cluster;
  const service = serviceAt(objects, dnsAddress);
  if (from.kind !== "pod") return undefined;
  const backends = service === undefined ? [] : serviceBackends(objects, service, DNS_PORT, "UDP");
  const to = backends.flatMap(({ pod }) => (pod === undefined ? [] : [{ kind: "pod" as const, ...pod }]));
  const targetPorts = backends.flatMap(({ port }) => port ?? []);
  return { from, to, address: dnsAddress, port: DNS_PORT, protocol: "udp", targetPorts };
}

/** kube-proxy's rules record, too; what they refuse is at a Service's own address, and told by the Service. */
function policyDrop(
  proof: DropProof | undefined,
  isSilent: boolean,
  objects: readonly KubeObject[],
): FlowFacts["drop"] | undefined {
  if (proof === undefined || !isSilent || serviceAt(objects, proof.destination) !== undefined) return undefined;
  const { node, direction, source, destination, destinationPort, protocol } = proof;
  const port = destinationPort === undefined ? "" : ` port ${destinationPort}`;
  return {
    node,
    direction,
    record: `its rule recorded ${source} → ${destination}${port} (${protocol}) there`,
  };
}

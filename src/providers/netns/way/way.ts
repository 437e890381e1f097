import { isIp } from "../../../core/ip.ts";
import { LabError } from "../../../core/errors.ts";
import type { EndFact, HopFact, SizeFact } from "../../../grade/layers.ts";
import type { EchoReply } from "../../../kernel/echo.ts";
import type { PlannedNode } from "../../../plan/types.ts";
import type { Cluster, Source } from "../../types.ts";
import type { Way, WayRequest } from "../../way.ts";
import { endpointsOf, hopFact, placeScript, readPlace } from "./place-look.ts";
import type { PlaceLook } from "./place-look.ts";

const LOOK_TIMEOUT_MS = 5000;
/** As probes have it: one SYN retransmit (RFC 6298) and a little. */
const DEADLINE_MS = 1100;
const SMALL_BYTES = 84;

type End = WayRequest["ends"][number];
type Looker = Pick<Required<Cluster>, "exec" | "echo">;

/** One command at each place of the way, all at once, and echo requests between the ends and between their nodes. */
export async function lookAtWay(cluster: Looker, request: WayRequest): Promise<Way> {
  const { from, ends, service } = request;
  const names = new Set([from.node, ...ends.map(({ node }) => node)].filter((name) => name !== undefined));
  const places = new Map<string, Source>([
    [from.name, from.source],
    ...ends.map(({ fact, source }): [string, Source] => [fact.name, source]),
    ...[...names].map((name): [string, Source] => [`node/${name}`, { kind: "node", name }]),
  ]);
  const addresses = addressesOf(request);
  const looks = new Map(
    await Promise.all(
      [...places].map(async ([name, source]): Promise<[string, PlaceLook]> => {
        const end = ends.find(({ fact }) => fact.name === name);
        const isOwnNode = source.kind === "node" && source.name === from.node;
        const script = placeScript(addresses, {
          ...(end === undefined || end.fact.port === undefined ? {} : { protocol: end.fact.protocol }),
          ...(isOwnNode && service !== undefined ? { service } : {}),
        });
        const options = { timeoutMs: LOOK_TIMEOUT_MS, signal: request.signal };
        const { stdout, exitCode, stderr } = await cluster.exec(source, ["sh", "-c", script], options);
        if (exitCode !== 0) throw new LabError("LOOK_FAILED", `${name} could not be looked at: ${stderr.trim()}`);
        return [name, readPlace(stdout)];
      }),
    ),
  );
  const facts = await Promise.all(ends.map((end) => endFact(cluster, { ...request, end, looks })));
  const chains = from.node === undefined ? undefined : looks.get(`node/${from.node}`)?.chains;
  const leadTo = chains === undefined ? undefined : endpointsOf(chains);
  const rules = from.node === undefined || leadTo === undefined ? {} : { rules: { node: from.node, leadTo } };
  return { ends: facts, ...rules };
}

/** Literals alone: both ends and the nodes that they are on. */
function addressesOf({ from, ends, nodes }: WayRequest): string[] {
  const peers = [from.node, ...ends.map(({ node }) => node)].map((name) => addressOf(nodes, name));
  const all = [from.address, ...ends.map(({ fact }) => fact.address), ...peers];
  return [...new Set(all)].filter((address): address is string => address !== undefined && isIp(address));
}

function addressOf(nodes: readonly PlannedNode[], name: string | undefined): string | undefined {
  return nodes.find((node) => node.name === name)?.interfaces[0]?.addresses[0];
}

/** What was asked, with one of its ends and what all places show. */
interface LookedAt extends WayRequest {
  end: End;
  looks: ReadonlyMap<string, PlaceLook>;
}

async function endFact(cluster: Looker, looked: LookedAt): Promise<EndFact> {
  const { from, nodes, routers, isOpen, signal, end, looks } = looked;
  const { fact, node } = end;
  const isApart = from.node !== undefined && node !== undefined && from.node !== node;
  const [size, between] = await Promise.all([
    isOpen.then((open) => (open ? sizesOf(cluster, looked) : undefined)),
    isApart ? reach(cluster, [from.node ?? "", node], nodes, signal) : undefined,
  ]);
  const isPodSource = from.source.kind === "pod";
  const linksOf = (name: string | undefined): string[] =>
    nodes.find((each) => each.name === name)?.interfaces.map((link) => link.name) ?? [];
  const hop = (
    place: string,
    towards: HopFact["towards"],
    other: { name: string | undefined; own: string | undefined; isPod: boolean },
  ): HopFact[] => {
    const look = looks.get(place);
    const address = towards === "destination" ? fact.address : from.address;
    if (look === undefined || address === undefined) return [];
    const peer = isApart ? addressOf(nodes, other.name) : undefined;
    const isNode = place.startsWith("node/");
    return [
      hopFact(
        look,
        { place, towards, address, ...(peer === undefined ? {} : { peer }) },
        { needsOwnRoute: isNode && other.isPod, nodeLinks: isNode ? linksOf(other.own) : [], routers },
      ),
    ];
  };
  const [here, there] = [`node/${from.node}`, `node/${node}`];
  const away = { name: node, own: from.node, isPod: end.isPod };
  const back = { name: from.node, own: node, isPod: isPodSource };
  const hops = [
    ...(from.name === here ? [] : hop(from.name, "destination", away)),
    ...hop(here, "destination", away),
    ...(isApart || here === "node/undefined" ? hop(there, "destination", { ...away, own: node }) : []),
    ...(fact.name === there ? [] : hop(fact.name, "source", back)),
    ...hop(there, "source", back),
    ...(isApart ? hop(here, "source", { ...back, own: from.node }) : []),
  ];
  const listeners = fact.port === undefined ? {} : { listeners: looks.get(fact.name)?.listeners ?? [] };
  return {
    ...fact,
    ...listeners,
    hops,
    ...(between === undefined ? {} : { between }),
    ...(size === undefined ? {} : { sizes: size }),
  };
}

async function reach(
  cluster: Looker,
  [from, to]: [string, string],
  nodes: readonly PlannedNode[],
  signal: AbortSignal,
): Promise<EndFact["between"]> {
  const address = addressOf(nodes, to);
  if (address === undefined || address.includes(":")) return undefined;
  const [reply] = await echo(cluster, { kind: "node", name: from }, address, [SMALL_BYTES], signal);
  const isReached = reply?.outcome === "answered";
  return { from, to, isReached, detail: `echo request from ${from} to ${address}: ${describe(reply)}` };
}

async function sizesOf(cluster: Looker, { from, end, looks, nodes, signal }: LookedAt): Promise<EndFact["sizes"]> {
  const { address } = end.fact;
  const look = looks.get(from.name);
  const device = look?.routes.get(address)?.device;
  const bytes = look?.links.find(({ name }) => name === device)?.mtu;
  // Echo requests are of IPv4 (Cluster.echo), and a loopback device takes all sizes.
  if (bytes === undefined || bytes <= SMALL_BYTES || address.includes(":") || device === "lo") return undefined;
  const replies = await echo(cluster, from.source, address, [SMALL_BYTES, bytes], signal);
  const fact = (size: number): SizeFact => {
    const reply = replies.find((each) => each.size === size);
    return { bytes: size, isAnswered: reply?.outcome === "answered", detail: describe(reply) };
  };
  const links = [from.node, end.node].flatMap((name) => {
    const own = nodes.find((each) => each.name === name)?.interfaces.map((link) => link.name) ?? [];
    return (looks.get(`node/${name}`)?.links ?? [])
      .filter((link) => own.includes(link.name))
      .map(({ name: link, mtu }) => ({ mtu, text: `the smallest link on the way: ${link} of ${name}, ${mtu} bytes` }));
  });
  const [narrowest] = links.toSorted((a, b) => a.mtu - b.mtu);
  return {
    small: fact(SMALL_BYTES),
    large: fact(bytes),
    ...(narrowest === undefined ? {} : { narrowest: narrowest.text }),
  };
}

function echo(
  cluster: Looker,
  source: Source,
  address: string,
  sizes: number[],
  signal: AbortSignal,
): Promise<EchoReply[]> {
  return cluster.echo(source, { address, sizes, tries: 2, deadlineMs: DEADLINE_MS }, signal);
}

function describe(reply: EchoReply | undefined): string {
  if (reply === undefined || reply.outcome === "silent") return "no answer";
  if (reply.outcome === "answered") return "answered";
  const who = reply.by === undefined ? "" : ` by ${reply.by}`;
  return `${reply.outcome === "too-big" ? "too long" : "unreachable"}${who}${reply.detail === undefined ? "" : ` (${reply.detail})`}`;
}

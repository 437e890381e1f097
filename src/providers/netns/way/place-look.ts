import { isRecord } from "../../../core/is-record.ts";
import type { HopFact, Listener } from "../../../grade/layers.ts";

/** A link of a place. */
export interface LinkState {
  name: string;
  isUp: boolean;
  mtu: number;
}

/** The route that the kernel takes for an address: its line, or why there is none. */
export interface RouteLook {
  text?: string;
  device?: string;
  /** The next hop, where there is one. */
  gateway?: string;
  isDefault: boolean;
  trouble?: string;
}

/** All that one command at a place has shown. */
export interface PlaceLook {
  links: LinkState[];
  routes: Map<string, RouteLook>;
  listeners: Listener[];
  /** Names of kube-proxy's chains that a Service's leads to; absent where it was not asked for. */
  chains?: string[];
}

const SECTION = "=cnilab=";

/** Prints links, routes to the addresses, and where wanted listening sockets and a Service's rules; a section each. */
export function placeScript(
  addresses: readonly string[],
  { protocol, service }: { protocol?: string; service?: { address: string; port: number; protocol: string } },
): string {
  const section = (name: string): string => `echo '${SECTION} ${name}'`;
  // Addresses are literals that were parsed before; nothing of a lab file gets here as it is written.
  return [
    section("links"),
    "ip -j link",
    ...addresses.flatMap((address) => [
      section(`route ${address}`),
      `ip -j ${address.includes(":") ? "-6 " : ""}route get fibmatch ${address} 2>&1`,
    ]),
    ...(protocol === undefined ? [] : [section("listeners"), `ss -Hln${protocol === "udp" ? "u" : "t"}`]),
    ...(service === undefined
      ? []
      : [
          section("rules"),
          `chain=$(nft get element ip kube-proxy service-ips '{ ${service.address} . ${service.protocol} . ${service.port} }' 2>/dev/null | sed -n 's/.*goto \\([^ ,]*\\).*/\\1/p')`,
          '[ -z "$chain" ] || nft list chain ip kube-proxy "$chain"',
        ]),
    "true",
  ].join("\n");
}

/** Reads what {@link placeScript} printed. */
export function readPlace(stdout: string): PlaceLook {
  const look: PlaceLook = { links: [], routes: new Map(), listeners: [] };
  for (const part of stdout.split(`${SECTION} `).slice(1)) {
    const end = part.indexOf("\n");
    const [title = "", subject = ""] = part.slice(0, end).split(" ");
    const body = part.slice(end + 1).trim();
    if (title === "links") look.links = readLinks(body);
    else if (title === "route") look.routes.set(subject, readRoute(body));
    else if (title === "listeners") look.listeners = readListeners(body);
    else if (title === "rules")
      look.chains = [...body.matchAll(/goto (endpoint-[^\s,}]+)/g)].map(([, name = ""]) => name);
  }
  return look;
}

function readLinks(json: string): LinkState[] {
  const list: unknown = JSON.parse(json);
  if (!Array.isArray(list)) return [];
  return list.filter(isRecord).map((link) => {
    const flags = Array.isArray(link["flags"]) ? link["flags"] : [];
    const isUp = flags.includes("UP") && flags.includes("LOWER_UP");
    return { name: String(link["ifname"]), isUp, mtu: Number(link["mtu"]) };
  });
}

/** JSON where there is a route; else the kernel's refusal in words. */
function readRoute(text: string): RouteLook {
  if (!text.startsWith("[")) return { isDefault: false, trouble: text.replace(/^RTNETLINK answers: /, "") };
  const list: unknown = JSON.parse(text);
  const route = Array.isArray(list) ? list.find(isRecord) : undefined;
  if (route === undefined) return { isDefault: false, trouble: "the kernel names none" };
  const [type, to, device, gateway] = ["type", "dst", "dev", "gateway"].map((key) => route[key]);
  const shown = [type, to, ...(gateway === undefined ? [] : ["via", gateway]), "dev", device];
  const line = shown.filter((word) => word !== undefined).join(" ");
  if (type === "blackhole" || type === "unreachable" || type === "prohibit")
    return { isDefault: false, trouble: `its route is a ${type}: ${String(to)}` };
  return {
    text: line,
    isDefault: to === "default",
    ...(typeof device === "string" ? { device } : {}),
    ...(typeof gateway === "string" ? { gateway } : {}),
  };
}

/** `LISTEN 0 511 0.0.0.0:8080 0.0.0.0:*`, as ss(8) prints it; with -u `UNCONN`. */
function readListeners(text: string): Listener[] {
  return text.split("\n").flatMap((line): Listener[] => {
    const local = line.trim().split(/\s+/)[3] ?? "";
    const colon = local.lastIndexOf(":");
    const port = Number(local.slice(colon + 1));
    return colon < 0 || !Number.isInteger(port) ? [] : [{ address: local.slice(0, colon), port }];
  });
}

/**
 * What a place says of one direction. A link counts as down where the route goes through it, or where there is no route and the link
 * is one to other nodes: the kernel takes routes away with their link. `needsOwnRoute`: for a pod's address, which neither a default route nor
 * the router between the nodes' networks leads to.
 */
export function hopFact(
  look: PlaceLook,
  hop: { place: string; towards: HopFact["towards"]; address: string; peer?: string },
  {
    needsOwnRoute,
    nodeLinks,
    routers,
  }: { needsOwnRoute: boolean; nodeLinks: readonly string[]; routers: readonly string[] },
): HopFact {
  const { place, towards, address, peer } = hop;
  const route = look.routes.get(address);
  const trouble = route?.trouble ?? (needsOwnRoute ? noPodRoute(route, routers) : undefined);
  const isCutOff = trouble !== undefined || (peer !== undefined && look.routes.get(peer)?.trouble !== undefined);
  const linksDown = look.links
    .filter(({ name, isUp }) => !isUp && (name === route?.device || (isCutOff && nodeLinks.includes(name))))
    .map(({ name }) => name);
  return {
    place,
    towards,
    address,
    linksDown,
    ...(route?.text === undefined ? {} : { route: route.text }),
    ...(trouble === undefined ? {} : { routeTrouble: trouble }),
  };
}

function noPodRoute(route: RouteLook | undefined, routers: readonly string[]): string | undefined {
  if (route?.isDefault === true)
    return `only its default route fits (${route.text}), and that leads out of the cluster`;
  if (route?.gateway === undefined || !routers.includes(route.gateway)) return undefined;
  return `its next hop is the router of the nodes' networks, which knows no pod network (${route.text})`;
}

/**
 * Addresses with ports that kube-proxy's chain names end in, `…__10.0.0.1/8080`; undefined where a name is too long to be
 * written out.
 */
export function endpointsOf(chains: readonly string[]): string[] | undefined {
  const found = chains.map((name) => /__([\d.]+)\/(\d+)$/.exec(name));
  if (found.some((match) => match === null)) return undefined;
  return [...new Set(found.map((match) => `${match?.[1]}:${match?.[2]}`))];
}

import * as z from "zod";
import type { Footprint, FootprintFacts, FootprintSection } from "./facts.ts";
import { ipsetLines, iptablesLines, nftLines } from "./rules.ts";

/** Pure: the footprint that a machine's own words give. */
export function footprintOf(facts: FootprintFacts): Footprint {
  return {
    version: 1,
    boot: facts.boot,
    sections: { ...systemSections(facts), ...networkSections(facts), ...ruleSections(facts) },
  };
}

/** From lines that may be there several times. */
function counted(lines: readonly string[]): Record<string, string> {
  const counts = new Map<string, number>();
  for (const line of lines) counts.set(line, (counts.get(line) ?? 0) + 1);
  return Object.fromEntries([...counts].map(([line, times]) => [line, times === 1 ? "" : `${times} times`]));
}

function sectionOf(entries: Record<string, string>, ...problems: (string | null | undefined)[]): FootprintSection {
  const [problem] = problems.filter((each) => typeof each === "string");
  return problem === undefined || problem === null ? { entries } : { entries, problem };
}

function plainLines(output: string | undefined): string[] {
  return (output ?? "").split("\n").flatMap((line) => (line.trim() === "" ? [] : [line.trim()]));
}

function systemSections(facts: FootprintFacts): Footprint["sections"] {
  const { tools, trees } = facts;
  const packages = [...plainLines(tools["dpkg"]?.output), ...plainLines(tools["rpm"]?.output)].map(splitFirst);
  const files = Object.values(trees);
  return {
    package: sectionOf(Object.fromEntries(packages), tools["dpkg"]?.problem, tools["rpm"]?.problem),
    "unit file": sectionOf(
      Object.fromEntries(plainLines(tools["unit-files"]?.output).map(unitFileOf)),
      tools["unit-files"]?.problem,
    ),
    unit: sectionOf(Object.fromEntries(plainLines(tools["units"]?.output).flatMap(unitOf)), tools["units"]?.problem),
    file: sectionOf(
      Object.fromEntries(files.flatMap(({ entries }) => Object.entries(entries))),
      ...files.map(({ problem }) => problem),
    ),
    user: sectionOf(Object.fromEntries(facts.users.map(splitColon))),
    group: sectionOf(Object.fromEntries(facts.groups.map(splitColon))),
    mount: sectionOf(counted(facts.mounts)),
    cgroup: sectionOf(counted(facts.cgroups)),
    module: sectionOf(counted(facts.modules)),
    swap: sectionOf(counted(facts.swaps)),
    sysctl: sectionOf(facts.sysctls),
    containerd: sectionOf(counted(plainLines(tools["containerd"]?.output)), tools["containerd"]?.problem),
  };
}

function splitFirst(line: string): [string, string] {
  const at = line.indexOf(" ");
  return at < 0 ? [line, ""] : [line.slice(0, at), line.slice(at + 1)];
}

function splitColon(line: string): [string, string] {
  const at = line.indexOf(":");
  return at < 0 ? [line, ""] : [line.slice(0, at), line.slice(at + 1)];
}

function unitFileOf(line: string): [string, string] {
  const [unit = "", state = ""] = line.split(/\s+/);
  return [unit, state];
}

/** Services that run or failed, sockets and timers that wait: what came to its end by itself is not told. */
function unitOf(line: string): [string, string][] {
  const [unit = "", , active = "", sub = ""] = line.split(/\s+/);
  if (active === "failed") return [[unit, "failed"]];
  const isThere = active === "active" && (sub === "running" || !unit.endsWith(".service"));
  return isThere ? [[unit, "active"]] : [];
}

const links = z.array(
  z.looseObject({
    ifname: z.string().optional(),
    mtu: z.number().optional(),
    flags: z.array(z.string()).default([]),
    master: z.string().optional(),
    linkinfo: z.looseObject({ info_kind: z.string().optional() }).optional(),
    addr_info: z
      .array(
        z.looseObject({
          local: z.string().optional(),
          prefixlen: z.number().optional(),
          temporary: z.boolean().optional(),
        }),
      )
      .default([]),
  }),
);

function linksOf(output: string | undefined): z.infer<typeof links> {
  // ip(8) prints nothing at all, or empty objects, where there is nothing to tell.
  return output === undefined || output.trim() === "" ? [] : links.parse(JSON.parse(output));
}

function networkSections({ tools, listening, ephemeral, namespaces }: FootprintFacts): Footprint["sections"] {
  const interfaces = linksOf(tools["links"]?.output).flatMap(({ ifname, mtu, flags, master, linkinfo }) => {
    if (ifname === undefined) return [];
    const words = [linkinfo?.info_kind ?? "", `mtu ${mtu}`, flags.includes("UP") ? "up" : "down"];
    if (master !== undefined) words.push(`master ${master}`);
    return [[ifname, words.filter(Boolean).join(" ")] as const];
  });
  const addresses = linksOf(tools["addresses"]?.output).flatMap(({ ifname, addr_info }) =>
    // Privacy extensions draw new ones every day (RFC 8981).
    addr_info.flatMap(({ local, prefixlen, temporary }) =>
      local === undefined || temporary === true ? [] : [`${ifname} ${local}/${prefixlen}`],
    ),
  );
  const [first, last] = ephemeral;
  const listeners = listening.flatMap(([protocol, port, holder]) => {
    const isDrawn = port >= first && port <= last;
    return isDrawn && protocol === "udp" ? [] : [`${protocol} ${isDrawn ? "any port" : port} ${holder}`];
  });
  const both = (name: string): string[] => [
    ...plainLines(tools[`${name}4`]?.output),
    ...plainLines(tools[`${name}6`]?.output).map((line) => `inet6 ${line}`),
  ];
  return {
    interface: sectionOf(Object.fromEntries(interfaces), tools["links"]?.problem),
    address: sectionOf(counted(addresses), tools["addresses"]?.problem),
    route: sectionOf(counted(both("route").flatMap(routeOf)), tools["route4"]?.problem, tools["route6"]?.problem),
    rule: sectionOf(counted(both("rule")), tools["rule4"]?.problem, tools["rule6"]?.problem),
    xfrm: sectionOf(
      counted(
        ["state", "policy"].flatMap((what) =>
          plainLines(tools[`xfrm-${what}`]?.output).flatMap((line) =>
            line.startsWith("src ") ? [`${what} ${line}`] : [],
          ),
        ),
      ),
    ),
    qdisc: sectionOf(counted(plainLines(tools["qdisc"]?.output).flatMap(qdiscOf)), tools["qdisc"]?.problem),
    listener: sectionOf(counted([...new Set(listeners)])),
    "network namespace": sectionOf(counted(namespaces)),
  };
}

/** Routes that the kernel has for each address are told by the address. */
function routeOf(line: string): string[] {
  if (/ table local .*proto kernel/.test(line) || / proto kernel .*table local/.test(line)) return [];
  if (/^inet6 (multicast|anycast) /.test(line)) return [];
  return [line.replace(/ expires \d+sec/, "").replace(/ error -?\d+/, "")];
}

function qdiscOf(line: string): string[] {
  const [, kind, device, place] = /^qdisc (\S+) \S+ dev (\S+) (root|parent \S+|ingress|clsact)/.exec(line) ?? [];
  return kind === undefined ? [] : [`${device} ${kind} ${place}`];
}

function ruleSections({ tools }: FootprintFacts): Footprint["sections"] {
  const sections: Footprint["sections"] = {};
  const better = new Set<string>();
  for (const [name, family] of [
    ["iptables", "ip"],
    ["ip6tables", "ip6"],
  ] as const) {
    const [viaNft, legacy] = [tools[`${name}-nft`], tools[`${name}-legacy`]];
    const [nftRules, legacyRules] = [viaNft, legacy].map((tool) => iptablesLines(tool?.output ?? ""));
    for (const table of nftRules?.tables ?? []) better.add(`${family} ${table}`);
    sections[name] = sectionOf(counted(nftRules?.lines ?? []), viaNft?.problem);
    sections[`${name}-legacy`] = sectionOf(counted(legacyRules?.lines ?? []), legacy?.problem);
  }
  sections["nftables"] = sectionOf(counted(nftLines(tools["nft"]?.output ?? "", better)), tools["nft"]?.problem);
  sections["ipset"] = sectionOf(counted(ipsetLines(tools["ipset"]?.output ?? "")), tools["ipset"]?.problem);
  return sections;
}

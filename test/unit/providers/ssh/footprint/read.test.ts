import { expect, test } from "vitest";
import { footprintFacts, type FootprintFacts } from "../../../../../src/providers/ssh/footprint/facts.ts";
import { footprintOf } from "../../../../../src/providers/ssh/footprint/read.ts";

function facts(tools: Record<string, string>, others: Partial<FootprintFacts> = {}): FootprintFacts {
  return footprintFacts.parse({
    boot: "one",
    trees: {},
    sysctls: {},
    mounts: [],
    cgroups: [],
    modules: [],
    users: [],
    groups: [],
    swaps: [],
    namespaces: [],
    listening: [],
    ephemeral: [32768, 60999],
    tools: Object.fromEntries(Object.entries(tools).map(([name, output]) => [name, { output, problem: null }])),
    ...others,
  });
}

function entries(section: string, given: FootprintFacts): Record<string, string> | undefined {
  return footprintOf(given).sections[section]?.entries;
}

test("packages come from dpkg and rpm alike", () => {
  const given = facts({ dpkg: "a:amd64 1.0-1 ii \n", rpm: "b.x86_64 2-1.el9\n" });
  expect(entries("package", given)).toEqual({ "a:amd64": "1.0-1 ii", "b.x86_64": "2-1.el9" });
});

test("units are those that run, wait or failed, not those that came to their end", () => {
  const units = [
    "ssh.service loaded active running OpenBSD Secure Shell server",
    "modprobe@x.service loaded active exited Load",
    "apt.timer loaded active waiting Daily",
    "bad.service loaded failed failed Bad",
    "off.service loaded inactive dead Off",
  ];
  expect(entries("unit", facts({ units: units.join("\n") }))).toEqual({
    "ssh.service": "active",
    "apt.timer": "active",
    "bad.service": "failed",
  });
});

test("routes that addresses bring along, life times and addresses of privacy extensions are left out", () => {
  const route4 =
    "default via 192.0.2.1 dev eth0 \nlocal 192.0.2.7 dev eth0 table local proto kernel scope host src 192.0.2.7 \n";
  const route6 =
    "2001:db8::/64 dev eth0 proto ra metric 100 expires 2591sec pref medium\nmulticast ff00::/8 dev eth0 table local proto kernel metric 256 pref medium\n";
  expect(entries("route", facts({ route4, route6 }))).toEqual({
    "default via 192.0.2.1 dev eth0": "",
    "inet6 2001:db8::/64 dev eth0 proto ra metric 100 pref medium": "",
  });
  const addresses = JSON.stringify([
    {
      ifname: "eth0",
      addr_info: [
        { local: "2001:db8::1", prefixlen: 64, valid_life_time: 7 },
        { local: "2001:db8::2", prefixlen: 64, temporary: true },
      ],
    },
  ]);
  expect(entries("address", facts({ addresses }))).toEqual({ "eth0 2001:db8::1/64": "" });
});

test("ports that the kernel draws are told without their number, for UDP not at all", () => {
  const listening: FootprintFacts["listening"] = [
    ["tcp", 22, "sshd"],
    ["tcp", 36313, "containerd"],
    ["udp", 40000, "resolver"],
  ];
  expect(entries("listener", facts({}, { listening }))).toEqual({ "tcp 22 sshd": "", "tcp any port containerd": "" });
});

test("tables of iptables are told by iptables, others by nft", () => {
  const given = facts({
    "iptables-nft": "*nat\n-A POSTROUTING -j MASQUERADE\nCOMMIT\n",
    nft: "table ip nat {\n\tchain POSTROUTING {\n\t\txt target MASQUERADE\n\t}\n}\ntable ip own {\n}\n",
  });
  expect(entries("iptables", given)).toEqual({ "nat -A POSTROUTING -j MASQUERADE": "" });
  expect(entries("nftables", given)).toEqual({ "table ip own": "" });
});

test("what could not be asked is said", () => {
  const given = facts({});
  given.tools["nft"] = { output: "", problem: "Operation not permitted" };
  expect(footprintOf(given).sections["nftables"]).toEqual({ entries: {}, problem: "Operation not permitted" });
});

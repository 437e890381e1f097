import { expect, it, test } from "vitest";
import { LabProblems } from "../../../../src/core/errors.ts";
import { planOnMachines, readNetwork, type MachineNetwork } from "../../../../src/providers/ssh/networks.ts";
import { planOn } from "../kind/plan.ts";

const LINKS = JSON.stringify([
  { ifname: "lo", mtu: 65536, addr_info: [{ local: "127.0.0.1", prefixlen: 8 }] },
  {
    ifname: "enp3s0",
    mtu: 1500,
    addr_info: [
      { local: "192.0.2.7", prefixlen: 24 },
      { local: "2001:db8::7", prefixlen: 64 },
    ],
  },
]);

const remote = (server: string) => ({
  must: async () => Promise.resolve(["/home/pi", `192.0.2.1 50000 ${server} 22`, LINKS].join("\n")),
});
const machine = { node: "worker1", name: "pi", host: "pi.example" };

it("a machine's node address is the one that we came by, or the one that is named", async () => {
  const network = { home: "/home/pi", address: "192.0.2.7", interface: "enp3s0", prefixLength: 24, mtu: 1500 };
  expect(await readNetwork(machine, remote("192.0.2.7"))).toEqual(network);
  expect(await readNetwork({ ...machine, nodeAddress: "192.0.2.7" }, remote("2001:db8::7"))).toEqual(network);
});

it.each([
  ["that it does not have", "192.0.2.8", /no interface of worker1 has the address 192\.0\.2\.8/, /192\.0\.2\.7/],
  [
    "of IPv6",
    "2001:db8::7",
    /by IPv4, and the address of worker1 is 2001:db8::7/,
    /as nodeAddress; it has 192\.0\.2\.7$/,
  ],
])("one %s is refused, with those that would do", async (_what, server, message, hint) => {
  await expect(readNetwork(machine, remote(server))).rejects.toMatchObject({
    code: "MACHINE_NO_NODE_ADDRESS",
    message: expect.stringMatching(message) as unknown,
    hint: expect.stringMatching(hint) as unknown,
  });
});

test("the host outside the cluster has the address that was found, and none of the pods'", () => {
  const at = (address: string, prefixLength = 24): MachineNetwork => ({
    home: "/root",
    address,
    interface: "eth0",
    prefixLength,
    mtu: 1500,
  });
  const plan = { ...planOn("two-workers"), external: { node: "external", name: "desk", host: "desk.example" } };
  const found = (outside: MachineNetwork): ReadonlyMap<string, MachineNetwork> =>
    new Map([
      ...plan.topology.nodes.map(({ name }, index) => [name, at(`192.0.2.${index + 1}`)] as const),
      ["external", outside] as const,
    ]);
  // A wider network around that of the nodes is as good as one beside it.
  for (const outside of [at("192.0.2.9"), at("198.51.100.7"), at("192.0.3.7", 16)]) {
    const { external, topology } = planOnMachines(plan, found(outside));
    expect(external).toEqual({ ...plan.external, nodeAddress: outside.address });
    expect(topology.networks.map(({ name }) => name)).toEqual(["192.0.2.0/24"]);
  }
  const [podCidr] = plan.cni.podCidrs;
  const refused = (): unknown => planOnMachines(plan, found(at("192.168.7.1")));
  expect(refused).toThrow(LabProblems);
  expect(refused).toThrow(`the pod network (${podCidr}) overlaps external (192.168.7.1/32) of the machines`);
});

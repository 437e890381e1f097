import { describe, expect, test } from "vitest";
import type { Plan } from "../../../../src/plan/types.ts";
import { layOut, nodesNetworks, routerAddress } from "../../../../src/providers/kind/layout.ts";
import { routerScript } from "../../../../src/providers/kind/router.ts";
import { planOn } from "./plan.ts";

const SUBNETS = new Map([
  ["rack1", "172.20.0.0/16"],
  ["rack2", "172.21.0.0/16"],
]);

/** Two racks, with a further control plane in the second. */
function highlyAvailable(): Plan {
  const plan = planOn("two-subnets");
  const nodes = plan.topology.nodes.map((node) =>
    node.name === "worker3" || node.name === "worker1" ? { ...node, role: "control-plane" as const } : node,
  );
  return { ...plan, topology: { ...plan.topology, nodes } };
}

describe("a lab with several node networks", () => {
  test("has each node in its own, as far from the beginning as in the topology", () => {
    const { legs, networks } = layOut(planOn("two-subnets"), "cnilab-shop", SUBNETS);
    expect(Object.fromEntries(legs)).toEqual({
      "cnilab-shop-control-plane": [{ network: "cnilab-shop.rack1", address: "172.20.0.2" }],
      "cnilab-shop-worker": [{ network: "cnilab-shop.rack1", address: "172.20.0.3" }],
      "cnilab-shop-worker2": [{ network: "cnilab-shop.rack2", address: "172.21.0.2" }],
      "cnilab-shop-worker3": [{ network: "cnilab-shop.rack2", address: "172.21.0.3" }],
    });
    expect(networks.map(({ router }) => router)).toEqual(["172.20.0.254", "172.21.0.254"]);
  });

  test("tells every node where the control plane is, which Docker's DNS knows in its own network only", () => {
    const { hosts } = layOut(planOn("two-subnets"), "cnilab-shop", SUBNETS);
    const told = new Map([["cnilab-shop-control-plane", "172.20.0.2"]]);
    expect(hosts.get("cnilab-shop-control-plane")).toEqual(new Map());
    expect(hosts.get("cnilab-shop-worker")).toEqual(told);
    expect(hosts.get("cnilab-shop-worker3")).toEqual(told);
  });

  test("has its load balancer in all networks of control planes, found by each node in its own", () => {
    const { legs, hosts, balancer } = layOut(highlyAvailable(), "cnilab-shop", SUBNETS);
    expect(balancer).toBe("cnilab-shop-external-load-balancer");
    expect(legs.get(balancer)).toEqual([
      { network: "cnilab-shop.rack1", address: "172.20.0.253" },
      { network: "cnilab-shop.rack2", address: "172.21.0.253" },
    ]);
    expect(hosts.get("cnilab-shop-worker")?.get(balancer)).toBe("172.21.0.253");
    expect(hosts.get("cnilab-shop-control-plane")?.get(balancer)).toBe("172.20.0.253");
  });

  test("remembers each node's networks by names that no other lab has", () => {
    expect(nodesNetworks(planOn("two-subnets"), "cnilab-shop")).toMatchObject({
      worker1: ["cnilab-shop.rack1"],
      worker3: ["cnilab-shop.rack2"],
    });
  });
});

test.each([
  ["172.20.0.0/16", "172.20.0.254"],
  ["192.168.96.0/20", "192.168.96.254"],
  ["10.1.2.0/24", "10.1.2.128"],
])("the router of %s is %s, below the addresses that MetalLB gives out", (subnet, router) => {
  expect(routerAddress(subnet)).toBe(router);
});

test("the router takes the gateway's address in each network, and has no way out", () => {
  const script = routerScript([{ network: "n", subnet: "172.20.0.0/16", router: "172.20.0.254" }]);
  expect(script).toContain("address show to 172.20.0.0/16");
  expect(script).toContain("ip address add 172.20.0.254/16 dev");
  expect(script).toContain("ip route del default");
});

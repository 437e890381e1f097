import { describe, expect, test } from "vitest";
import { endpointsOf, hopFact, placeScript, readPlace } from "../../../../src/providers/netns/way/place-look.ts";

const links = JSON.stringify([
  { ifname: "eth0", flags: ["BROADCAST", "MULTICAST"], mtu: 1500 },
  { ifname: "vxlan.calico", flags: ["BROADCAST", "UP", "LOWER_UP"], mtu: 1450 },
  { ifname: "cali1", flags: ["UP", "NO-CARRIER"], mtu: 1450 },
]);

const printed = `=cnilab= links
${links}
=cnilab= route 10.0.2.1
[{"dst":"10.0.2.0/26","gateway":"10.0.2.0","dev":"vxlan.calico","flags":["onlink"]}]
=cnilab= route 10.0.3.1
[{"dst":"default","gateway":"172.30.0.1","dev":"eth0","flags":[]}]
=cnilab= route 10.0.4.1
[{"dst":"10.0.4.0/26","gateway":"172.30.0.1","dev":"eth0","protocol":"bird","flags":[]}]
=cnilab= route 10.0.1.9
[{"type":"blackhole","dst":"10.0.1.0/26","protocol":"80","flags":[]}]
=cnilab= route 172.30.0.4
RTNETLINK answers: Network is unreachable
=cnilab= route 10.0.1.1
[{"dst":"10.0.1.1","dev":"cali1","scope":"link","flags":[]}]
=cnilab= listeners
LISTEN 0      511          0.0.0.0:8080      0.0.0.0:*
LISTEN 0      5          127.0.0.1:9000      0.0.0.0:*
LISTEN 0      128             [::]:53           [::]:*
=cnilab= rules
table ip kube-proxy {
	chain service-KHN6ECMT-shop/web/tcp/http {
		numgen random mod 2 vmap { 0 : goto endpoint-A-shop/web/tcp/http__10.0.2.1/8080, 1 : goto endpoint-B-shop/web/tcp/http__10.0.2.2/8080 }
	}
}
`;

const look = readPlace(printed);
const on = { needsOwnRoute: true, nodeLinks: ["eth0"], routers: ["172.30.0.1"] };
const to = (address: string, peer?: string) =>
  ({ place: "node/worker1", towards: "destination", address, ...(peer === undefined ? {} : { peer }) }) as const;

describe("what one command at a place shows", () => {
  test("its links, with those that are down or have no carrier", () => {
    expect(look.links).toEqual([
      { name: "eth0", isUp: false, mtu: 1500 },
      { name: "vxlan.calico", isUp: true, mtu: 1450 },
      { name: "cali1", isUp: false, mtu: 1450 },
    ]);
  });

  test("its listening sockets and where a Service's rules lead", () => {
    expect(look.listeners).toEqual([
      { address: "0.0.0.0", port: 8080 },
      { address: "127.0.0.1", port: 9000 },
      { address: "[::]", port: 53 },
    ]);
    expect(endpointsOf(look.chains ?? [])).toEqual(["10.0.2.1:8080", "10.0.2.2:8080"]);
    expect(endpointsOf(["endpoint-A-a-very-long-name..."])).toBeUndefined();
    expect(readPlace("=cnilab= rules\n").chains).toEqual([]);
    expect(readPlace("=cnilab= links\n[]\n").chains).toBeUndefined();
  });

  test("a route, and what is none: a default out of the cluster, a blackhole, the kernel's refusal", () => {
    expect(hopFact(look, to("10.0.2.1"), on)).toEqual({
      place: "node/worker1",
      towards: "destination",
      address: "10.0.2.1",
      linksDown: [],
      route: "10.0.2.0/26 via 10.0.2.0 dev vxlan.calico",
    });
    expect(hopFact(look, to("10.0.3.1"), on).routeTrouble).toContain("only its default route fits");
    expect(hopFact(look, to("10.0.3.1"), { ...on, needsOwnRoute: false }).routeTrouble).toBeUndefined();
    expect(hopFact(look, to("10.0.4.1"), on).routeTrouble).toContain("which knows no pod network");
    expect(hopFact(look, to("10.0.4.1"), { ...on, routers: [] }).routeTrouble).toBeUndefined();
    expect(hopFact(look, to("10.0.1.9"), on).routeTrouble).toBe("its route is a blackhole: 10.0.1.0/26");
    expect(hopFact(look, to("172.30.0.4"), on)).toMatchObject({ routeTrouble: "Network is unreachable" });
  });

  test("a link that is down counts where the route needs it: itself, or to the other end's node", () => {
    expect(hopFact(look, to("10.0.1.1"), on).linksDown).toEqual(["cali1"]);
    expect(hopFact(look, to("172.30.0.4"), on).linksDown).toEqual(["eth0"]);
    expect(hopFact(look, to("10.0.2.1"), on).linksDown).toEqual([]);
    expect(hopFact(look, to("10.0.2.1", "172.30.0.4"), on).linksDown).toEqual(["eth0"]);
    expect(hopFact(look, to("10.0.2.1", "172.30.0.4"), { ...on, nodeLinks: [] }).linksDown).toEqual([]);
  });

  test("is asked for no more than is needed", () => {
    const script = placeScript(["10.0.2.1", "fd00::1"], {});
    expect(script).toContain("ip -j route get fibmatch 10.0.2.1 2>&1");
    expect(script).toContain("ip -j -6 route get fibmatch fd00::1 2>&1");
    expect(script).not.toMatch(/\bss\b|\bnft\b/);
    const service = { address: "10.96.0.9", port: 80, protocol: "tcp" };
    const more = placeScript([], { protocol: "udp", service });
    expect(more).toContain("ss -Hlnu");
    expect(more).toContain("{ 10.96.0.9 . tcp . 80 }");
  });
});

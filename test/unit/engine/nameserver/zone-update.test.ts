import fc from "fast-check";
import { expect, test } from "vitest";
import { updatedZone, zoneUpdate } from "../../../../src/engine/nameserver/zone-facts.ts";
import type { ServiceFacts, ZoneFacts } from "../../../../src/engine/nameserver/zone-facts.ts";

const pool = Array.from({ length: 6 }, (_, index): ServiceFacts => ({
  name: `s${index}`,
  namespace: "default",
  kind: "cluster-ip",
  clusterIPs: [`10.96.0.${index}`],
  ports: [],
  endpoints: [],
}));

function zone(version: number, services: ServiceFacts[]): ZoneFacts {
  return { version, domain: "cluster.local", dnsAddress: "10.96.0.10", namespaces: ["default"], services };
}

test("updates, handed over as copies, build the zone that they were made of", () => {
  fc.assert(
    fc.property(fc.array(fc.shuffledSubarray(pool), { minLength: 1, maxLength: 5 }), (steps) => {
      let sent: ZoneFacts | undefined;
      let received: ZoneFacts | undefined;
      for (const [index, services] of steps.entries()) {
        const facts = zone(index, services);
        received = updatedZone(received, structuredClone(zoneUpdate(sent, facts)));
        expect(received).toEqual(facts);
        sent = facts;
      }
    }),
  );
});

test("a Service that has not changed goes as its place alone, and a missed update is told", () => {
  const [first, second, third] = [zone(1, pool.slice(0, 2)), zone(2, pool.slice(1, 3)), zone(3, pool.slice(1, 3))];
  expect(zoneUpdate(first, second).services).toEqual([1, pool[2]]);
  expect(() => updatedZone(first, zoneUpdate(second, third))).toThrow("the zone is not of version 2");
});

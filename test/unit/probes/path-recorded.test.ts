import { expect, test } from "vitest";
import { PacketReader } from "../../../src/kernel/packet-reader.ts";
import { measurePath } from "../../../src/probes/path-measure.ts";
import { tracePath, type Vantage } from "../../../src/probes/path-trace.ts";
import { toolOutput } from "../../tool-output.ts";

/** What was recorded on a kind cluster with Calico in mode vxlan: one connection of left, on worker1, to right, on worker2. */
const [left, right, port] = ["192.168.235.195", "192.168.189.67", 8080];
const addresses: Record<string, string> = { worker1: "172.28.0.5", worker2: "172.28.0.4" };

function vantage(name: string): Vantage {
  const reader = new PacketReader();
  reader.take(toolOutput(`tcpdump-calico-vxlan-${name}`).stdout);
  const address = addresses[name];
  return {
    name,
    isEnd: name === "right",
    packets: reader.packets,
    ...(address === undefined ? {} : { node: { links: ["eth0"], addresses: [address] } }),
  };
}

test("a real connection through Calico's VXLAN is followed from pod to pod", () => {
  const traced = tracePath(["left", "worker1", "worker2", "right"].map(vantage), {
    protocol: "tcp",
    address: right,
    port,
  });
  if (traced?.arrived === undefined) throw new Error("it is not seen to arrive");
  expect(measurePath({ ...traced, arrived: traced.arrived })).toEqual({
    hops: 2,
    encapsulation: "vxlan",
    sourceAddress: "kept",
    source: left,
    destination: right,
    at: "right",
    via: ["worker1", "worker2"],
  });
  const [first, second] = traced.steps;
  expect([first?.entry?.at.interface, first?.exit?.at.interface]).toEqual([expect.stringMatching(/^cali/), "eth0"]);
  expect(first?.exit?.tunnels).toEqual([{ tunnel: "vxlan", source: "172.28.0.5", destination: "172.28.0.4" }]);
  expect([second?.entry?.at.interface, second?.routed?.at.interface]).toEqual(["eth0", "vxlan.calico"]);
});

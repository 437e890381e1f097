import { expect, test } from "vitest";
import { linksIn } from "../../../../src/providers/real/node-links.ts";
import { toolOutput } from "../../../tool-output.ts";

test("a node's links are those with its node addresses and those of its other networks, as they are", () => {
  const { stdout } = toolOutput("ip-addr-calico-node");
  expect(linksIn(stdout, { addresses: ["172.28.0.5"], planned: [] })).toEqual({
    names: ["eth0"],
    addresses: ["172.28.0.5"],
  });
  // A planned name that is not there is none of its links: machines have names of their own.
  expect(linksIn(stdout, { addresses: ["172.28.0.5"], planned: ["eth0", "eth1"] }).names).toEqual(["eth0"]);
  expect(linksIn(stdout, { addresses: ["192.0.2.1"], planned: ["vxlan.calico"] })).toEqual({
    names: ["vxlan.calico"],
    addresses: ["192.168.235.192"],
  });
});

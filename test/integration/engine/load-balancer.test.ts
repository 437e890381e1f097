import { expect, test } from "vitest";
import { inNamespace } from "../../in-namespace.ts";

test("addresses of load balancers: who is answered, by whom, and as whom", async () => {
  expect(await inNamespace("load-balancer.ts", "calico")).toEqual({
    any: "somebody else",
    own: "the outside",
    "own, from a pod of another node": "answered",
    "own, from a node without an endpoint": "answered",
    "another port": "no-answer",
    shut: "no-answer",
    nobody: "no-answer",
    "nobody, from a pod": "refused",
    "who announces own": "worker2",
    "health checks of own": ['"localEndpoints": 0 503', '"localEndpoints": 0 503', '"localEndpoints": 1 200'],
    "health of kube-proxy": "200 200 200",
    "health of kube-proxy on a node that is to go": ["200 503 200", "200 200 200"],
    "health of kube-proxy without it": "200 200 000",
    "who answers in each zone": [["near"], ["far"]],
    "who answers in one zone": ["far", "near"],
    "health checks without kube-proxy on worker2": " 000",
    "health checks, too": ['"localEndpoints": 0 503', '"localEndpoints": 1 200', '"localEndpoints": 0 503'],
    "shut, with the caller's address allowed": "answered",
    "own, when its endpoint moved": ["the outside", "worker1"],
    "when the node dies": ["answered", true],
    "and comes back": ["answered", true],
  });
});

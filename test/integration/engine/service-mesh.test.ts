import { expect, test } from "vitest";
import { inNamespace } from "../../in-namespace.ts";

/** Some 150 requests, each with two handshakes and a process of its own, on a busy machine. */
const TIMEOUT_MS = 120_000;

test(
  "a service mesh over IPv6",
  async () => {
    expect(await inNamespace("service-mesh-ipv6.ts")).toEqual({
      "meshed, HTTP": "web 200",
      "meshed, TCP": "web 200",
      "from another": "000 exit 56",
      "log of the client": 2,
    });
  },
  TIMEOUT_MS,
);

test(
  "a service mesh: sidecars, mutual TLS, routes, identities",
  async () => {
    expect(await inNamespace("service-mesh.ts")).toEqual({
      containers: ["c", "istio-proxy"],
      ready: [true, true],
      meshed: "sesame 200",
      "meshed certificate":
        'By=spiffe://cluster.local/ns/shop/sa/web;Hash=…;Subject="";URI=spiffe://cluster.local/ns/shop/sa/shopper 200',
      "outside the mesh": "open 200",
      plaintext: { "to a meshed pod": false, "to another": true },
      permissive: "hello 200",
      strict: {
        "from a meshed pod": "hello 200",
        "from another": "000 exit 56",
        "from another, by pod": "000 exit 56",
        "from a meshed pod, by pod": "000 exit 56",
        "of TCP": "hello 200",
        "of TCP, from another": "000 exit 56",
      },
      "disabled for v1": "v1 200",
      split: true,
      routes: {
        header: "v2 200",
        rewrite: "v1 200",
        redirect: "301 http://web/hostname",
        abort: "fault filter abort 418",
        delay: true,
        "a subset without pods": "no healthy upstream 503",
        "a subset that is not there": "503",
        headers: "mesh",
        "no route": "404",
        "for others": "200",
      },
      "told to speak plaintext": ["503"],
      authorization: {
        allowed: "200",
        "another path": "RBAC: access denied 403",
        "another identity": "RBAC: access denied 403",
        "of TCP": "000 exit 56",
      },
      "of TCP, by identity": ["db 200", "000 exit 56"],
      denied: ["RBAC: access denied 403", "db 200"],
      "network policy": "000 exit 28",
    });
  },
  TIMEOUT_MS,
);

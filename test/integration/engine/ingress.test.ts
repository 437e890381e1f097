import { expect, test } from "vitest";
import { inNamespace } from "../../in-namespace.ts";

test(
  "an Ingress controller is a pod: asked from outside, it asks pods, under policy; nobody is lost while they come and go",
  { timeout: 120_000 },
  async () => {
    const { counts, ...seen } = (await inNamespace("ingress.ts")) as { counts: Record<string, number> };
    expect(seen).toEqual({
      published: true,
      found: "hello",
      "whom the pod sees": "the proxy",
      "forwarded for": true,
      "another host": "404",
      "node port": "hello",
      certificates: ["shop.example", "TRAEFIK DEFAULT CERT"],
      policies: { "nobody may": "no answer", "the proxy's namespace may": "200" },
      "all endpoints ending": "503",
      "without endpoints": "404",
    });
    expect(Object.keys(counts)).toEqual(["200"]);
    expect(counts["200"]).toBeGreaterThanOrEqual(4000);
  },
);

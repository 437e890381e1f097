import { expect, it } from "vitest";
import type { Observation } from "../../../src/grade/types.ts";
import type { NetworkPolicy } from "../../../src/kube/types.ts";
import type { OraclePod, OracleWorld } from "../../../src/policy/types.ts";
import type { RanCell } from "../../../src/probes/scheduler.ts";
import { createFlowOracle } from "../../../src/run/flow-oracle.ts";
import { PolicyView } from "../../../src/run/policy-view.ts";

const names = ["web", "db", "other"];
const pods = names.map((name, index): OraclePod => ({
  namespace: "shop",
  name,
  labels: { app: name },
  addresses: [`10.0.0.${index + 1}`],
  ports: [],
}));

function viewOf(...policies: NetworkPolicy[]): PolicyView {
  const world: OracleWorld = { namespaces: [], pods, policies: policies.map((policy) => ({ policy })) };
  return new PolicyView(world, createFlowOracle(world, { serviceCidrs: ["10.96.0.0/16"], externalAddresses: [] }));
}

const isolated: NetworkPolicy = {
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: { name: "db", namespace: "shop" },
  spec: { podSelector: { matchLabels: { app: "db" } }, policyTypes: ["Ingress"] },
};

function cell(from: string, to: string, observation?: Partial<Observation>): RanCell {
  return {
    key: { from: `shop/${from}`, to: `shop/${to}`, port: 80, protocol: "tcp" },
    rerun: "",
    flow: {
      from: { kind: "pod", namespace: "shop", name: from },
      to: [{ kind: "pod", namespace: "shop", name: to }],
      address: `10.0.0.${names.indexOf(to) + 1}`,
      port: 80,
      protocol: "tcp",
    },
    ...(observation && { observation: { outcome: "dropped", reason: "", tries: 1, evidence: [], ...observation } }),
  };
}

it("compares what policies say of a flow then and now", () => {
  const mayDiffer = viewOf(isolated).comparison(viewOf());
  const cells = [cell("web", "db"), cell("other", "db"), cell("db", "web"), cell("web", "other")];
  expect(cells.map(mayDiffer)).toEqual([true, true, false, false]);
  expect(cells.map(viewOf(isolated).comparison(viewOf(isolated)))).toEqual([false, false, false, false]);
});

it("a destination is as before where no pod's flow to it is treated otherwise, and the pods are the same", () => {
  const towards = (to: string) => cell("other", to).flow as NonNullable<RanCell["flow"]>;
  const evenness = viewOf(isolated).evenness(viewOf());
  expect(["db", "web", "other"].map((name) => evenness(towards(name)))).toEqual([false, true, true]);
  expect(viewOf(isolated).evenness(viewOf(isolated))(towards("db"))).toBe(true);
  const view = (those: OraclePod[]): PolicyView => {
    const world: OracleWorld = { namespaces: [], pods: those, policies: [] };
    return new PolicyView(world, createFlowOracle(world, { serviceCidrs: [], externalAddresses: [] }));
  };
  expect(view(pods).evenness(view(pods.toReversed()))(towards("db")), "numbers are of other pods").toBe(false);
  expect(view(pods).evenness(view(pods.slice(0, 2)))(towards("db")), "a pod came").toBe(false);
  expect(view(pods).evenness(view(pods))({ ...towards("db"), to: [{ kind: "external" }] })).toBe(false);
  const hosted = view(pods.map((pod) => ({ ...pod, hostNetwork: pod.name === "web" })));
  expect(names.map((name) => hosted.isEnd(`shop/${name}`))).toEqual([false, true, true]);
});

it("a flow that nobody knows, and one through a Service that has several pods, may differ by what the oracle says", () => {
  const mayDiffer = viewOf(isolated).comparison(viewOf());
  const { flow, ...without } = cell("web", "db");
  expect(mayDiffer(without)).toBe(true);
  const behind = (name: string): RanCell => {
    const { key, rerun, flow: direct } = cell("web", name);
    if (direct === undefined || flow === undefined) throw new Error("no flow");
    return {
      key,
      rerun,
      flow: { ...direct, address: "10.96.0.1", to: [...direct.to, ...direct.to], targetPorts: [80, 80] },
    };
  };
  expect([mayDiffer(behind("db")), mayDiffer(behind("other"))]).toEqual([true, false]);
});

it("foretells a recorded drop where a policy blocks, and an answer where none does; a mere silence never", () => {
  const view = viewOf(isolated);
  const proof = { node: "n", direction: "ingress", source: "", destination: "", protocol: "tcp" } as const;
  expect(view.foretells(cell("web", "db", { proof }))).toBe(true);
  expect(view.foretells(cell("web", "db", {}))).toBe(false);
  expect(view.foretells(cell("web", "db", { outcome: "allowed" }))).toBe(false);
  expect(view.foretells(cell("web", "other", { outcome: "allowed" }))).toBe(true);
  expect(view.foretells(cell("web", "other", { proof }))).toBe(false);
});

import { expect, test } from "vitest";
import { LabError } from "../../../src/core/errors.ts";
import { gradeProbes } from "../../../src/grade/judge.ts";
import type { Outcome } from "../../../src/grade/types.ts";
import { DEFAULT_REAL_CLUSTER } from "../../../src/lab/real-cluster.ts";
import type { AddOn } from "../../../src/plan/types.ts";
import type { RanProbe } from "../../../src/probes/scheduler.ts";
import { addIngressEvidence } from "../../../src/run/ingress-evidence.ts";

const FAULT = '2026-01-01T00:00:00Z ERR Cannot create service error="service not found" ingress=web';

function ranProbe(name: string, outcome: Outcome, pod = "traefik/traefik-1"): RanProbe {
  const [namespace = "", podName = ""] = pod.split("/");
  return {
    name,
    kind: "curl",
    expectText: "allowed",
    durationMs: 1,
    probe: { name, kind: "curl", options: {}, expect: "allowed" },
    cells: [
      {
        key: { from: "external", to: "traefik/service/traefik", port: 80, protocol: "tcp" },
        expected: "allowed",
        observation: { outcome, reason: outcome, tries: 2, evidence: [] },
        rerun: "",
        flow: {
          from: { kind: "external" },
          to: [{ kind: "pod", namespace, name: podName }],
          address: "10.0.0.2",
          port: 80,
          protocol: "tcp",
        },
      },
    ],
  };
}

async function shown(ran: RanProbe[], log: () => Promise<string>, addOns: AddOn[] = ["traefik"]): Promise<string[][]> {
  const compareFigures = (): never => {
    throw new Error("no figures were expected");
  };
  const grade = gradeProbes({ probes: ran, tasks: [], compareFigures });
  const plan = {
    lab: { name: "shop", title: "", file: "", directory: "" },
    realCluster: { ...DEFAULT_REAL_CLUSTER, addOns },
  };
  const { probes } = await addIngressEvidence(grade, ran, { cluster: { logs: log }, plan });
  return probes.map(({ cells }) => (cells[0]?.observation?.evidence ?? []).map(({ text }) => text));
}

test("a request that the controller did not answer well shows what its log has against Ingresses", async () => {
  const log = (): Promise<string> => Promise.resolve(`listening\n\u001B[90m${FAULT}\u001B[0m\n`);
  const ran = [ranProbe("good", "allowed"), ranProbe("bad", "rejected"), ranProbe("other", "rejected", "shop/web-1")];
  expect(await shown(ran, log)).toEqual([[], [FAULT], []]);
});

test("nothing is asked where all passed, or the lab has no controller", async () => {
  const never = (): never => {
    throw new Error("asked");
  };
  expect(await shown([ranProbe("good", "allowed")], never)).toEqual([[]]);
  expect(await shown([ranProbe("bad", "rejected")], never, [])).toEqual([[]]);
});

test("a pod that is gone has no log, and a log without faults says nothing", async () => {
  const gone = (): Promise<string> => Promise.reject(new LabError("SOURCE_MISSING", "gone"));
  expect(await shown([ranProbe("bad", "rejected")], gone)).toEqual([[]]);
  expect(await shown([ranProbe("bad", "rejected")], () => Promise.resolve("listening\n"))).toEqual([[]]);
});

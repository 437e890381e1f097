import { LabError } from "../../core/errors.ts";
import { refusalOf } from "../../engine/controllers/node-fit.ts";
import type { KubeObject, NodeObject, Pod, PodSpec } from "../../kube/types.ts";
import { onNodes } from "../real/sentinel-objects.ts";
import type { StandIn, StandIns } from "./nodes.ts";

/** Of a pod that no node of the lab may have: it stays Pending, whatever nodes the cluster has. */
const NOWHERE = ["cnilab.no-node-of-the-lab-matches"];
const HOSTNAME = "kubernetes.io/hostname";

/**
 * An object as the cluster gets it: where pods may run is said by the lab's node names and labels, and is decided here, by
 * the nodes that stand for them; a pod that says nothing may run on any of them. Throws EXISTING_NODE_MISSING for a node
 * that nothing stands for. Idempotent.
 */
export function placed(object: KubeObject, nodes: StandIns): KubeObject {
  const { kind } = object;
  if (kind === "Pod") return { ...object, spec: placedPod(object, object["spec"] as PodSpec, nodes) };
  return { ...object, ...placedTemplates(object, object, nodes) };
}

/** All pod templates below a value: workloads have one, a CronJob's is inside its Job's. */
function placedTemplates(owner: KubeObject, value: object, nodes: StandIns): object {
  return Object.fromEntries(
    Object.entries(value).map(([field, inner]: [string, unknown]) => {
      if (!isMapping(inner)) return [field, inner];
      const isPods = field === "template" && isMapping(inner["spec"]) && Array.isArray(inner["spec"]["containers"]);
      if (isPods) return [field, { ...inner, spec: placedPod(owner, inner["spec"] as unknown as PodSpec, nodes) }];
      const isBelow = field === "spec" || field === "jobTemplate";
      return [field, isBelow ? placedTemplates(owner, inner, nodes) : inner];
    }),
  );
}

function placedPod(owner: KubeObject, spec: PodSpec, nodes: StandIns): PodSpec {
  const all = [...nodes.values()];
  if (spec.nodeName !== undefined) {
    const real = nodes.get(spec.nodeName)?.name ?? all.find(({ name }) => name === spec.nodeName)?.name;
    if (real === undefined) throw nodeMissing(owner, spec.nodeName, nodes);
    return { ...spec, nodeName: real };
  }
  const { nodeSelector: _replaced, affinity, ...rest } = spec;
  const others = isMapping(affinity) ? affinity : {};
  const nodeAffinity = isMapping(others["nodeAffinity"]) ? others["nodeAffinity"] : {};
  const names = all.filter((node) => fits(spec, node)).map(({ name }) => name);
  const preferred = nodeAffinity["preferredDuringSchedulingIgnoredDuringExecution"];
  const own = onNodes(names.length === 0 ? NOWHERE : names) as { nodeAffinity: object };
  return {
    ...rest,
    affinity: {
      ...others,
      nodeAffinity: {
        ...own.nodeAffinity,
        ...(Array.isArray(preferred)
          ? {
              preferredDuringSchedulingIgnoredDuringExecution: preferred.flatMap((one: unknown) =>
                placedWish(one, all),
              ),
            }
          : {}),
      },
    },
  };
}

/** One preference a node: the one field that a node is known by takes one name. */
function placedWish(preferred: unknown, all: readonly StandIn[]): object[] {
  const { weight, preference } = preferred as { weight: number; preference: unknown };
  const required = { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [preference] } };
  const wish = { containers: [], affinity: { nodeAffinity: required } };
  return all
    .filter((node) => fits(wish, node))
    .map(({ name }) => ({
      weight,
      preference: { matchFields: [{ key: "metadata.name", operator: "In", values: [name] }] },
    }));
}

/** Whether selector and affinity let a pod on a node of the lab, by the name and labels that the lab gives it. */
function fits(spec: PodSpec, { planned, name, labels }: StandIn): boolean {
  const role = planned.role === "control-plane" ? { "node-role.kubernetes.io/control-plane": "" } : {};
  const metadata = {
    name: isPlacedOn(spec, name) ? name : planned.name,
    labels: { ...labels, ...role, [HOSTNAME]: planned.name, ...planned.labels },
  };
  const node = { metadata, spec: {} } as unknown as NodeObject;
  return refusalOf({ spec } as unknown as Pod, node) === undefined;
}

/** Whether the cluster's own node is asked for, as {@link placed} does it. */
function isPlacedOn({ affinity }: PodSpec, name: string): boolean {
  const { nodeAffinity } = isMapping(affinity) ? affinity : {};
  const text = JSON.stringify(nodeAffinity ?? {});
  return text.includes('"matchFields"') && text.includes(JSON.stringify(name));
}

function nodeMissing({ kind, metadata }: KubeObject, node: string, nodes: StandIns): LabError {
  const name = metadata.namespace === undefined ? metadata.name : `${metadata.namespace}/${metadata.name}`;
  return new LabError(
    "EXISTING_NODE_MISSING",
    `${kind} ${name} is for node ${node}, and no node of the cluster stands for it`,
    { hint: `nodes that some stand for: ${[...nodes.keys()].join(", ")}` },
  );
}

/** An object as the lab has it: nodes by the lab's names. Undefined for a node that stands for none. */
export function shown(object: KubeObject, nodes: StandIns): KubeObject | undefined {
  const named = (real: string | undefined): string | undefined =>
    [...nodes.values()].find(({ name }) => name === real)?.planned.name;
  switch (object.kind) {
    case "Node": {
      const name = named(object.metadata.name);
      if (name === undefined) return undefined;
      const labels = { ...object.metadata.labels, [HOSTNAME]: name };
      return { ...object, metadata: { ...object.metadata, name, labels } };
    }
    case "Pod": {
      const spec = object["spec"] as PodSpec;
      const nodeName = named(spec.nodeName);
      return nodeName === undefined ? object : { ...object, spec: { ...spec, nodeName } };
    }
    case "EndpointSlice": {
      const endpoints = (object["endpoints"] ?? []) as { nodeName?: string }[];
      return { ...object, endpoints: endpoints.map((one) => ({ ...one, ...nodeNameOf(named(one.nodeName)) })) };
    }
    default:
      return object;
  }
}

function nodeNameOf(nodeName: string | undefined): { nodeName?: string } {
  return nodeName === undefined ? {} : { nodeName };
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

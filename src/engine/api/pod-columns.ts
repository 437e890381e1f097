import { isRecord } from "../../core/is-record.ts";
import type { ContainerStatus, KubeObject, Pod } from "../../kube/types.ts";
import type { ColumnSpec } from "./column.ts";
import { humanDuration } from "./human-duration.ts";

const pod = (object: KubeObject): Pod => object as Pod;

/** The columns of pods between their name and their age, then those behind it. */
export const podColumns: readonly ColumnSpec[] = [
  {
    name: "Ready",
    cell: (object) => {
      const { spec, status } = pod(object);
      return `${(status?.containerStatuses ?? []).filter(({ ready }) => ready).length}/${spec.containers.length}`;
    },
  },
  { name: "Status", cell: (object) => podReason(pod(object)) },
  { name: "Restarts", cell: (object, nowMs) => restarts(pod(object), nowMs) },
  { name: "IP", isWide: true, cell: (object) => pod(object).status?.podIP ?? "<none>" },
  { name: "Node", isWide: true, cell: (object) => pod(object).spec.nodeName ?? "<none>" },
  {
    name: "Nominated Node",
    isWide: true,
    cell: (object) =>
      String((pod(object).status as Record<string, unknown> | undefined)?.["nominatedNodeName"] ?? "<none>"),
  },
  {
    name: "Readiness Gates",
    isWide: true,
    cell: (object) => {
      const gates = pod(object).spec["readinessGates"];
      if (!Array.isArray(gates) || gates.length === 0) return "<none>";
      const isTrue = (gate: unknown): boolean =>
        pod(object).status?.conditions?.some(
          ({ type, status }) => isRecord(gate) && type === gate["conditionType"] && status === "True",
        ) ?? false;
      return `${gates.filter(isTrue).length}/${gates.length}`;
    },
  },
];

/** printPod of pkg/printers/internalversion/printers.go, as far as there are containers that are modelled. */
function podReason({ metadata, status }: Pod): string {
  const statuses = status?.containerStatuses ?? [];
  let reason = String((status as Record<string, unknown> | undefined)?.["reason"] ?? status?.phase ?? "Pending");
  let hasRunning = false;
  for (const container of statuses.toReversed()) {
    const own = stateReason(container);
    if (own !== undefined) reason = own;
    else if (container.ready && container.state["running"] !== undefined) hasRunning = true;
  }
  if (reason === "Completed" && hasRunning) {
    const isReady =
      status?.conditions?.some(({ type, status: value }) => type === "Ready" && value === "True") ?? false;
    reason = isReady ? "Running" : "NotReady";
  }
  return metadata.deletionTimestamp === undefined ? reason : "Terminating";
}

function stateReason({ state }: ContainerStatus): string | undefined {
  const { waiting, terminated } = state;
  if (isRecord(waiting) && typeof waiting["reason"] === "string" && waiting["reason"] !== "") return waiting["reason"];
  if (!isRecord(terminated)) return undefined;
  if (typeof terminated["reason"] === "string" && terminated["reason"] !== "") return terminated["reason"];
  return `ExitCode:${String(terminated["exitCode"])}`;
}

function restarts({ status }: Pod, nowMs: number): string {
  const statuses = status?.containerStatuses ?? [];
  const count = statuses.reduce((sum, { restartCount }) => sum + restartCount, 0);
  const ends = statuses.flatMap(({ lastState }) => {
    const terminated = lastState?.["terminated"];
    return isRecord(terminated) && typeof terminated["finishedAt"] === "string"
      ? [Date.parse(terminated["finishedAt"])]
      : [];
  });
  return count === 0 || ends.length === 0
    ? String(count)
    : `${count} (${humanDuration(nowMs - Math.max(...ends))} ago)`;
}

import type { Pod } from "../../kube/types.ts";
import type { ContainerStart } from "../pod-runtime.ts";
import type { ListenResult } from "../servers/messages.ts";
import { readinessFault } from "./readiness.ts";
import type { ContainerPlan } from "./registry.ts";

/** What became of a pod's containers, from what they were to do and what the server thread said of their sockets. */
export function containerStarts(
  pod: Pod,
  plans: readonly ContainerPlan[],
  results: readonly ListenResult[],
): ContainerStart[] {
  const containers = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])];
  return plans.map((plan): ContainerStart => {
    const { name } = plan;
    if (plan.waiting !== undefined) return { name, state: { kind: "waiting", ...plan.waiting } };
    if (plan.end !== undefined) return { name, state: { kind: "exited", ...plan.end } };
    const failed = results.find(({ container, error }) => container === name && error !== undefined);
    if (failed?.error !== undefined) {
      // A server that cannot have its port ends, as the real one does.
      const message = `cannot listen on port ${failed.port}/${failed.protocol}: ${failed.error.code}`;
      return { name, state: { kind: "exited", exitCode: 1, message } };
    }
    const container = containers.find((candidate) => candidate.name === name);
    const notReady = container === undefined ? undefined : readinessFault(container, plan.listens);
    return { name, state: { kind: "running" }, ...(notReady === undefined ? {} : { notReady }) };
  });
}

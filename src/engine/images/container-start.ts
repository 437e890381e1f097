import type { Container, Pod } from "../../kube/types.ts";
import type { ContainerStart } from "../pod-runtime.ts";
import type { ListenResult } from "../servers/messages.ts";
import { preStopHook } from "./pre-stop.ts";
import { probeFault } from "./probe-fault.ts";
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
    if (container === undefined) return { name, state: { kind: "running" }, stop: plan.stop };
    const preStop = preStopHook(container, plan.listens);
    const stop = { ...plan.stop, ...(preStop === undefined ? {} : { preStop }) };
    return { name, state: { kind: "running" }, ...probesOf(container, plan), stop };
  });
}

function probesOf(container: Container, { listens }: ContainerPlan): Pick<ContainerStart, "notReady" | "unhealthy"> {
  const notReady = probeFault(container, "Readiness", listens);
  const startup = probeFault(container, "Startup", listens);
  const liveness = probeFault(container, "Liveness", listens);
  const unhealthy = { ...(startup !== undefined && { startup }), ...(liveness !== undefined && { liveness }) };
  return {
    ...(notReady === undefined ? {} : { notReady }),
    ...(startup === undefined && liveness === undefined ? {} : { unhealthy }),
  };
}

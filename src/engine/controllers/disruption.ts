import type { PodDisruptionBudget } from "../../kube/disruption.ts";
import { apiTime } from "../clock.ts";
import { budgetsOf, currentDisruptions } from "../disruption-budgets.ts";
import type { Pod } from "../../kube/types.ts";
import { keyOf, splitKey, type Controller } from "./controller.ts";

interface Condition {
  type: string;
  status: string;
  lastTransitionTime: string;
}

/** Tells in the status of each PodDisruptionBudget what it allows. An eviction asks the pods themselves. */
export const disruptionController: Controller = {
  name: "disruption",
  kinds: ["PodDisruptionBudget", "Pod", "Deployment", "ReplicaSet", "StatefulSet"],
  *keysOf({ key, object, previous }, store) {
    if (key === "PodDisruptionBudget") yield keyOf(object);
    else if (key === "Pod") {
      for (const budget of budgetsOf(store, object as Pod)) yield keyOf(budget);
      if (previous !== undefined) for (const budget of budgetsOf(store, previous as Pod)) yield keyOf(budget);
    } else {
      const { namespace = "" } = object.metadata;
      for (const budget of store.all({ kind: "PodDisruptionBudget", namespace })) yield keyOf(budget);
    }
  },
  reconcile(key, { store, clock }) {
    const { namespace, name } = splitKey(key);
    const budget = store.find({ kind: "PodDisruptionBudget", namespace, name }) as PodDisruptionBudget | undefined;
    if (budget === undefined) return;
    const counts = currentDisruptions(store, budget);
    const isAllowed = counts.disruptionsAllowed > 0;
    const { generation: observedGeneration = 1 } = budget.metadata;
    const type = "DisruptionAllowed";
    const status = isAllowed ? "True" : "False";
    const { conditions = [] } = (budget["status"] ?? {}) as { conditions?: Condition[] };
    const before = conditions.find((one) => one.type === type);
    const condition = {
      type,
      status,
      reason: isAllowed ? "SufficientPods" : "InsufficientPods",
      message: "",
      observedGeneration,
      lastTransitionTime: before?.status === status ? before.lastTransitionTime : apiTime(clock.nowMs()),
    };
    store.updateStatus({ ...budget, status: { ...counts, observedGeneration, conditions: [condition] } });
  },
};

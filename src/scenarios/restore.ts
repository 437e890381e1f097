import { LabError } from "../core/errors.ts";
import type { FaultPlace } from "../providers/fault.ts";
import { faultReferences } from "./fault.ts";
import { faultField } from "./fault-field.ts";
import { describeFault, faultsAfter, isSameFault } from "./faults-there.ts";
import { settle } from "./settle.ts";
import { defineScenario } from "./types.ts";

/** Takes a fault back; docs/scenarios/restore.md. */
export const restore = defineScenario<FaultPlace>({
  kind: "restore",
  summary: "takes a fault back and waits until the change is in effect",
  options: faultField("restore", {
    killCniAgent: {
      message: "a killed CNI agent needs no restore",
      hint: "leave this step out: its DaemonSet starts the agent again",
    },
    restart: {
      message: "a restarted node needs no restore",
      hint: "leave this step out: the fault step ends when the node is ready again",
    },
    podKill: {
      message: "a killed pod needs no restore",
      hint: "leave this step out: its workload makes another; follow with wait",
    },
    rolloutRestart: {
      message: "a rollout needs no restore",
      hint: "leave this step out: the fault step ends when the rollout is complete",
    },
  }),
  manifests: () => [],
  references: faultReferences,
  check: (options, { earlier }) => {
    const there = faultsAfter(earlier);
    if (there.some((each) => isSameFault(each, options))) return undefined;
    return {
      code: "LAB_RESTORE_WITHOUT_FAULT",
      message: `no earlier step made this fault: ${describeFault(options)}`,
      hint:
        there.length === 0
          ? "a fault step of the same node comes before its restore"
          : `there is: ${there.map((each) => describeFault(each)).join("; ")}`,
    };
  },
  run: async (options, _objects, context) => {
    const { cluster, progress, signal } = context;
    if (cluster.restore === undefined) {
      throw new LabError("SCENARIO_NO_FAULTS", "this provider cannot mend nodes", {
        hint: "cnilab list -o json says where a lab runs",
      });
    }
    await cluster.restore(options);
    signal.throwIfAborted();
    progress(`taken back: ${describeFault(options)}`);
    await settle(context);
  },
});

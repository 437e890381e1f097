import { isRecord } from "../../core/is-record.ts";
import type { Pod } from "../../kube/types.ts";
import type { AdmissionRule } from "../store/store.ts";

/** How long a pod stays on a node that is not ready or not heard from (kube-apiserver(8), --default-not-ready-toleration-seconds). */
const TOLERATION_SECONDS = 300;
const KEYS = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];

/** The admission plugin DefaultTolerationSeconds: a pod that says nothing of such nodes tolerates them for five minutes. */
export const defaultTolerations: AdmissionRule = (draft, { operation, key }) => {
  if (operation !== "create" || key !== "Pod") return;
  const { spec } = draft as Pod;
  const own = spec.tolerations ?? [];
  const added = KEYS.filter((taint) => !own.some((toleration) => isAbout(toleration, taint))).map((taint) => ({
    key: taint,
    operator: "Exists",
    effect: "NoExecute",
    tolerationSeconds: TOLERATION_SECONDS,
  }));
  if (added.length > 0) spec.tolerations = [...own, ...added];
};

function isAbout(toleration: unknown, taint: string): boolean {
  if (!isRecord(toleration)) return false;
  const { key = "", effect = "" } = toleration;
  return (key === "" || key === taint) && (effect === "" || effect === "NoExecute");
}

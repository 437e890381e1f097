import { isRecord } from "../../core/is-record.ts";
import type { KubeObject } from "../../kube/types.ts";
import { apiTime } from "../clock.ts";
import { kindKey } from "../store/kinds.ts";
import type { Controller } from "./controller.ts";

const DEFINITION = "CustomResourceDefinition";

/**
 * Tells of each CustomResourceDefinition that its names are taken and that it is served, as it is from its creation, and takes its
 * objects away once it is gone (apiextensions/v1).
 */
export const customResourceDefinitionController: Controller = {
  name: "custom-resource-definition",
  kinds: [DEFINITION],
  *keysOf({ object }) {
    yield JSON.stringify([object.metadata.name, definedKey(object)]);
  },
  reconcile(key, { store, clock }) {
    const [name, defined] = JSON.parse(key) as [string, string];
    const definition = store.find({ kind: DEFINITION, namespace: "", name });
    if (definition === undefined && defined !== "") {
      for (const { metadata } of store.all({ kind: defined }))
        store.delete({ kind: defined, namespace: metadata.namespace ?? "", name: metadata.name });
    }
    const spec = definition?.["spec"];
    if (definition === undefined || definition["status"] !== undefined || !isRecord(spec)) return;
    const versions = Array.isArray(spec["versions"]) ? spec["versions"].filter(isRecord) : [];
    const condition = (type: string, reason: string, message: string): object => ({
      type,
      status: "True",
      reason,
      message,
      lastTransitionTime: apiTime(clock.nowMs()),
    });
    store.updateStatus({
      ...definition,
      status: {
        acceptedNames: spec["names"],
        conditions: [
          condition("NamesAccepted", "NoConflicts", "no conflicts found"),
          condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        ],
        storedVersions: versions.filter((version) => version["storage"] === true).map((version) => version["name"]),
      },
    });
  },
};

/** What the store files the objects of a definition under; empty for one that is too broken to say. */
function definedKey({ spec }: KubeObject): string {
  if (!isRecord(spec) || !isRecord(spec["names"])) return "";
  const { group, names } = spec;
  const { kind } = names as Record<string, unknown>;
  return typeof kind === "string" && typeof group === "string" ? kindKey(`${group}/v1`, kind) : "";
}

import { isMap, isSeq, LineCounter, type Node, parseAllDocuments } from "yaml";
import type { Span } from "../core/errors.ts";
import type { AdminPolicy } from "../kube/admin-policy-types.ts";
import type { NetworkPolicy } from "../kube/types.ts";
import type { PlannedObject } from "../plan/types.ts";
import type { PlacedAdminPolicy, PlacedPolicy, PolicyPlaces } from "../policy/types.ts";
import { withPlaces } from "./with-places.ts";

/** A planned NetworkPolicy with its places. */
export function placePolicy(planned: PlannedObject, text: string | undefined): PlacedPolicy {
  return withPlaces(planned.object as NetworkPolicy, () => placesOf(planned, text));
}

/** A planned cluster-wide policy with its places. */
export function placeAdminPolicy(planned: PlannedObject, text: string | undefined): PlacedAdminPolicy {
  return withPlaces(planned.object as AdminPolicy, () => placesOf(planned, text));
}

/**
 * Finds where a policy and each of its rules stand in the manifest's text. Without the text, or where the policy is not
 * found in it (a List, an edited file), the place is the object's first line.
 */
function placesOf({ object, file, line }: PlannedObject, text: string | undefined): PolicyPlaces {
  const lines = text?.split("\n") ?? [];
  const spanAt = (atLine: number, column: number): Span => {
    const lineText = lines[atLine - 1] ?? "";
    return { file, line: atLine, column, length: Math.max(1, lineText.trimEnd().length - column + 1), lineText };
  };
  const counter = new LineCounter();
  const spanOf = (node: Node | null | undefined): Span | undefined => {
    if (node?.range === undefined || node.range === null) return undefined;
    const { line: atLine, col } = counter.linePos(node.range[0]);
    return spanAt(atLine, col);
  };
  const documents = text === undefined ? [] : parseAllDocuments(text, { lineCounter: counter });
  const document = (Array.isArray(documents) ? documents : []).find((candidate) => {
    const namespace: unknown = candidate.getIn(["metadata", "namespace"]);
    return (
      candidate.get("kind") === object.kind &&
      candidate.getIn(["metadata", "name"]) === object.metadata.name &&
      (namespace ?? "default") === (object.metadata.namespace ?? "default")
    );
  });
  const rules = (direction: "ingress" | "egress"): (Span | undefined)[] => {
    const list = document?.getIn(["spec", direction]);
    return isSeq(list) ? list.items.map((item) => spanOf(item as Node)) : [];
  };
  return {
    span: isMap(document?.contents) ? spanOf(document.contents) : spanAt(line, 1),
    ruleSpans: { ingress: rules("ingress"), egress: rules("egress") },
  };
}

import { isMap, isSeq, LineCounter, type Node, parseAllDocuments } from "yaml";
import type { Span } from "../core/errors.ts";
import type { NetworkPolicy } from "../kube/types.ts";
import type { PlannedObject } from "../plan/types.ts";
import type { PlacedPolicy } from "../policy/types.ts";

/**
 * Finds where a policy and each of its rules stand in the manifest's text. Without the text, or where the policy is not
 * found in it (a List, an edited file), the place is the object's first line.
 */
export function placePolicy({ object, file, line }: PlannedObject, text: string | undefined): PlacedPolicy {
  const policy = object as NetworkPolicy;
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
      candidate.get("kind") === "NetworkPolicy" &&
      candidate.getIn(["metadata", "name"]) === policy.metadata.name &&
      (namespace ?? "default") === (policy.metadata.namespace ?? "default")
    );
  });
  const rules = (direction: "ingress" | "egress"): (Span | undefined)[] => {
    const list = document?.getIn(["spec", direction]);
    return isSeq(list) ? list.items.map((item) => spanOf(item as Node)) : [];
  };
  return {
    policy,
    span: isMap(document?.contents) ? spanOf(document.contents) : spanAt(line, 1),
    ruleSpans: { ingress: rules("ingress"), egress: rules("egress") },
  };
}

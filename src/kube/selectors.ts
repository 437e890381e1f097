import type { LabelSelector, LabelSelectorRequirement } from "./types.ts";

/** Labels of an object; an object without labels has the empty record. */
export type Labels = Readonly<Record<string, string>>;

/**
 * The label that the API server puts on every namespace, its value the namespace's name
 * (kubernetes.io/docs/reference/labels-annotations-taints, KEP-2161).
 */
const NAMESPACE_NAME_LABEL = "kubernetes.io/metadata.name";

/** A namespace's labels with {@link NAMESPACE_NAME_LABEL}, which no manifest can take away. */
export function namespaceLabels(name: string, labels: Labels | undefined): Record<string, string> {
  return { ...labels, [NAMESPACE_NAME_LABEL]: name };
}

/**
 * Whether labels satisfy a LabelSelector: all of matchLabels and all of matchExpressions. By the API a null selector
 * (undefined here) matches nothing and an empty one matches everything; callers for which absence means something else
 * must say so themselves.
 */
export function matchesSelector(selector: LabelSelector | undefined, labels: Labels | undefined): boolean {
  if (selector === undefined) return false;
  const present = labels ?? {};
  return (
    matchesLabels(selector.matchLabels, present) &&
    (selector.matchExpressions ?? []).every((requirement) => matchesRequirement(requirement, present))
  );
}

/**
 * Whether labels hold every key and value wanted: the plain map of a Service's `spec.selector` or a nodeSelector.
 * An absent or empty map matches everything, so a Service without a selector must be left out by the caller.
 */
export function matchesLabels(wanted: Labels | undefined, labels: Labels | undefined): boolean {
  return Object.entries(wanted ?? {}).every(([key, value]) => labelOf(labels, key) === value);
}

/** One of matchExpressions; NotIn and DoesNotExist match objects that lack the key (labels.Requirement.Matches). */
function matchesRequirement(requirement: LabelSelectorRequirement, labels: Labels | undefined): boolean {
  const value = labelOf(labels, requirement.key);
  const values = requirement.values ?? [];
  switch (requirement.operator) {
    case "In":
      return value !== undefined && values.includes(value);
    case "NotIn":
      return value === undefined || !values.includes(value);
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
  }
}

/** Whether the selector matches every object: it has neither labels nor expressions. */
export function isEmptySelector(selector: LabelSelector): boolean {
  return Object.keys(selector.matchLabels ?? {}).length === 0 && (selector.matchExpressions ?? []).length === 0;
}

/** The selector as kubectl prints it: `app=web,tier in (a,b),!debug`; `<all>` when empty. */
export function formatSelector(selector: LabelSelector): string {
  const parts = [
    ...Object.entries(selector.matchLabels ?? {}).map(([key, value]) => `${key}=${value}`),
    ...(selector.matchExpressions ?? []).map(formatRequirement),
  ];
  return parts.length === 0 ? "<all>" : parts.join(",");
}

function formatRequirement({ key, operator, values }: LabelSelectorRequirement): string {
  switch (operator) {
    case "In":
      return `${key} in (${(values ?? []).join(",")})`;
    case "NotIn":
      return `${key} notin (${(values ?? []).join(",")})`;
    case "Exists":
      return key;
    case "DoesNotExist":
      return `!${key}`;
  }
}

/** Own keys only: a selector for `constructor` must not find Object.prototype's. */
export function labelOf(labels: Labels | undefined, key: string): string | undefined {
  return labels !== undefined && Object.hasOwn(labels, key) ? labels[key] : undefined;
}

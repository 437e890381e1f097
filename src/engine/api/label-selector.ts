import { labelKeyProblem, labelValueProblem } from "../../kube/names.ts";
import { labelOf, type Labels } from "../../kube/selectors.ts";
import { badRequest } from "./api-error.ts";

/** Whether an object's labels are selected. */
export type LabelMatch = (labels: Labels | undefined) => boolean;

const SETS = /^\s*([^\s,()=!]+)\s+(in|notin)\s*\(([^()]*)\)\s*$/;
const COMPARES = /^\s*([^\s,()=!<>]+)\s*(==|=|!=|>|<)\s*([^\s,()=!<>]*)\s*$/;
const EXISTS = /^\s*(!?)\s*([^\s,()=!<>]+)\s*$/;

/**
 * Reads a `labelSelector` of a query: `app=web,tier in (a,b),!debug`
 * (kubernetes.io/docs/concepts/overview/working-with-objects/labels). Throws ApiError.
 */
export function parseLabelSelector(text: string): LabelMatch {
  if (text.trim() === "") return () => true;
  const matches = requirements(text).map((part) => requirement(part, text));
  return (labels) => matches.every((isMatch) => isMatch(labels));
}

/** Splits at commas that are in no parentheses. */
function requirements(text: string): string[] {
  return text.split(/,(?![^(]*\))/);
}

function requirement(part: string, whole: string): LabelMatch {
  const set = SETS.exec(part);
  if (set !== null) {
    const [, key = "", operator, list = ""] = set;
    const values = list.split(",").map((value) => value.trim());
    check(key, values, whole);
    return (labels) => {
      const value = labelOf(labels, key);
      const isIn = value !== undefined && values.includes(value);
      return operator === "in" ? isIn : !isIn;
    };
  }
  const compare = COMPARES.exec(part);
  if (compare !== null) {
    const [, key = "", operator, wanted = ""] = compare;
    check(key, [wanted], whole);
    if (operator === "<" || operator === ">") return numeric(key, operator, wanted, whole);
    return (labels) => (labelOf(labels, key) === wanted) === (operator !== "!=");
  }
  const exists = EXISTS.exec(part);
  if (exists === null) throw unparsable(whole, `"${part.trim()}" is no requirement`);
  const [, negation, key = ""] = exists;
  check(key, [], whole);
  return (labels) => (labelOf(labels, key) === undefined) === (negation === "!");
}

function numeric(key: string, operator: string, wanted: string, whole: string): LabelMatch {
  if (!/^-?\d+$/.test(wanted)) throw unparsable(whole, `"${wanted}" is no integer`);
  const bound = BigInt(wanted);
  return (labels) => {
    const value = labelOf(labels, key);
    if (value === undefined || !/^-?\d+$/.test(value)) return false;
    return operator === ">" ? BigInt(value) > bound : BigInt(value) < bound;
  };
}

function check(key: string, values: readonly string[], whole: string): void {
  const problem = labelKeyProblem(key);
  if (problem !== undefined) throw unparsable(whole, `key "${key}" ${problem}`);
  for (const value of values) {
    const valueProblem = labelValueProblem(value);
    if (valueProblem !== undefined) throw unparsable(whole, `value "${value}" ${valueProblem}`);
  }
}

function unparsable(text: string, why: string): Error {
  return badRequest(`unable to parse requirement of label selector ${JSON.stringify(text)}: ${why}`);
}

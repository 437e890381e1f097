import { expect, test } from "vitest";
import {
  dns1035LabelProblem,
  dnsLabelProblem,
  dnsSubdomainProblem,
  labelKeyProblem,
  labelValueProblem,
  objectKey,
  portNameProblem,
} from "../../../src/kube/names.ts";

type Check = (text: string) => string | undefined;

test.each<[string, Check, string[], string[]]>([
  [
    "DNS-1123 label",
    dnsLabelProblem,
    ["a", "a-b", "0", "a".repeat(63)],
    ["", "A", "a.b", "-a", "a-", "a_b", "a".repeat(64), "../x", "a\n"],
  ],
  ["DNS-1035 label", dns1035LabelProblem, ["a", "a1"], ["1a", "", "A"]],
  [
    "DNS-1123 subdomain",
    dnsSubdomainProblem,
    ["a", "a.b", "web-1.x"],
    ["", "a..b", ".a", "a.", "A.b", "a/b", "a".repeat(254)],
  ],
  [
    "label key",
    labelKeyProblem,
    ["app", "App_1.x", "example.com/app", "kubernetes.io/metadata.name"],
    ["", "a b", "/app", "a/b/c", "example.com/", "Example.com/a", "-a", "a".repeat(64)],
  ],
  ["label value", labelValueProblem, ["", "a", "1.2_x-Y"], ["-a", "a-", "a b", "a/b", "a".repeat(64)]],
  ["port name", portNameProblem, ["http", "a", "p-80", "8080x"], ["", "HTTP", "80", "a--b", "-a", "a".repeat(16)]],
])("%s", (_name, problemOf, right, wrong) => {
  for (const text of right) expect(problemOf(text), text).toBeUndefined();
  for (const text of wrong) expect(problemOf(text), text).toBeTypeOf("string");
});

test("objects of one name are told apart by kind and namespace", () => {
  const keys = [
    { kind: "Pod", metadata: { name: "a", namespace: "x" } },
    { kind: "Pod", metadata: { name: "a", namespace: "y" } },
    { kind: "Service", metadata: { name: "a", namespace: "x" } },
    { kind: "Namespace", metadata: { name: "a" } },
  ].map(objectKey);
  expect(new Set(keys).size).toBe(4);
});

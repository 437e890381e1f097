import { expect, test } from "vitest";
import { qosClassOf } from "../../../src/kube/qos-class.ts";

const both = (cpu: string, memory: string): object => ({ cpu, memory });

test.each([
  ["nothing", [{}], "BestEffort"],
  ["zero is nothing", [{ limits: both("0", "0") }], "BestEffort"],
  ["other resources do not count", [{ limits: { "example.com/card": "1" } }], "BestEffort"],
  ["a request", [{ requests: { cpu: "100m" } }], "Burstable"],
  ["limits alone, of both", [{ limits: both("1", "1Gi") }], "Guaranteed"],
  ["limits of one", [{ limits: { cpu: "1" } }], "Burstable"],
  ["requests below limits", [{ limits: both("1", "1Gi"), requests: both("500m", "1Gi") }], "Burstable"],
  ["one container of two", [{ limits: both("1", "1Gi") }, {}], "Burstable"],
])("%s", (_, resources, expected) => {
  const containers = resources.map((each, index) => ({ name: `c${index}`, image: "x", resources: each }));
  expect(qosClassOf({ containers })).toBe(expected);
});

import { expect, test } from "vitest";
import { mtlsMode } from "../../../../src/engine/mesh/mtls-mode.ts";
import { peers, workload } from "./mesh-world.ts";

const web = workload("web", "10.0.0.1", { app: "web" });

test("without a policy both are taken", () => {
  expect(mtlsMode([], web, 8080)).toBe("PERMISSIVE");
});

test("the narrowest policy that says something counts: port, workload, namespace, mesh", () => {
  const mesh = peers("istio-system", { mtls: { mode: "STRICT" } });
  const namespace = peers("shop", { mtls: { mode: "DISABLE" } });
  const selector = { matchLabels: { app: "web" } };
  const own = peers("shop", { selector, mtls: { mode: "PERMISSIVE" }, portLevelMtls: { "8080": { mode: "STRICT" } } });
  expect(mtlsMode([mesh], web, 80)).toBe("STRICT");
  expect(mtlsMode([mesh, namespace], web, 80)).toBe("DISABLE");
  expect(mtlsMode([mesh, namespace, own], web, 80)).toBe("PERMISSIVE");
  expect(mtlsMode([mesh, namespace, own], web, 8080)).toBe("STRICT");
});

test("UNSET, and no mode, mean what is said further out", () => {
  const mesh = peers("istio-system", { mtls: { mode: "STRICT" } });
  const selector = { matchLabels: { app: "web" } };
  expect(mtlsMode([mesh, peers("shop", { mtls: { mode: "UNSET" } })], web, 80)).toBe("STRICT");
  expect(mtlsMode([mesh, peers("shop", { selector, portLevelMtls: { "1": { mode: "DISABLE" } } })], web, 80)).toBe(
    "STRICT",
  );
});

test("another namespace's policy, and one for other pods, are not about the workload", () => {
  const other = peers("other", { mtls: { mode: "STRICT" } });
  const labels = peers("shop", { selector: { matchLabels: { app: "db" } }, mtls: { mode: "STRICT" } });
  expect(mtlsMode([other, labels], web, 80)).toBe("PERMISSIVE");
});

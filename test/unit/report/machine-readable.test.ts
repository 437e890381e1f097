import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { renderJson, renderYaml } from "../../../src/report/json.ts";
import { renderJunit } from "../../../src/report/junit.ts";
import { cell, observation, probe, report } from "./sample-report.ts";

const mixed = report([
  probe("reachable", [cell("shop/web", "shop/db", "pass")]),
  probe("isolated", [
    cell("shop/cache", "shop/db", "fail", { expected: "blocked", reason: "expected blocked, observed allowed" }),
    cell("shop/visitor", "shop/db", "inconclusive", {
      observation: observation("error", "no such pod"),
      reason: "the probe itself failed: no such pod",
    }),
  ]),
]);

describe("JSON and YAML", () => {
  test("say the same", () => {
    expect(parse(renderYaml(mixed))).toEqual(JSON.parse(renderJson(mixed)));
  });

  test("have the verdict, counts and probes at the top, under a version", () => {
    expect(JSON.parse(renderJson(mixed))).toMatchObject({
      apiVersion: "cnilab.dev/v1alpha1",
      kind: "Report",
      verdict: "fail",
      counts: { pass: 1, fail: 1, inconclusive: 0 },
      lab: { name: "shop" },
      probes: [{ name: "reachable", cells: [{ verdict: "pass" }] }, { name: "isolated" }],
    });
  });

  test("keep what a terminal would not be given", () => {
    const evil = report([probe("x\u001b[2J", [])]);
    expect(JSON.parse(renderJson(evil)).probes[0].name).toBe("x\u001b[2J");
  });
});

describe("JUnit XML", () => {
  test("is a suite a probe and a case a cell, failed or in error", async () => {
    await expect(renderJunit(mixed)).toMatchFileSnapshot("expected/junit.xml");
  });

  test("counts an inconclusive cell as an error, never as passed", () => {
    const xml = renderJunit(mixed);
    expect(xml).toMatch(/<error [^>]*type="inconclusive"/);
    expect(xml).toMatch(/<testsuites [^>]*tests="3" failures="1" errors="1"/);
  });

  test("says in its text, and as layer in JSON, where a flow stopped", () => {
    const layer = { name: "link", text: "node/worker2 has a link that is down: eth0", fact: "eth0 is not up" } as const;
    const stopped = report([probe("web reaches db", [cell("shop/web", "shop/db", "fail", { layer })])]);
    expect(renderJunit(stopped)).toContain(`stopped at: link: ${layer.text} (${layer.fact})`);
    const document = JSON.parse(renderJson(stopped)) as { probes: { cells: { layer?: object }[] }[] };
    expect(document.probes[0]?.cells[0]?.layer).toEqual(layer);
  });

  test("stays XML whatever names hold", () => {
    const evil = `a"b<c>&'\u0000\u001b]]>]]>\ud800\uffff<!--`;
    const xml = renderJunit(
      report([
        probe(evil, [
          cell(evil, evil, "fail", { reason: evil, rerun: evil }),
          cell(evil, "b", "inconclusive", { reason: evil, rerun: evil }),
        ]),
      ]),
    );
    // eslint-disable-next-line no-control-regex
    expect(xml).not.toMatch(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/);
    expect(xml).not.toMatch(/[\ud800-\udfff]/);
    // Between tags only text, and in tags only quoted attributes.
    const rest = xml
      .replace(/^<\?xml [^>]*\?>/, "")
      .replaceAll(/<!\[CDATA\[.*?\]\]>/gs, "")
      .replaceAll(/<\/?[a-z]+(?:\s+[a-z]+="[^"<]*")*\s*\/?>/g, "");
    expect(rest).not.toContain("<");
  });
});

import { expect, test } from "vitest";
import { parseYamlDocuments } from "../../../../src/core/yaml-document.ts";
import { checkManifest } from "../../../../src/kube/manifest-check.ts";

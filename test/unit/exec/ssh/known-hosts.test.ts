import { expect, test } from "vitest";
import { preferKnown } from "../../../../src/exec/ssh/known-hosts.ts";
import type { KnownKey } from "../../../../src/exec/ssh/known-hosts.ts";

const known = (type: string, marker?: KnownKey["marker"]): KnownKey => ({ file: "f", marker, type, key: "k" });

test("algorithms whose key is known come first, in the order of the configuration", () => {
  const algorithms = ["ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512", "rsa-sha2-256"];
  expect(preferKnown(algorithms, [known("ssh-rsa")])).toEqual([
    "rsa-sha2-512",
    "rsa-sha2-256",
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
  ]);
  expect(preferKnown(algorithms, [known("ecdsa-sha2-nistp256"), known("ssh-ed25519")])).toEqual(algorithms);
  expect(preferKnown(algorithms, [known("ssh-rsa", "@revoked"), known("ssh-rsa", "@cert-authority")])).toEqual(
    algorithms,
  );
});

import { X509Certificate } from "node:crypto";
import { expect, test } from "vitest";
import { MeshAuthority } from "../../../../src/engine/mesh/authority.ts";
import { identityOf, principalOf } from "../../../../src/engine/mesh/identity.ts";

const authority = new MeshAuthority(() => new Date());

test("a service account's certificate is the authority's, for servers and clients, with a SPIFFE ID and nothing else", () => {
  const { cert, ca, key } = authority.credentials({ namespace: "shop", serviceAccount: "seller" });
  const certificate = new X509Certificate(cert);
  const root = new X509Certificate(ca);
  expect(certificate.verify(root.publicKey)).toBe(true);
  expect(certificate.checkIssued(root)).toBe(true);
  expect([root.ca, certificate.ca]).toEqual([true, false]);
  expect(certificate.subject).toBeFalsy();
  expect(certificate.subjectAltName).toBe("URI:spiffe://cluster.local/ns/shop/sa/seller");
  expect(certificate.keyUsage).toEqual(["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"]);
  expect(key).toContain("PRIVATE KEY");
});

test("all pods of a service account have the same, another one's is another", () => {
  const one = authority.credentials({ namespace: "shop", serviceAccount: "seller" });
  expect(authority.credentials({ namespace: "shop", serviceAccount: "seller" })).toBe(one);
  expect(authority.credentials({ namespace: "shop", serviceAccount: "buyer" }).cert).not.toBe(one.cert);
});

test.each([
  ["URI:spiffe://cluster.local/ns/shop/sa/seller", "cluster.local/ns/shop/sa/seller"],
  ["DNS:x, URI:spiffe://cluster.local/ns/a/sa/b", "cluster.local/ns/a/sa/b"],
  ["URI:spiffe://elsewhere/ns/shop/sa/seller", undefined],
  ["DNS:spiffe://cluster.local/ns/shop/sa/seller", undefined],
  [undefined, undefined],
])("%s names %s", (names, principal) => {
  const identity = identityOf(names);
  expect(identity && principalOf(identity)).toBe(principal);
});
